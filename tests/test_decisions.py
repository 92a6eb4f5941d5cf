"""Which class is decided for, where the metric is one of classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import make_scorer, matthews_corrcoef

from raytabdl.decisions import as_measured, decided, tuned_factors
from raytabdl.ensemble import EnsembleBuilder
from raytabdl.inputs import Target, TaskType
from raytabdl.metrics import CLASSIFICATION, Metric, accuracy
from raytabdl.scorers import own_metric


def calibrated(n: int, rate: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose probability of class 1 is what is predicted, about ``rate`` on average."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2 * rate, 2 * (1 - rate), size=n)
    return (rng.random(n) < p).astype(float), np.column_stack([1 - p, p])


def threshold(factors: tuple[float, ...]) -> float:
    """The probability of class 1 from which it is decided for."""
    return factors[0] / (factors[0] + factors[1])


def test_balanced_accuracy_is_best_where_a_class_is_likelier_than_it_is_on_average() -> None:
    """The rule of the best decision: recall is a mean within each class, so each row counts 1 / prior."""
    y, p = calibrated(4_000, 0.1)
    factors = tuned_factors(y, p, CLASSIFICATION["balanced_accuracy"])
    assert threshold(factors) == pytest.approx(0.1, abs=0.05)


def test_f1_is_best_above_half_of_what_it_reaches() -> None:
    """Lipton et al. 2014, "Optimal Thresholding of Classifiers to Maximize F1": the best threshold is F1 / 2."""
    y, p = calibrated(4_000, 0.2)
    metric = CLASSIFICATION["f1"]
    factors = tuned_factors(y, p, metric)
    fresh, probabilities = calibrated(100_000, 0.2, seed=1)
    best = metric.measure(fresh, decided(probabilities, factors))
    assert threshold(factors) == pytest.approx(best / 2, abs=0.06)
    assert best > metric.measure(fresh, probabilities) + 0.02


def test_the_most_probable_class_is_the_most_accurate_one() -> None:
    y, p = calibrated(2_000, 0.3)
    assert tuned_factors(y, p, CLASSIFICATION["accuracy"]) == ()


def test_accuracy_gains_where_probabilities_are_off() -> None:
    y, p = calibrated(4_000, 0.3)
    odds = 4 * p[:, 1] / p[:, 0]  # four times what they are
    biased = np.column_stack([1 / (1 + odds), odds / (1 + odds)])
    assert threshold(tuned_factors(y, biased, CLASSIFICATION["accuracy"])) == pytest.approx(0.8, abs=0.1)


@pytest.mark.parametrize("name", ["log_loss", "roc_auc", "average_precision", "precision", "recall_macro"])
def test_what_no_decision_serves_has_none(name: str) -> None:
    y, p = calibrated(2_000, 0.1)
    assert tuned_factors(y, p, CLASSIFICATION[name]) == ()


def test_a_few_rows_decide_nothing() -> None:
    y, p = calibrated(90, 0.1)
    assert tuned_factors(y, p, CLASSIFICATION["balanced_accuracy"]) == ()


@pytest.mark.parametrize("name", ["f1", "accuracy", "balanced_accuracy"])
@pytest.mark.parametrize("values", [[0.05], [0.02, 0.3]])
def test_predictions_of_few_values_have_few_thresholds_or_none(values: list[float], name: str) -> None:
    rng = np.random.default_rng(0)
    p = rng.choice(values, size=2_000)
    y = (rng.random(2_000) < p).astype(float)
    factors = tuned_factors(y, np.column_stack([1 - p, p]), CLASSIFICATION[name])
    if len(values) == 1 or name == "accuracy":
        assert factors == ()
    else:
        assert 0.02 < threshold(factors) < 0.3


def test_models_that_find_nothing_more_probable_than_not_are_told_apart_by_their_decisions() -> None:
    """Of 5 %, none of which is likelier than not: by the most probable class all models are the dummy."""
    rng = np.random.default_rng(0)
    p = np.where(np.arange(4_000) % 4 == 0, 0.15, 0.02)
    y = (rng.random(4_000) < p).astype(float)
    metric = CLASSIFICATION["balanced_accuracy"]
    builder = EnsembleBuilder(y, metric)
    builder.worst_loss = builder.add("quick-dummy@1", np.tile([0.95, 0.05], (4_000, 1)))
    builder.add("0000@27", np.column_stack([1 - p, p]))
    ensemble = builder.ensemble()
    assert ensemble is not None
    assert list(ensemble.weights) == ["0000@27"]
    assert ensemble.loss < builder.worst_loss - 0.15


def test_a_decision_is_not_fitted_to_a_few_rows() -> None:
    fresh, probabilities = calibrated(50_000, 0.4, seed=1)
    metric, lost = CLASSIFICATION["accuracy"], []
    for seed in range(20):
        y, p = calibrated(300, 0.4, seed=100 + seed)
        factors = tuned_factors(y, p, metric)
        lost.append(metric.measure(fresh, probabilities) - metric.measure(fresh, decided(probabilities, factors)))
    assert np.mean(lost) < 0.005


def test_rare_classes_weigh_as_much_as_frequent_ones_in_balanced_accuracy() -> None:
    rng = np.random.default_rng(0)
    priors = np.array([0.85, 0.1, 0.05])
    y = rng.choice(3, size=6_000, p=priors)
    likelihood = np.exp(-0.5 * np.square(rng.normal(np.eye(3)[y] * 1.5)[:, None, :] - np.eye(3) * 1.5).sum(axis=2))
    p = likelihood * priors
    p /= p.sum(axis=1, keepdims=True)
    metric = CLASSIFICATION["balanced_accuracy"]
    tuning, fresh = slice(0, 3_000), slice(3_000, None)
    factors = tuned_factors(y[tuning].astype(float), p[tuning], metric)
    by_priors = metric.measure(y[fresh], p[fresh] / priors)
    assert metric.measure(y[fresh], decided(p[fresh], factors)) == pytest.approx(by_priors, abs=0.02)
    assert by_priors > metric.measure(y[fresh], p[fresh]) + 0.1


def test_a_scorer_of_classes_is_seen_to_be_one() -> None:
    y, p = calibrated(3_000, 0.02)
    metric = own_metric(make_scorer(matthews_corrcoef), y, Target(TaskType.BINARY, 2), np.array([0, 1]))
    factors = tuned_factors(y, p, metric)
    assert metric.measure(y, decided(p, factors)) > metric.measure(y, p)


def recall_by_hand(y: np.ndarray, p: np.ndarray) -> float:
    right = int(((p.argmax(axis=1) == 1) & (y == 1)).sum())
    return right / int((y == 1).sum())  # which nobody has caught where there are none


@pytest.mark.parametrize("n_positive", [1, 2, 3, 6])
def test_a_metric_that_cannot_measure_a_half_of_the_rows_decides_nothing_and_ends_nothing(n_positive: int) -> None:
    y, p = calibrated(400, 0.1)
    y = (np.arange(400) < n_positive).astype(float)
    factors = tuned_factors(y, p, Metric("by_hand", recall_by_hand, True))
    assert n_positive > 1 or factors == ()
    assert len(factors) in (0, 2)


def test_a_fault_of_a_metric_is_no_lack_of_rows() -> None:
    def faulty(y: np.ndarray, p: np.ndarray) -> float:
        return accuracy(y, p) if len(y) == 400 else p.no_such_name  # type: ignore[attr-defined]

    y, p = calibrated(400, 0.1)
    with pytest.raises(AttributeError, match="no_such_name"):
        tuned_factors(y, p, Metric("faulty", faulty, True))


def test_metrics_of_probabilities_are_handed_these() -> None:
    p = np.array([[0.6, 0.4]])
    assert as_measured(p, (1.0, 2.0), "roc_auc") is p
    assert as_measured(p, (1.0, 2.0), "accuracy").argmax() == 1
    assert decided(p, ()) is p


def test_an_ensemble_has_the_factors_and_the_loss_by_them() -> None:
    y, p = calibrated(2_000, 0.1)
    metric = CLASSIFICATION["balanced_accuracy"]
    builder = EnsembleBuilder(y, metric)
    assert builder.add("0000@27", p) < metric.loss(y, p) - 0.1
    ensemble = builder.ensemble()
    assert ensemble is not None
    mean = ensemble.predict({"0000@27": p})
    assert ensemble.loss == metric.loss(y, decided(mean, ensemble.factors)) < metric.loss(y, p) - 0.1


def test_where_no_class_is_ever_likeliest_members_are_found_by_log_loss() -> None:
    """Each knows one of two switches; by the most probable class they are all the dummy, together they know both."""
    rng = np.random.default_rng(0)
    u, v = rng.integers(0, 2, 8_000), rng.integers(0, 2, 8_000)
    y = (rng.random(8_000) < np.array([[0.02, 0.1], [0.1, 0.4]])[u, v]).astype(float)
    for size in (1, 25):
        builder = EnsembleBuilder(y, CLASSIFICATION["balanced_accuracy"], size)
        for name, switch in (("a@27", u), ("b@27", v)):
            p = np.where(switch == 1, 0.25, 0.06)
            builder.add(name, np.column_stack([1 - p, p]))
        ensemble = builder.ensemble()
        assert ensemble is not None
        assert len(ensemble.weights) == min(size, 2)
    assert ensemble.loss < min(builder.losses.values()) - 0.02


def test_probabilities_are_calibrated_and_decisions_made_by_the_weights_of_the_rows() -> None:
    y, p = calibrated(4_000, 0.4)
    weights = np.where(y == 1, 4.0, 1.0)  # the odds are four times as large
    for name in ("roc_auc", "accuracy"):
        metric = CLASSIFICATION[name]
        builder = EnsembleBuilder(y, metric, row_weights=[weights])
        builder.add("0@27", p)
        ensemble = builder.ensemble()
        assert ensemble is not None
        mean = ensemble.predict({"0@27": p})
        assert ensemble.loss == pytest.approx(metric.loss(y, decided(mean, ensemble.factors), weights))
        of_new = ensemble.predict({"0@27": np.array([[0.5, 0.5], [0.9, 0.1], [0.7, 0.3]])})
        if name == "roc_auc":
            assert of_new[0, 1] == pytest.approx(0.8, abs=0.04)
        assert decided(of_new, ensemble.factors).argmax(axis=1).tolist() == [1, 0, 1]  # from 0.2 on
