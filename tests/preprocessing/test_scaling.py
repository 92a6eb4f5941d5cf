from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.preprocessing import SCALERS, QuantileScaler, RobustScaler, StandardScaler


def fitted(cls, X, seed=0):
    return cls().fit(np.asarray(X, np.float32), np.random.default_rng(seed))


def drawn(n=500, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(3, 2, n), rng.exponential(size=n) * 1e-15, rng.normal(size=n) * 1e20])
    return X.astype(np.float32)


def test_the_standard_scaler_gives_mean_zero_and_variance_one():
    X = drawn()
    scaled = fitted(StandardScaler, X).transform(X)
    assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-4)
    assert scaled.std(axis=0) == pytest.approx(1, rel=1e-4)


def test_the_robust_scaler_gives_median_zero_and_quartiles_one_apart_and_stays_within_three():
    X = drawn()
    X[0] = 1e30
    scaled = fitted(RobustScaler, X).transform(X)
    linear = scaled / np.sqrt(1 - np.square(scaled / 3).clip(max=1 - 1e-6))
    assert np.median(scaled, axis=0) == pytest.approx(0, abs=1e-2)
    assert np.diff(np.quantile(linear, [0.25, 0.75], axis=0), axis=0) == pytest.approx(1, rel=0.02)
    assert scaled[0] == pytest.approx(3, rel=1e-3)  # and not 0, as where the square overflows


def test_the_robust_scaler_reaches_for_the_range_where_the_quartiles_coincide():
    X = np.zeros((100, 1), np.float32)
    X[0], X[1] = -2, 6
    assert fitted(RobustScaler, X).factor_ == pytest.approx(2 / 8)


def test_the_quantile_scaler_gives_a_normal_distribution_whatever_the_column_was():
    X = drawn(n=3000)
    scaled = fitted(QuantileScaler, X).transform(X)
    assert np.quantile(scaled, [0.16, 0.5, 0.84], axis=0) == pytest.approx(
        np.array([[-1], [0], [1]]) * np.ones(3), abs=0.08
    )


@given(st.sampled_from(SCALERS), st.integers(0, 1000))
def test_scaling_keeps_the_order_of_each_column(cls, seed):
    X = drawn(n=60, seed=seed)
    order = X.argsort(axis=0, kind="stable")
    scaled = np.take_along_axis(fitted(cls, X).transform(X), order, axis=0)
    assert (np.diff(scaled, axis=0) >= -1e-6).all()


@pytest.mark.parametrize("cls", SCALERS)
def test_missing_values_stay_missing_and_all_others_finite(cls):
    X = drawn()
    X[::7, 0], X[:, 1], X[:, 2] = np.nan, np.nan, 5
    X[1, 0], X[2, 0] = 2e30, -2e30
    scaled = fitted(cls, X).transform(X)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(X))
    assert np.isfinite(scaled[~np.isnan(X)]).all()
    later = fitted(cls, X[3:]).transform(np.full((2, 3), 1e30, np.float32))
    assert np.abs(later).max() <= 1000


@pytest.mark.parametrize("cls", [StandardScaler, RobustScaler])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e-20, 3e7])
def test_a_constant_column_becomes_zero(cls, value):
    X = np.full((1001, 1), value, np.float32)
    assert fitted(cls, X).transform(X) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("cls", SCALERS)
def test_a_column_keeps_its_meaning_in_any_unit(cls):
    X = drawn()[:, :1] - 3
    scaled = fitted(cls, X).transform(X)
    for unit in (1e-19, 1e19):
        assert fitted(cls, X * np.float32(unit)).transform(X * np.float32(unit)) == pytest.approx(scaled, abs=1e-2)


@pytest.mark.parametrize("cls", SCALERS)
@pytest.mark.parametrize("shape", [(5, 0), (0, 3)])
def test_tables_without_columns_or_rows_pass_through(cls, shape):
    scaler = fitted(cls, drawn()[:, : shape[1]])
    assert scaler.transform(np.empty(shape, np.float32)).shape == shape


@pytest.mark.parametrize("cls", SCALERS)
def test_the_state_is_all_that_a_scaler_is(cls):
    X = drawn()
    scaler, other = fitted(cls, X), cls()
    other.restore(scaler.state())
    np.testing.assert_array_equal(other.transform(X), scaler.transform(X))


@pytest.mark.parametrize("cls", SCALERS)
def test_the_fit_follows_from_the_rows_and_the_seed(cls):
    X = drawn(n=25_000)
    before = X.copy()
    np.testing.assert_array_equal(fitted(cls, X).transform(X), fitted(cls, X).transform(X))
    np.testing.assert_array_equal(X, before)
