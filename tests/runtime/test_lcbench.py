"""One curve, without Ray: where it ends."""

from __future__ import annotations

import numpy as np
import pytest

from raytabdl import datasets
from raytabdl.collection import StudyTask, data_sets, read_study_task
from raytabdl.preprocessing import FoldCache
from raytabdl.runtime.cells import Cell
from raytabdl.runtime.lcbench import record_curve
from raytabdl.runtime.lcbench_plan import CurveSettings, curve_cells

SETTINGS = CurveSettings("small", n_epochs=6, max_rows=120, seed=0)


@pytest.fixture(scope="module")
def car() -> StudyTask:
    sources = [f"{datasets.describe('car').path}:class"]
    return read_study_task(data_sets(sources)[0], max_rows=120, seed=0, with_test=True)


def curve(car: StudyTask, settings: CurveSettings, **changes: float):
    (cell,) = curve_cells(settings, ["car"], n_configs=1, n_seeds=1)
    config = {**cell.config, **{f"network.mlp.{name}": value for name, value in changes.items()}}
    return record_curve(Cell("car/0", "car", {"id": "0", "config": config, "seed": 0}), car, settings, FoldCache())


def test_a_curve_has_a_value_before_the_first_epoch_and_after_each(car: StudyTask) -> None:
    found = curve(car, SETTINGS)
    assert found.log["epoch"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.isfinite(found.log["Train/val_accuracy"]).all()
    assert np.isnan(found.log["Train/lr"][0]) and np.isfinite(found.log["Train/lr"][1:]).all()
    assert "status" not in found.results
    assert found.results["budget"] == 6
    assert found.results["final_val_accuracy"] == found.log["Train/val_accuracy"][-1]


def test_a_curve_that_takes_too_long_has_no_values_from_there_on(car: StudyTask) -> None:
    found = curve(car, CurveSettings("small", 6, 120, 0, most_seconds=1e-9))
    assert len(found.log["epoch"]) == 7
    assert np.isfinite(found.log["Train/val_accuracy"]).tolist() == [True] + 6 * [False]
    assert found.results["status"] == "late"
    assert np.isnan(found.results["final_val_accuracy"])


def test_a_curve_whose_loss_becomes_infinite_says_so(car: StudyTask) -> None:
    found = curve(car, SETTINGS, **{"optimizer.sgd.lr": 1e30, "optimizer.sgd.weight_decay": 0.0})
    assert found.results["status"] == "diverged"
    assert np.isfinite(found.log["Train/val_cross_entropy"][0])
    assert np.isnan(found.log["epoch"][-1])


def test_more_configurations_begin_with_the_same() -> None:
    few, many = (curve_cells(SETTINGS, ["a", "b"], n_configs, 2) for n_configs in (2, 3))
    assert many[: len(few)] == few
    assert [cell.name for cell in few] == ["a/0", "b/0", "a/0-1", "b/0-1", "a/1", "b/1", "a/1-1", "b/1-1"]
    assert few[0].config == few[2].config != few[4].config
