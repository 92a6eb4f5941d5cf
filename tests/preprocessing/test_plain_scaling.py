from __future__ import annotations

import numpy as np
import pytest
from sklearn import preprocessing as sklearn

from raytabdl.preprocessing import (
    ALL_SCALERS,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    NoScaler,
    PowerScaler,
    QuantileRangeScaler,
    QuantileScaler,
    StandardScaler,
)


def fitted(scaler, X, seed=0):
    return scaler.fit(np.asarray(X, np.float32), np.random.default_rng(seed))


def drawn(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(3, 2, n), rng.exponential(size=n), rng.integers(-3, 9, n)]).astype(np.float32)
    X[::9, 1] = np.nan
    return X


@pytest.mark.parametrize(
    ("scaler", "oracle"),
    [
        (MinMaxScaler(), sklearn.MinMaxScaler()),
        (MaxAbsScaler(), sklearn.MaxAbsScaler()),
        (QuantileRangeScaler(q_min=0.1, q_max=0.8), sklearn.RobustScaler(quantile_range=(10, 80))),
    ],
)
def test_scaled_columns_are_those_of_scikit_learn(scaler, oracle):
    X, new = drawn(), drawn(seed=1)
    np.testing.assert_allclose(fitted(scaler, X).transform(new), oracle.fit(X).transform(new), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_normalised_rows_are_those_of_scikit_learn(norm):
    X = np.nan_to_num(drawn())
    scaled = fitted(Normalizer(norm=norm), X).transform(X)
    np.testing.assert_allclose(scaled, sklearn.Normalizer(norm).fit_transform(X), rtol=1e-5)


def test_a_row_is_normalised_by_the_values_that_it_has():
    X = np.array([[3, np.nan, 4], [0, 0, np.nan], [3e30, 4e30, 0]], np.float32)
    expected = [[0.6, np.nan, 0.8], [0, 0, np.nan], [0.6, 0.8, 0]]
    np.testing.assert_allclose(fitted(Normalizer(), X).transform(X), expected, rtol=1e-6)


def test_powers_are_those_of_scikit_learn_on_standardised_columns():
    X, new = drawn(), drawn(seed=1)
    before = fitted(StandardScaler(), X)
    oracle = sklearn.PowerTransformer().fit(before.transform(X).astype(np.float64))
    expected = oracle.transform(before.transform(new).astype(np.float64))
    np.testing.assert_allclose(fitted(PowerScaler(), X).transform(new), expected, atol=1e-3)


def test_a_power_makes_a_skewed_column_symmetric():
    scaled = fitted(PowerScaler(), np.random.default_rng(0).exponential(size=(2000, 1))).transform
    low, middle, high = scaled(np.quantile(np.random.default_rng(1).exponential(size=9999), [[0.1], [0.5], [0.9]]))
    assert (high - middle) == pytest.approx(middle - low, rel=0.15)


def test_columns_that_are_not_scaled_are_as_they_were_but_finite_when_squared():
    X = np.array([[1.5, -2e6], [np.nan, 1e30]], np.float32)
    assert fitted(NoScaler(), X).transform(X)[0].tolist() == [1.5, -2e6]
    assert np.isfinite(np.square(fitted(NoScaler(), X).transform(X)[1, 1]))


@pytest.mark.parametrize("value", [0.0, 0.1, -3e7, 1e30])
def test_noise_has_no_effect_on_a_constant_column(value):
    X = np.full((200, 1), value, np.float32)
    for seed in range(3):
        scaled = fitted(QuantileScaler(), X, seed).transform(X)
        assert scaled == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("cls", ALL_SCALERS)
def test_missing_values_stay_missing_and_large_ones_finite(cls):
    X = drawn()
    X[1, 0], X[2, 0], X[:, 2] = 1e30, -1e30, np.nan
    scaled = fitted(cls(), X).transform(X)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(X))
    assert scaled.dtype == np.float32 and np.isfinite(scaled[~np.isnan(X)]).all()


@pytest.mark.parametrize("cls", [MinMaxScaler, QuantileRangeScaler, PowerScaler, QuantileScaler])
def test_a_constant_column_becomes_zero(cls):
    X = np.full((100, 1), 7.5, np.float32)
    assert fitted(cls(), X).transform(X) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("arguments", "match"), [({"q_min": 0.8, "q_max": 0.7}, "q_min"), ({"q_max": 1.5}, "q_max")])
def test_quantiles_out_of_order_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        QuantileRangeScaler(**arguments)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="l1, l2, max, got norm='l3'"):
        Normalizer(norm="l3")
