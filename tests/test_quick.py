"""The quick models: how long each is, and where it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raytabdl import TabularClassifier
from raytabdl.component import Horizon
from raytabdl.history import QUICK, Status, Trial
from raytabdl.inputs import Target, TaskType
from raytabdl.lines import read_lines
from raytabdl.names import fold_of, trial_of
from raytabdl.quick import first_point_seconds, quick_configurations, train_quick
from raytabdl.task import Task, make_task

HORIZON = Horizon(27, 54, 1_000)
LIGHTGBM = Trial("quick-lightgbm", {"model": "lightgbm"}, QUICK, -1, 0)


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
    results = list(train_quick(LIGHTGBM, task_of(400, 3), HORIZON, lambda: False, 3))
    assert results[-1].pipeline.budget == 3


def test_without_ray_the_time_that_is_left_goes_to_the_other_folds(tmp_path: Path) -> None:
    """A bag predicts every row by a model that has not seen it; so it does not matter how many rows fold 0 has."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("abc"))
    y = (X["a"] + X["b"] * X["c"] + rng.normal(size=300) > 0).astype(int)
    clf = TabularClassifier(11, run_folder=tmp_path / "run").fit(X, y)
    history, ensemble = clf.folder_.history(), clf.predictor_.ensemble
    bags = {trial_of(name) for name in history.trials if fold_of(name) == 4}
    assert "quick-dummy" not in bags
    assert all(history.statuses[f"{name}.{fold}"] is Status.COMPLETED for name in bags for fold in (1, 2, 3, 4))
    assert {trial_of(member) for member in ensemble.weights} <= bags
    assert {fold_of(member) for member in ensemble.weights} == {0, 1, 2, 3, 4}
    assert clf.leaderboard()["trial"].is_unique
    assert "Ray ready" not in {line["phase"] for line in read_lines(clf.folder_.phases)}


def test_a_model_of_another_fold_predicts_the_rows_of_that_fold() -> None:
    task = task_of(401, 3)
    *_, last = train_quick(replace(LIGHTGBM, fold=2), task, HORIZON, lambda: False, 3)
    assert last.pipeline.best_predictions is not None
    assert last.pipeline.best_predictions.shape == (len(task.split(2)[1]), 3)
