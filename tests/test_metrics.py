from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from raytabdl.exceptions import SettingError
from raytabdl.inputs import Error, TaskType, Truth
from raytabdl.metrics import CLASSIFICATION, MOST_RANKED, REGRESSION, Metric, logged, metric, usual

LABEL_METRICS = [name for name in CLASSIFICATION if name.partition("_")[0] in ("f1", "precision", "recall")]


@st.composite
def classifications(draw, n_classes=None):
    """Classes and probabilities on a coarse grid, so that ties occur, and classes that are missing from the target."""
    k = n_classes or draw(st.integers(2, 4))
    n = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    weights = rng.integers(1, 6, size=(n, k)).astype(float)
    return rng.integers(0, draw(st.integers(1, k)), size=n), weights / weights.sum(axis=1, keepdims=True)


@st.composite
def regressions(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n = draw(st.integers(2, 40))
    return rng.exponential(size=n), rng.exponential(size=n)


@given(classifications())
def test_log_loss_and_accuracies_are_those_of_scikit_learn(case):
    y, p = case
    assert CLASSIFICATION["log_loss"].value(y, p) == pytest.approx(sk.log_loss(y, p, labels=range(p.shape[1])))
    assert CLASSIFICATION["accuracy"].value(y, p) == pytest.approx(sk.accuracy_score(y, p.argmax(1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted classes that do not occur
        assert CLASSIFICATION["balanced_accuracy"].value(y, p) == pytest.approx(
            sk.balanced_accuracy_score(y, p.argmax(1))
        )


def test_a_probability_of_zero_costs_as_much_as_in_scikit_learn():
    y, p = np.array([0, 1]), np.array([[0.0, 1.0], [0.5, 0.5]])
    assert CLASSIFICATION["log_loss"].value(y, p) == pytest.approx(sk.log_loss(y, p))


@given(classifications(), st.sampled_from(LABEL_METRICS))
def test_precision_recall_and_f1_are_those_of_scikit_learn(case, name):
    y, p = case
    kind, _, average = name.partition("_")
    average = average or ("binary" if p.shape[1] == 2 else "macro")
    expected = getattr(sk, f"{kind}_score")(y, p.argmax(1), average=average, zero_division=0)
    assert CLASSIFICATION[name].value(y, p) == pytest.approx(expected)


@given(classifications())
def test_ranking_metrics_are_those_of_scikit_learn_on_the_classes_that_occur(case):
    y, p = case
    k = p.shape[1]
    present = [1] if k == 2 else np.unique(y)
    if len(np.unique(y)) < 2:
        assert CLASSIFICATION["roc_auc"].value(y, p) == 0.5
        return
    areas = [sk.roc_auc_score(y == c, p[:, c]) for c in present]
    precisions = [sk.average_precision_score(y == c, p[:, c]) for c in present]
    assert CLASSIFICATION["roc_auc"].value(y, p) == pytest.approx(np.mean(areas))
    assert CLASSIFICATION["average_precision"].value(y, p) == pytest.approx(np.mean(precisions))


def test_an_area_is_of_scores_of_any_kind():
    y, scores = np.array([0, 1, 0, 1]), np.array([-2, -1, 0, 3])
    for dtype in (np.int32, np.int8, np.float16, np.float32, np.float64):
        p = np.column_stack([-scores, scores]).astype(dtype)
        assert CLASSIFICATION["roc_auc"].value(y, p) == 0.75


def test_equal_scores_rank_no_better_than_chance():
    y, p = np.array([0, 1, 1, 0, 1]), np.full((5, 2), 0.5)
    assert CLASSIFICATION["roc_auc"].value(y, p) == 0.5
    assert CLASSIFICATION["average_precision"].value(y, p) == pytest.approx(0.6)


@given(regressions())
def test_regression_metrics_are_those_of_scikit_learn(case):
    y, p = case
    expected = {
        "rmse": sk.root_mean_squared_error,
        "mae": sk.mean_absolute_error,
        "mse": sk.mean_squared_error,
        "msle": sk.mean_squared_log_error,
        "median_absolute_error": sk.median_absolute_error,
        "r2": sk.r2_score,
    }
    assert set(expected) == set(REGRESSION)
    for name, function in expected.items():
        assert REGRESSION[name].value(y, p) == pytest.approx(function(y, p))


@pytest.mark.parametrize("prediction", [3.0, 4.0])
def test_r2_of_a_constant_target_is_that_of_scikit_learn(prediction):
    y, p = np.full(4, 3.0), np.full(4, prediction)
    assert REGRESSION["r2"].value(y, p) == sk.r2_score(y, p)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_a_perfect_classification_has_loss_zero_and_a_wrong_one_more(name):
    y, p = np.array([0, 1, 1, 0]), np.array([[1, 0], [0, 1], [0, 1], [1, 0]], float)
    measure = CLASSIFICATION[name]
    assert measure.loss(y, p) == pytest.approx(0, abs=1e-12)
    assert measure.loss(1 - y, p) > 0.4
    assert measure.value_of(measure.loss(1 - y, p)) == pytest.approx(measure.value(1 - y, p))


@pytest.mark.parametrize("name", REGRESSION)
def test_a_perfect_regression_has_loss_zero_and_a_wrong_one_more(name):
    y = np.array([1.0, 2.0, 4.0])
    assert REGRESSION[name].loss(y, y) == 0
    assert REGRESSION[name].loss(y, y + 3) > 0.1


def test_the_defaults_are_log_loss_and_rmse():
    assert metric(None, TaskType.MULTICLASS).name == "log_loss"
    assert metric(None, TaskType.REGRESSION).name == "rmse"
    assert [m.name for m in usual(TaskType.BINARY)] == ["log_loss", "roc_auc", "accuracy"]


def test_all_metrics_of_the_task_are_logged_but_one_where_it_would_take_long():
    of_classes, of_numbers = Truth(np.zeros(10), None), Truth(np.ones(10), None)
    assert list(logged(TaskType.BINARY, of_classes, np.full((10, 2), 0.5))) == list(CLASSIFICATION)
    assert list(logged(TaskType.REGRESSION, of_numbers, np.ones(10))) == list(REGRESSION)
    n_classes = MOST_RANKED // 10 + 1
    many = logged(TaskType.MULTICLASS, of_classes, np.full((10, n_classes), 1 / n_classes))
    assert {*CLASSIFICATION} - {*many} == {"average_precision"}


def test_a_metric_that_is_not_defined_is_logged_as_nan_without_a_warning():
    truth = Truth(np.array([-3.0, -1.0, 2.0]), None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = logged(TaskType.REGRESSION, truth, np.array([1.0, 0.0, 2.0]))
    assert math.isnan(found["msle"])
    assert found["mae"] == pytest.approx(5 / 3)


@given(classifications(), st.sampled_from(sorted(CLASSIFICATION)), st.integers(0, 1000))
def test_a_weight_counts_as_so_many_rows_in_a_classification(case, name, seed):
    y, p = case
    weights = np.random.default_rng(seed).integers(1, 4, len(y))
    expected = CLASSIFICATION[name].loss(np.repeat(y, weights), np.repeat(p, weights, axis=0))
    for scale in (1.0, 0.1):
        assert CLASSIFICATION[name].loss(y, p, scale * weights) == pytest.approx(expected, abs=1e-9)


@given(regressions(), st.sampled_from(sorted(REGRESSION)), st.integers(0, 1000))
def test_a_weight_counts_as_so_many_rows_in_a_regression(case, name, seed):
    y, p = case
    weights = np.random.default_rng(seed).integers(1, 4, len(y))
    expected = REGRESSION[name].loss(np.repeat(y, weights), np.repeat(p, weights))
    for scale in (1.0, 0.1):
        assert REGRESSION[name].loss(y, p, scale * weights) == pytest.approx(expected, abs=1e-9)


def test_a_metric_that_takes_no_weights_counts_all_rows_the_same():
    y, p = np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]])
    mine = Metric("mine", lambda y, p: float((p.argmax(1) == y).mean()), True)
    assert mine.loss(y, p, np.array([3.0, 1.0])) == 0.5
    assert CLASSIFICATION["accuracy"].loss(y, p, np.array([3.0, 1.0])) == 0.25


def test_an_unknown_metric_is_answered_with_the_known_ones():
    with pytest.raises(SettingError, match=r"one of \['mae'.*got 'accuracy'"):
        metric("accuracy", TaskType.REGRESSION)


def test_a_metric_names_the_error_that_models_are_trained_by():
    named = {name: each.error for name, each in REGRESSION.items() if each.error is not Error.SQUARED}
    assert named == {"mae": Error.ABSOLUTE, "median_absolute_error": Error.ABSOLUTE, "msle": Error.LOGARITHMIC}
    assert Metric("mine", REGRESSION["rmse"].value, False).error is Error.SQUARED
