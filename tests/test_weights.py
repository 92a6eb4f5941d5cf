"""Weights, parts and metrics of a fit, as a user gives them.

Fits of so few seconds start no Ray: they train the quick models, which end before the time is up on small tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.metrics import brier_score_loss, fbeta_score, make_scorer
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from raytabdl import TabularClassifier, TabularRegressor, TimeOrder
from raytabdl.classic.lightgbm import LightGBM
from raytabdl.exceptions import DataError, SettingError
from raytabdl.metrics import CLASSIFICATION
from raytabdl.names import fold_of, trial_of
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.persistence import MANIFEST
from raytabdl.space import Choices
from raytabdl.task import Task

N = 80


def table(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"size": rng.normal(size=n), "town": rng.choice(["a", "b", "c"], n)})


def labels(X: pd.DataFrame) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=len(X))
    return np.where(X["size"] + (X["town"] == "a") + noise > 0.3, "yes", "no")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def task_of(fitted: Any) -> Task:
    return fitted.folder_.read_task(fitted.predictor_.target)


def test_an_outlier_of_weight_zero_changes_nothing() -> None:
    X = table()
    y = X["size"].to_numpy() * 2
    odd = pd.concat([X, pd.DataFrame({"size": [1e9, np.nan], "town": ["nowhere", "a"]})], ignore_index=True)
    with_odd = TabularRegressor(11).fit(odd, [*y, 1e12, 0.0], sample_weight=[1.0] * N + [0.0, 0.0])
    without = TabularRegressor(11).fit(X, y, sample_weight=np.full(N, 3.0))
    np.testing.assert_array_equal(with_odd.predict(table(seed=1)), without.predict(table(seed=1)))


def test_validation_losses_are_weighted_and_so_is_the_selection() -> None:
    X = table()
    weights = np.where(X["town"] == "a", 10.0, 0.1)
    fitted = TabularClassifier(6).fit(X, labels(X), sample_weight=weights)
    folder, truth = fitted.folder_, task_of(fitted).truth(0)
    best = fitted.leaderboard().iloc[0]
    predictions = folder.read_predictions(f"{best['trial']}@{best['budget']}")
    for name, column in (("log_loss", "loss"), ("log_loss", "log_loss"), ("roc_auc", "roc_auc")):
        metric = CLASSIFICATION[name]
        assert best[column] == pytest.approx(metric.measure(truth.y, predictions, truth.weights))
        assert best[column] != pytest.approx(metric.measure(truth.y, predictions))
    ensemble, builder = folder.read_ensemble(), folder.builder(CLASSIFICATION["log_loss"], 25)
    n_folds = 1 + max(fold_of(member) for member in ensemble.weights)
    own = {(trial_of(member), fold_of(member)): folder.read_predictions(member) for member in ensemble.weights}
    blends = [
        sum(weight * own[trial, fold] for trial, weight in ensemble.trial_weights().items()) for fold in range(n_folds)
    ]
    y = np.concatenate([builder.y, *builder.other_folds][:n_folds])
    row_weights = np.concatenate(builder.row_weights[:n_folds])
    loss = CLASSIFICATION["log_loss"].loss(y, np.concatenate(blends), row_weights)
    assert ensemble.loss == pytest.approx(loss, abs=1e-6)


def test_a_label_that_weighs_four_times_as_much_is_as_much_more_probable_where_there_is_no_pattern() -> None:
    X, y = table(200), np.arange(200) % 2
    weighted = TabularClassifier(6).fit(X, y, sample_weight=1 + 3 * y)
    assert weighted.predict_proba(table(seed=1))[:, 1].mean() == pytest.approx(0.8, abs=0.05)


def test_no_group_is_trained_on_and_validated_by() -> None:
    X = table()
    groups = np.random.default_rng(0).integers(12, size=N)
    task = task_of(TabularClassifier(1).fit(X, labels(X), groups=groups))
    assert task.n_folds == 5
    for fold in range(task.n_folds):
        train, valid = (set(groups[rows]) for rows in task.split(fold))
        assert valid
        assert not train & valid


def test_a_model_for_the_future_is_validated_by_the_latest_rows() -> None:
    X = table().assign(day=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.random.default_rng(0).permutation(N), "D"))
    task = task_of(TabularClassifier(1, validation=TimeOrder("day")).fit(X, labels(X)))
    train, valid = (X["day"].iloc[rows] for rows in task.split(0))
    assert valid.min() > train.max()
    assert len(valid) == 16
    assert task.n_folds == 1


def test_a_given_validation_set_is_what_losses_are_of() -> None:
    X, X_valid = table(), table(30, seed=1)
    fitted = TabularClassifier(6).fit(X, labels(X), X_valid=X_valid, y_valid=labels(X_valid))
    ensemble = fitted.folder_.read_ensemble()
    codes = (labels(X_valid) == "yes").astype(int)
    expected = CLASSIFICATION["log_loss"].loss(codes, fitted.predict_proba(X_valid))
    assert ensemble.loss == pytest.approx(expected, abs=1e-5)
    with pytest.raises(DataError, match="y_valid holds 1 labels that y does not, among them 'perhaps'"):
        TabularClassifier(1).fit(X, labels(X), X_valid=X_valid, y_valid=["perhaps"] * 30)


F2 = make_scorer(fbeta_score, beta=2, pos_label="yes")


def test_a_scorer_decides_and_is_given_again_when_a_run_is_resumed() -> None:
    """The folds and weights are those of the run folder."""
    X = table()
    groups, weights = np.arange(N) // 4, 1.0 + np.arange(N) % 3
    fitted = TabularClassifier(6, metric=F2, run_folder="run").fit(X, labels(X), weights, groups=groups)
    best, truth = fitted.leaderboard().iloc[0], task_of(fitted).truth(0)
    predictions = fitted.folder_.read_predictions(f"{best['trial']}@{best['budget']}")
    y, guesses = (np.array(["no", "yes"])[codes] for codes in (truth.y, predictions.argmax(axis=1)))
    expected = fbeta_score(y, guesses, beta=2, pos_label="yes", sample_weight=truth.weights)
    assert best["loss"] == pytest.approx(1 - expected)
    assert json.loads(Path("run/run.json").read_text())["settings"]["metric"] == "fbeta_score"
    expected_predictions = fitted.predict_proba(X)
    for name in ("ensemble.json", MANIFEST):
        Path("run", name).unlink()
    with pytest.raises(SettingError, match="got 'fbeta_score'"):
        TabularClassifier.resume("run")
    resumed = TabularClassifier.resume("run", metric=F2)
    assert task_of(resumed).content == task_of(fitted).content
    np.testing.assert_allclose(resumed.predict_proba(X), expected_predictions)


def test_a_metric_that_takes_no_weights_is_warned_of() -> None:
    X = table()
    with pytest.warns(UserWarning, match="metric <lambda> takes no sample_weight: it counts all rows the same"):
        TabularClassifier(0.5, metric=lambda y, p: float(p[y == "yes", 1].min())).fit(X, labels(X), np.ones(N))


@pytest.mark.parametrize("parameters", [{"metric": 3}, {"validation": "time"}, {"validation": 5}])
def test_what_is_no_metric_or_validation_is_refused_by_name(parameters: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(parameters))):
        TabularClassifier(1, **parameters).fit(table(), labels(table()))


def test_parameters_are_cloned() -> None:
    clf = TabularClassifier(1, metric=F2, validation=TimeOrder("day"))
    assert clone(clf).get_params()["validation"] == TimeOrder("day")
    assert clone(TabularClassifier(validation=[([0], [1])])).validation == [([0], [1])]


def test_weights_and_groups_are_routed_as_scikit_learn_does_it() -> None:
    X = table()
    groups, weights = np.arange(N) // 4, np.where(np.arange(N) % 4 == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        clf = TabularClassifier(0.5).set_fit_request(sample_weight=True, groups=True)
        clf = clf.set_score_request(sample_weight=True)
        steps = make_pipeline(FunctionTransformer(), clf)
        steps.fit(X, labels(X), sample_weight=weights, groups=groups)
        assert len(task_of(steps[-1]).y) == N * 3 // 4
        params = {"sample_weight": weights, "groups": groups}
        found = cross_validate(steps, X, labels(X), cv=GroupKFold(2), params=params, return_estimator=True)
    for fitted in found["estimator"]:
        assert len(task_of(fitted[-1]).y) == N * 3 // 8


@pytest.mark.ray
def test_trials_are_trained_and_judged_by_the_parts_weights_and_metric_of_the_user(ray_cluster: None) -> None:
    X = table(200)
    weights = 1.0 + np.arange(200) % 3
    brier = make_scorer(brier_score_loss, greater_is_better=False, response_method="predict_proba", pos_label="yes")
    choices = Choices(networks=(ShapedMLP,), classic=(LightGBM,))
    clf = TabularClassifier(
        None, n_trials=2, n_workers=2, metric=brier, validation=GroupKFold(4), choices=choices, progress=False
    )
    clf.fit(X, labels(X), weights, groups=np.arange(200) // 5)
    task, folder = task_of(clf), clf.folder_
    truth = task.truth(0)
    assert task.n_folds == 4
    searched = [result for result in folder.history().results if not result.trial_id.startswith("quick")]
    assert len({result.trial_id for result in searched}) == 2
    y = np.array(["no", "yes"])[truth.y]
    for result in searched:
        assert result.member is not None
        predictions = folder.read_predictions(result.member)
        expected = brier_score_loss(y, predictions[:, 1], sample_weight=truth.weights, pos_label="yes")
        assert result.loss == pytest.approx(expected, abs=1e-6)
