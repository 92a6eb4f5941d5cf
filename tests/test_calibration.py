from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from raytabdl.calibration import rung_loss, scale, scaled, temperature, vector_scaling
from raytabdl.inputs import Error, Target, TaskType
from raytabdl.metrics import log_loss

MULTICLASS = Target(TaskType.MULTICLASS, 3)
REGRESSION, ABSOLUTE, LOGARITHMIC = (Target(TaskType.REGRESSION, 0, error) for error in Error)


def drawn(seed, n=4000, spread=1.5):
    """Classes that are drawn from the probabilities."""
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(scale=spread, size=(n, 3)), axis=1)
    return (rng.random((n, 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1), p


@pytest.mark.parametrize("known", [0.3, 1.0, 2.5])
def test_the_temperature_by_which_probabilities_were_sharpened_is_found_again(known):
    y, p = drawn(0)
    assert temperature(y, scale(p, 1 / known)) == pytest.approx(known, rel=0.1)


@given(st.integers(0, 10_000), st.floats(0.2, 4.0))
def test_the_temperature_is_the_minimum_of_the_log_loss(seed, spread):
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(scale=spread, size=(60, 3)), axis=1)
    y = np.where(rng.random(60) < 0.6, p.argmax(axis=1), rng.integers(0, 3, 60))
    best = minimize_scalar(lambda x: log_loss(y, scale(p, np.exp(x))), bounds=(np.log(0.05), np.log(20)))
    assert log_loss(y, scale(p, temperature(y, p))) <= best.fun + 1e-5


@given(st.integers(0, 10_000))
def test_the_log_loss_is_convex_in_the_inverse_temperature(seed):
    y, p = drawn(seed, n=30)
    losses = [log_loss(y, scale(p, 1 / inverse)) for inverse in np.linspace(0.2, 3, 12)]
    assert (np.diff(losses, 2) >= -1e-9).all()


@given(st.integers(0, 10_000), st.floats(0.5, 2.0))
def test_the_rung_loss_does_not_depend_on_confidence(seed, sharpening):
    y, p = drawn(seed, n=300, spread=1.0)
    expected, _ = rung_loss(y, p, MULTICLASS)
    assert rung_loss(y, scale(p, sharpening), MULTICLASS)[0] == pytest.approx(expected, abs=1e-4)


def test_scaled_probabilities_are_probabilities_in_the_same_order():
    _, p = drawn(1, n=50)
    scaled = scale(p.astype(np.float32), 3.0)
    assert scaled.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (scaled.argmax(axis=1) == p.argmax(axis=1)).all()
    assert (scaled.max(axis=1) <= p.max(axis=1) + 1e-6).all()


@pytest.mark.parametrize("p", [np.eye(3)[[0, 1, 2, 0]], np.full((4, 3), 1 / 3), np.eye(3)[[1, 2, 0, 1]]])
def test_probabilities_without_doubt_or_without_content_have_a_finite_rung_loss(p):
    loss, fitted = rung_loss(np.array([0, 1, 2, 0]), p, MULTICLASS)
    assert np.isfinite(loss)
    assert 0.05 <= fitted <= 20


def test_the_rung_loss_of_a_regression_is_in_units_of_the_targets_deviation():
    y = np.array([1.0, 2.0, 3.0, 6.0])
    assert rung_loss(y, np.full(4, y.mean()), REGRESSION) == (pytest.approx(1.0), 1.0)
    assert rung_loss(y * 100, y * 100 + 50, REGRESSION)[0] == pytest.approx(0.5 / y.std())
    assert rung_loss(np.full(4, 2.0), np.full(4, 5.0), REGRESSION)[0] == 3.0


def test_the_rung_loss_of_a_regression_is_the_error_of_its_target_beside_that_of_the_best_constant():
    y = np.array([1.0, 2.0, 3.0, 6.0])
    for target, constant in ((REGRESSION, y.mean()), (ABSOLUTE, 2.5), (LOGARITHMIC, np.expm1(np.log1p(y).mean()))):
        assert rung_loss(y, np.full(4, constant), target)[0] == pytest.approx(1.0)
        assert rung_loss(y, np.full(4, constant + 0.6), target)[0] > 1.0
    assert rung_loss(y * 100, y * 100 + [0, 0, 0, 50], ABSOLUTE)[0] == pytest.approx(12.5 / 150)
    halved, negative, zero = (np.array([first, 2.0, 3.0, last]) for first, last in ((1, 2.5), (-5, 6), (0, 6)))
    assert rung_loss(y, halved, LOGARITHMIC)[0] == pytest.approx(np.log(2) / 2 / np.log1p(y).std())
    assert rung_loss(y, negative, LOGARITHMIC) == rung_loss(y, zero, LOGARITHMIC)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_predictions_that_are_not_finite_have_an_infinite_rung_loss(bad):
    p = np.full((2, 3), 1 / 3)
    p[0, 0] = bad
    assert rung_loss(np.array([0, 1]), p, MULTICLASS)[0] == np.inf


def test_weighted_rows_count_as_often_as_they_weigh():
    rng = np.random.default_rng(0)
    y, weights = np.arange(60) % 3, rng.integers(1, 4, 60)
    p = rng.dirichlet(np.ones(3), 60) * 0.3 + 0.7 * np.eye(3)[(y + (rng.random(60) < 0.3)) % 3]
    of_classes = rung_loss(np.repeat(y, weights), np.repeat(p, weights, axis=0), MULTICLASS)
    assert rung_loss(y, p, MULTICLASS, weights.astype(float)) == pytest.approx(of_classes)
    values, guesses = rng.lognormal(size=60), rng.lognormal(size=60)
    for target in (REGRESSION, ABSOLUTE, LOGARITHMIC):
        of_values = rung_loss(np.repeat(values, weights), np.repeat(guesses, weights), target)
        assert rung_loss(values, guesses, target, weights.astype(float)) == pytest.approx(of_values)


def test_the_slope_and_the_offsets_by_which_probabilities_were_changed_are_found_again():
    y, p = drawn(0)
    offsets = np.array([0.5, -1.0, 0.5])
    changed = softmax(0.5 * np.log(p) + offsets, axis=1)  # so that log p = 2 log q - 2 offsets
    slope, *found = vector_scaling(y, changed)
    assert slope == pytest.approx(2.0, rel=0.1)
    np.testing.assert_allclose(np.subtract(found, np.mean(found)), -2 * offsets, atol=0.15)
    assert log_loss(y, scaled(changed, (slope, *found))) == pytest.approx(log_loss(y, p), abs=0.003)


def test_two_classes_are_scaled_by_their_log_odds_and_keep_their_order():
    rng = np.random.default_rng(0)
    odds = rng.normal(-1.0, 1.5, 4_000)
    y = (rng.random(4_000) < 1 / (1 + np.exp(-odds))).astype(int)
    shrunken = 1 / (1 + np.exp(-(0.2 * odds + 1.0)))
    both = np.column_stack([1 - shrunken, shrunken])
    calibrated = scaled(both, vector_scaling(y, both))
    np.testing.assert_allclose(np.log(calibrated[:, 1] / calibrated[:, 0]), odds, atol=0.4)
    assert (np.argsort(calibrated[:, 1]) == np.argsort(shrunken)).all()


def test_few_rows_are_no_ground_to_scale_by():
    y, p = drawn(0, n=140)
    assert vector_scaling(y, p) == ()
    assert scaled(p, ()) is p


def test_rows_that_weigh_nothing_scale_nothing():
    y, p = drawn(0)
    others, q = drawn(1, n=2_000)
    weights = np.append(np.ones(len(y)), np.zeros(len(others)))
    both = vector_scaling(np.append(y, others), np.vstack([p, q[:, ::-1]]), weights)
    np.testing.assert_allclose(both, vector_scaling(y, p), atol=0.15)
