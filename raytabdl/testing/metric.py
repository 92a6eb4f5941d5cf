"""The contracts of a metric."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Array, TaskType
from raytabdl.metrics import Metric
from raytabdl.testing.contract import must, without_errors


def check_metric(metric: Metric, task_type: TaskType) -> None:
    """Raises ContractError where a metric breaks a contract for a kind of task.

    Its loss is 0 where the truth is predicted and larger for worse predictions; the order of the rows does not count;
    and it changes nothing that it is given.
    """
    rng = np.random.default_rng(0)
    if task_type.is_classification:
        n_classes = 2 if task_type is TaskType.BINARY else 4
        y: NDArray[Any] = np.arange(120) % n_classes
        truth: Array = np.eye(n_classes)[y]
        noise: Array = rng.dirichlet(np.ones(n_classes), size=120)
    else:
        y = rng.uniform(1, 9, size=120)
        truth, noise = y.copy(), y.mean() + rng.normal(size=120)
    close = 0.9 * truth + 0.1 * noise
    order = rng.permutation(120)
    before = (y.copy(), close.copy())
    with without_errors(metric, f"measure predictions of a {task_type.value} task"):
        best, good, bad = (metric.loss(y, predictions) for predictions in (truth, close, noise))
        moved = metric.loss(y[order], noise[order])
        wrong = metric.loss(y, np.roll(truth, 1, axis=0))
    is_same = np.array_equal(before[0], y) and np.array_equal(before[1], close)
    must(metric, "leave targets and predictions as they were", is_same, "changed ones")
    for loss, what in ((good, "close predictions"), (bad, "random ones"), (wrong, "wrong ones")):
        must(metric, f"give {what} one finite number", isinstance(loss, float) and bool(np.isfinite(loss)), repr(loss))
    must(metric, "have a loss of 0 where the truth is predicted", abs(best) < 1e-9, f"{best:.3g}")
    must(
        metric, "have smaller losses for better predictions", -1e-9 <= good < bad, f"{good:.3g} and {bad:.3g} for worse"
    )
    must(metric, "have a loss above 0 for wrong predictions", wrong > 1e-9, f"{wrong:.3g}")
    must(metric, "not depend on the order of the rows", abs(moved - bad) < 1e-9 * max(1, bad), f"{bad}, then {moved}")
