from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from raytabdl.exceptions import SettingError
from raytabdl.inputs import Error, Target, TaskType, Truth
from raytabdl.metrics import CLASSIFICATION, REGRESSION, Metric
from raytabdl.scorers import check_measures, chosen_metric, metric_name

BINARY, MULTICLASS = Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 3)
REGRESSION_TARGET = Target(TaskType.REGRESSION, 0)
CLASSES = {2: np.array(["no", "yes"]), 3: np.array([10, 20, 30])}


def example(target):
    rng = np.random.default_rng(0)
    if target is REGRESSION_TARGET:
        return rng.exponential(size=40), rng.exponential(size=40)
    y = np.arange(40) % target.n_classes
    p = rng.dirichlet(np.ones(target.n_classes), 40) * 0.6 + 0.4 * np.eye(target.n_classes)[y]
    return y, p


def chosen(choice, target):
    return chosen_metric(choice, example(target)[0], target, CLASSES.get(target.n_classes))


@pytest.mark.parametrize("target", [BINARY, MULTICLASS, REGRESSION_TARGET], ids=lambda target: target.task_type.value)
def test_scikit_learns_scorers_give_the_losses_of_our_metrics_with_weights_too(target):
    y, p = example(target)
    weights = np.random.default_rng(1).random(len(y))
    names = {
        BINARY: {"accuracy": "accuracy", "roc_auc": "roc_auc", "neg_log_loss": "log_loss"},
        MULTICLASS: {"balanced_accuracy": "balanced_accuracy", "f1_macro": "f1_macro", "roc_auc_ovr": "roc_auc"},
        REGRESSION_TARGET: {"neg_mean_absolute_error": "mae", "r2": "r2", "neg_root_mean_squared_error": "rmse"},
    }
    for theirs, ours in names[target].items():
        known = {**CLASSIFICATION, **REGRESSION}[ours]
        metric = chosen(sk.get_scorer(theirs), target)
        assert metric.takes_weights
        assert metric.loss(y, p) == pytest.approx(known.loss(y, p))
        assert metric.loss(y, p, weights) == pytest.approx(known.loss(y, p, weights))


def test_a_scorer_sees_the_labels_of_the_user():
    y, p = example(BINARY)
    metric = chosen(sk.make_scorer(sk.fbeta_score, beta=2, pos_label="yes"), BINARY)
    expected = sk.fbeta_score(CLASSES[2][y], CLASSES[2][p.argmax(1)], beta=2, pos_label="yes")
    assert metric.loss(y, p) == pytest.approx(1 - expected)
    assert metric.value_of(metric.loss(y, p)) == pytest.approx(expected)


def test_a_scorer_written_by_hand_is_handed_an_estimator():
    y, p = example(MULTICLASS)

    def least_sure(estimator, X, y):
        return float(estimator.predict_proba(X)[np.arange(len(y)), np.searchsorted(estimator.classes_, y)].min())

    assert chosen(least_sure, MULTICLASS).loss(y, p) == pytest.approx(1 - p[np.arange(40), y].min())


def test_a_function_is_better_where_it_says_so_of_the_truth():
    """A loss and a score, of which neither says what it is."""
    y, p = example(BINARY)

    def brier(y, p):
        return float(np.mean((p[:, 1] - (y == "yes")) ** 2))

    loss, score = chosen(brier, BINARY), chosen(lambda y, p: 5 - brier(y, p), BINARY)
    assert (loss.greater_is_better, score.greater_is_better) == (False, True)
    assert loss.loss(y, p) == pytest.approx(brier(CLASSES[2][y], p))
    assert score.loss(y, p) == pytest.approx(loss.loss(y, p))  # 0 where the truth is predicted
    assert not chosen(sk.mean_absolute_error, REGRESSION_TARGET).greater_is_better
    assert chosen(sk.r2_score, REGRESSION_TARGET).greater_is_better


def test_a_function_is_weighted_if_it_takes_sample_weight():
    y, p = example(REGRESSION_TARGET)
    weights = np.arange(40) + 1.0
    mae = chosen(sk.mean_absolute_error, REGRESSION_TARGET)
    assert mae.loss(y, p, weights) == pytest.approx(REGRESSION["mae"].loss(y, p, weights))
    largest = chosen(lambda y, p: np.abs(y - p).max(), REGRESSION_TARGET)
    assert not largest.takes_weights
    assert largest.loss(y, p, weights) == largest.loss(y, p)


# Rows that lack classes.


@pytest.mark.parametrize("present", [[0, 1, 2], [0, 2]])
@pytest.mark.parametrize(("theirs", "ours"), [("roc_auc_ovr", "roc_auc"), ("neg_log_loss", "log_loss")])
def test_rows_that_lack_classes_are_measured_by_the_probabilities_of_those_that_occur(theirs, ours, present):
    target, classes = Target(TaskType.MULTICLASS, 4), np.array(list("abcd"))
    metric = chosen_metric(sk.get_scorer(theirs), np.arange(40) % 4, target, classes)
    rng = np.random.default_rng(0)
    y, p = rng.choice(present, size=40), rng.dirichlet(np.ones(4), 40)
    left = p[:, present] / p[:, present].sum(axis=1, keepdims=True)
    expected = CLASSIFICATION[ours].loss(np.searchsorted(present, y), left)
    assert metric.loss(y, p) == pytest.approx(expected)
    weights = rng.random(40)
    assert metric.loss(y, p, weights) == pytest.approx(
        CLASSIFICATION[ours].loss(np.searchsorted(present, y), left, weights)
    )


def test_a_function_is_handed_the_probabilities_of_the_classes_that_occur():
    y, p = np.array([0, 2, 2, 0]), np.array([[0.2, 0.6, 0.2], [0.1, 0.0, 0.9], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    left = [[0.5, 0.5], [0.1, 0.9], [0.5, 0.5], [0.5, 0.5]]  # of the third row nothing is left
    assert chosen(sk.log_loss, MULTICLASS).loss(y, p) == pytest.approx(sk.log_loss([10, 30, 30, 10], left))


def test_all_probabilities_are_handed_over_where_a_metric_can_measure_them():
    """One that knows the classes, here by its labels, measures the probability of those that do not occur too."""
    scorer = sk.make_scorer(sk.log_loss, labels=[10, 20, 30], response_method="predict_proba", greater_is_better=False)
    y, p = np.array([0, 1, 1, 0]), np.full((4, 3), 1 / 3)
    assert chosen(scorer, MULTICLASS).loss(y, p) == pytest.approx(np.log(3))


def test_a_decision_for_a_class_that_does_not_occur_is_wrong():
    y, p = np.array([0, 1, 1, 0]), np.eye(3)[[0, 1, 2, 2]]

    def accuracy_of_what_occurs(estimator, X, y):
        if len(estimator.classes_) != len(np.unique(y)):
            raise ValueError("other classes")
        return float((estimator.predict(X) == y).mean())

    for scorer in (sk.get_scorer("accuracy"), accuracy_of_what_occurs):
        assert chosen(scorer, MULTICLASS).loss(y, p) == pytest.approx(0.5)


@pytest.mark.parametrize("scorer", ["roc_auc_ovr", "neg_log_loss", "top_k_accuracy"])
@pytest.mark.parametrize("weights", [None, np.ones(30)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_a_fold_that_a_metric_cannot_measure_is_named_at_once(scorer, weights):
    target, classes = Target(TaskType.MULTICLASS, 4), np.array(list("abcd"))
    metric = chosen_metric(sk.get_scorer(scorer), np.arange(40) % 4, target, classes)
    there = Truth(np.arange(30) % 3, weights)
    check_measures(metric, [there, there], target)
    with pytest.raises(SettingError, match=r"the 30 rows that fold 1 is validated by, which lack 3 of 4 classes: .+;"):
        check_measures(metric, [there, Truth(np.full(30, 2), weights)], target)
    check_measures(CLASSIFICATION["roc_auc"], [Truth(np.full(30, 2), weights)], target)


def test_a_metric_that_raises_anything_on_a_fold_is_told_with_its_reason():
    def odd(y, predictions):
        if len(y) == 5:
            raise OSError("no such file")
        return float(np.abs(y - predictions).mean())

    metric = chosen(odd, REGRESSION_TARGET)
    with pytest.raises(SettingError, match=r"odd cannot measure the 5 rows that fold 0 is validated by: no such file;"):
        check_measures(metric, [Truth(np.arange(5.0), None)], REGRESSION_TARGET)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (sk.f1_score, r'f1_score cannot measure probabilities .*; metric="f1", or give make_scorer\(f1_score\) where'),
        (
            sk.roc_auc_score,
            r'; metric="roc_auc", or .* make_scorer\(roc_auc_score, response_method="predict_proba"\) where it '
            "measures probabilities or a ranking$",
        ),
        (sk.fbeta_score, r"; give make_scorer\(fbeta_score\) where it measures predicted classes"),
        (len, r"len cannot measure probabilities of shape \(n, n_classes\): len\(\) takes exactly one argument"),
        (max, "max cannot measure"),
        (lambda y, p: 1.0, "must tell the truth from wrong predictions, got 1.0 for both"),
        (lambda y, p: np.nan, "must give finite numbers, got nan"),
        (sk.make_scorer(sk.hamming_loss), r"hamming_loss must be greater .*greater_is_better=False\)"),
        ("neg_log_loss", r"one of \['accuracy'.*got 'neg_log_loss'.*get_scorer"),
    ],
)
def test_a_metric_that_cannot_be_used_says_why_and_what_to_do(choice, words):
    with pytest.raises(SettingError, match=words):
        chosen(choice, BINARY)


def test_the_scorer_that_is_advised_for_a_function_of_scores_does_not_measure_labels():
    y, p = example(BINARY)
    advised = sk.make_scorer(sk.roc_auc_score, response_method="predict_proba")
    of_labels = sk.make_scorer(sk.roc_auc_score)
    losses = [chosen_metric(each, y, BINARY, np.arange(2)).loss(y, p) for each in (advised, of_labels)]
    assert losses[0] == pytest.approx(CLASSIFICATION["roc_auc"].loss(y, p))
    assert losses[1] > losses[0] + 0.01


def test_a_constant_target_tells_a_score_from_a_loss_too():
    y = np.full(5, 3.0)
    assert not chosen_metric(sk.mean_squared_error, y, REGRESSION_TARGET, None).greater_is_better


def test_a_name_of_the_package_is_never_that_of_another_metric():
    def rmse(y, predictions):
        return float(np.abs(y - predictions).mean())

    assert metric_name(rmse) == "own rmse" == chosen(rmse, REGRESSION_TARGET).name
    assert metric_name(sk.make_scorer(sk.fbeta_score, beta=2)) == "fbeta_score"
    assert metric_name(Metric("mine", rmse, False)) == "mine"
    assert (metric_name("mae"), metric_name(None)) == ("mae", None)


def test_a_metric_that_has_no_value_for_the_target_is_refused_at_once():
    mine = Metric("mine", REGRESSION["rmse"].value, False, error=Error.LOGARITHMIC)
    for choice in ("msle", REGRESSION["msle"], mine):
        for lowest in (-2.0, -1.0):
            with pytest.raises(SettingError, match=f"cannot measure targets that go from {lowest:g} to 3, since log"):
                chosen_metric(choice, np.array([lowest, 3.0]), REGRESSION_TARGET, None)
        assert chosen_metric(choice, np.array([-0.9, 3.0]), REGRESSION_TARGET, None).error is Error.LOGARITHMIC
