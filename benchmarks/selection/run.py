"""The time of an ensemble selection beside AutoGluon's class on the same predictions, one core, in the same run.

``python -m benchmarks.compare.peers autogluon`` first; then ``python -m benchmarks.selection.run``, which takes some
minutes and writes ``benchmarks/results/selection.md``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare.systems import AUTOGLUON
from raytabdl.ensemble import select
from raytabdl.metrics import CLASSIFICATION

RESULTS = Path(__file__).parent.parent / "results"
SCRIPT = Path(__file__).with_name("autogluon_selection.py")
N_MODELS, N_ROWS, SIZE, N_REPEATS = 100, 10_000, 40, 5
TO_REACH = {"log_loss": 0.15, "roc_auc": 1.0}


def main() -> None:
    y, predictions = problem()
    lines = [
        f"{N_MODELS} models, {N_ROWS:,} rows of two classes, {SIZE} steps; one core; medians of {N_REPEATS} of ours "
        "and the time of one of AutoGluon 1.6.3's in the same run.",
        "",
        "| metric | ours, s | to reach | AutoGluon, s | ratio | our loss | AutoGluon's | weights differ by at most |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, to_reach in TO_REACH.items():
        metric = CLASSIFICATION[name]
        by_name = {str(i): np.column_stack([1 - p, p]) for i, p in enumerate(predictions)}
        seconds = []
        for _ in range(N_REPEATS):
            began = time.perf_counter()
            ensemble = select(by_name, y, metric, size=SIZE)
            seconds.append(time.perf_counter() - began)
        own = np.array([ensemble.weights.get(str(i), 0.0) for i in range(N_MODELS)])
        theirs = autogluon(y, predictions, name)
        losses = [loss(metric.loss, y, predictions, weights) for weights in (own, theirs["weights"])]
        median = statistics.median(seconds)
        lines.append(
            f"| {name} | {median:.3f} | {to_reach} | {theirs['seconds']:.2f} | {theirs['seconds'] / median:.1f} | "
            f"{losses[0]:.6f} | {losses[1]:.6f} | {np.abs(own - theirs['weights']).max():.3f} |"
        )
    text = "\n".join(lines) + "\n"
    (RESULTS / "selection.md").write_text(text)
    print(text)


def problem() -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Targets, and probabilities of class 1 by models that see it through noise of their own and some in common."""
    rng = np.random.default_rng(0)
    y = (rng.random(N_ROWS) < 0.4).astype(np.float64)
    common = rng.normal(0, 2, N_ROWS)
    noise = rng.normal(0, 1, (N_MODELS, N_ROWS)) * rng.uniform(1, 3, (N_MODELS, 1))
    logits = 2 * y - 1 + common + noise
    return y, (1 / (1 + np.exp(-logits / 2))).astype(np.float32)


def autogluon(y: NDArray[np.float64], predictions: NDArray[np.float32], metric: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.npz"
        np.savez(file, y=y, predictions=predictions)
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run(
            [str(AUTOGLUON.interpreter), str(SCRIPT), str(file), metric, str(SIZE)],
            env={**kept, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return {**answer, "weights": np.array(answer["weights"])}


def loss(measure, y, predictions, weights) -> float:  # type: ignore[no-untyped-def]
    mean = np.tensordot(weights, predictions.astype(np.float64), axes=1)
    return float(measure(y, np.column_stack([1 - mean, mean])))


if __name__ == "__main__":
    main()
