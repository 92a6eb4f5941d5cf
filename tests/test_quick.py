"""The quick models: how long each is, and where it ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raytabdl.component import Horizon
from raytabdl.inputs import Target, TaskType
from raytabdl.quick import first_point_seconds, quick_configurations, train_quick
from raytabdl.task import Task, make_task

HORIZON = Horizon(27, 54, 1_000)


def task_of(n_rows: int, n_classes: int) -> Task:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n_rows, 10)))
    target = Target(TaskType.MULTICLASS, n_classes)
    return make_task(X, X[0].rank().to_numpy().astype(int) * n_classes // (n_rows + 1), target, 5, rng)


def test_what_cannot_be_left_before_long_is_known_before_it_begins() -> None:
    """The descent of a linear model is one step, and a booster grows a tree for each class."""
    seconds = {
        n: {name: first_point_seconds(config, task_of(n, 100), HORIZON) for name, config in quick_configurations()}
        for n in (1_000, 10_000)
    }
    for name in seconds[1_000]:
        assert seconds[10_000][name] == pytest.approx(10 * seconds[1_000][name])
    assert seconds[1_000]["quick-dummy"] == 0
    assert 1 < seconds[10_000]["quick-linear"] < 10
    few = first_point_seconds({"model": "lightgbm"}, task_of(10_000, 4), HORIZON)
    assert seconds[10_000]["quick-lightgbm"] == pytest.approx(25 * few)


def test_a_course_ends_where_it_is_told_to() -> None:
    results = list(train_quick("quick-lightgbm", {"model": "lightgbm"}, task_of(400, 3), HORIZON, 0, lambda: False, 3))
    assert results[-1].pipeline.budget == 3
