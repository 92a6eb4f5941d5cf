from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytabdl.ensemble import Ensemble, EnsembleBuilder, leaderboard, member_key, select, trial_of
from raytabdl.metrics import CLASSIFICATION, REGRESSION

LOG_LOSS, RMSE = CLASSIFICATION["log_loss"], REGRESSION["rmse"]
METRICS = {**CLASSIFICATION, **REGRESSION}


def members(seed, metric_name, n_members=5, n=30):
    """A target and members that know it more or less well."""
    rng = np.random.default_rng(seed)
    if metric_name in REGRESSION:
        y = rng.exponential(size=n)
        return y, {f"{i}@1": np.abs(y + rng.normal(size=n) * (0.2 + i / 5)) for i in range(n_members)}
    y = np.arange(n) % 3
    logits = [np.eye(3)[y] * 2 + rng.normal(size=(n, 3)) * (1 + i / 5) for i in range(n_members)]
    weights = [np.exp(x) for x in logits]
    return y, {f"{i}@1": w / w.sum(axis=1, keepdims=True) for i, w in enumerate(weights)}


def select_slowly(predictions, y, metric, size):
    """Caruana et al. 2004, section 2, one member and one mean at a time."""
    bag, best = [], (np.inf, [])
    for _ in range(size):
        losses = {
            name: metric.loss(y, np.mean([predictions[member] for member in [*bag, name]], axis=0))
            for name in predictions
        }
        least = min(losses.values())
        ties = [name for name in predictions if losses[name] <= least + 1e-9]
        pick = min(ties, key=lambda name: (name not in bag, metric.loss(y, predictions[name])))
        bag = [*bag, pick]
        if losses[pick] < best[0] - 1e-9:
            best = (losses[pick], bag)
    return {name: best[1].count(name) / len(best[1]) for name in set(best[1])}, best[0]


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from(sorted(METRICS)), st.integers(1, 8))
def test_the_selection_is_that_of_the_plain_algorithm(seed, name, size):
    y, predictions = members(seed, name)
    ensemble = select(predictions, y, METRICS[name], size=size)
    weights, loss = select_slowly(predictions, y, METRICS[name], size)
    assert ensemble.loss == pytest.approx(loss, abs=1e-6)
    assert METRICS[name].loss(y, ensemble.predict(predictions)) == pytest.approx(loss, abs=1e-6)
    if name in ("rmse", "mse"):  # without ties the members are the same too
        assert ensemble.weights == pytest.approx(weights)


@given(st.integers(0, 10_000), st.sampled_from(sorted(METRICS)))
def test_an_ensemble_is_never_worse_than_its_best_member(seed, name):
    y, predictions = members(seed, name)
    alone = min(METRICS[name].loss(y, p) for p in predictions.values())
    assert select(predictions, y, METRICS[name]).loss <= alone + 1e-6


def test_an_ensemble_of_one_is_the_best_single_model():
    y, predictions = members(0, "rmse")
    best = min(predictions, key=lambda name: RMSE.loss(y, predictions[name]))
    assert select(predictions, y, RMSE, size=1) == Ensemble({best: 1.0}, pytest.approx(RMSE.loss(y, predictions[best])))


def test_two_models_with_opposite_errors_are_found_though_each_is_worse_alone():
    y, error = np.zeros(100), np.random.default_rng(0).normal(size=100)
    predictions = {"up@1": error, "down@1": -error, "noise@1": 1.01 * np.roll(error, 1)}
    ensemble = select(predictions, y, RMSE)
    assert ensemble.weights == {"up@1": 0.5, "down@1": 0.5}
    assert ensemble.loss == pytest.approx(0, abs=1e-12)


def test_picking_with_replacement_gives_a_model_more_than_one_share():
    y, error = np.zeros(50), np.random.default_rng(0).normal(size=50)
    ensemble = select({"a@1": error, "b@1": -2 * error}, y, RMSE, size=3)
    assert ensemble.weights == {"a@1": pytest.approx(2 / 3), "b@1": pytest.approx(1 / 3)}


def test_the_weights_sum_to_one_and_come_largest_first():
    y, predictions = members(3, "log_loss")
    weights = list(select(predictions, y, LOG_LOSS).weights.values())
    assert sum(weights) == pytest.approx(1)
    assert weights == sorted(weights, reverse=True)


def test_a_large_offset_of_the_target_costs_no_digits():
    y, predictions = members(1, "rmse")
    moved = select({name: p + 1e9 for name, p in predictions.items()}, y + 1e9, RMSE)
    assert moved.loss == pytest.approx(select(predictions, y, RMSE).loss, rel=1e-5)


def test_selecting_changes_no_predictions():
    y, predictions = members(2, "log_loss")
    before = {name: p.copy() for name, p in predictions.items()}
    select(predictions, y, LOG_LOSS)
    assert all((predictions[name] == before[name]).all() for name in before)


def test_what_is_not_better_than_the_dummy_never_enters():
    y = np.array([0.0, 1.0, 2.0, 3.0])
    builder = EnsembleBuilder(y, RMSE)
    builder.worst_loss = builder.add("dummy@1", np.full(4, 1.5))
    builder.add("worse@1", 3 - y)
    builder.add("good@1", y + np.array([0.1, -0.1, 0.1, -0.1]))
    assert builder.candidates() == ["good@1"]


def test_the_dummy_is_the_ensemble_where_nothing_is_better():
    builder = EnsembleBuilder(np.array([0.0, 1.0]), RMSE)
    assert builder.ensemble() is None
    builder.worst_loss = builder.add("dummy@1", np.full(2, 0.5))
    builder.add("worse@1", np.array([1.0, 0.0]))
    ensemble = builder.ensemble()
    assert ensemble is not None
    assert ensemble.weights == {"dummy@1": 1.0}


def test_a_trial_has_one_candidate_the_rung_with_its_lowest_loss():
    y = np.zeros(4)
    builder = EnsembleBuilder(y, RMSE, n_best=2)
    for member, error in {"a@1": 3.0, "a@3": 1.0, "a@9": 2.0, "b@1": 4.0, "c@1": 5.0}.items():
        builder.add(member, y + error)
    assert builder.candidates() == ["a@3", "b@1"]
    assert [row[0] for row in leaderboard(builder, Ensemble({"c@1": 1.0}, 5.0))] == ["a@3", "b@1", "c@1"]


def test_predictions_that_are_not_finite_are_refused():
    builder = EnsembleBuilder(np.zeros(2), RMSE)
    assert builder.add("broken@1", np.array([0.0, np.nan])) == np.inf
    assert builder.candidates() == []


def test_a_member_is_a_trial_at_a_budget():
    assert member_key("quick-dummy", 27) == "quick-dummy@27"
    assert trial_of("quick-dummy@27") == "quick-dummy"
