from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.inputs import Error
from raytabdl.spread import centre_and_spread, median


@given(st.integers(0, 10_000))
def test_a_weighted_median_is_that_of_repeated_values(seed):
    rng = np.random.default_rng(seed)
    values, weights = rng.integers(0, 9, 12) / 4, rng.integers(0, 4, 12)
    weights[0] = 1  # some row counts
    for scale in (1.0, 0.1):
        assert median(values, scale * weights) == np.median(np.repeat(values, weights))


@given(st.integers(0, 10_000), st.floats(-3, 3))
def test_no_constant_has_a_lower_error_than_the_centre(seed, shift):
    rng = np.random.default_rng(seed)
    values, weights = rng.lognormal(size=30), rng.random(30) + 0.1
    for error, distance in ((Error.ABSOLUTE, np.abs), (Error.SQUARED, np.square)):
        for own in (None, weights):
            centre, spread = centre_and_spread(values, error, own)
            least = np.average(distance(values - centre), weights=own)
            assert least <= np.average(distance(values - centre - shift), weights=own) + 1e-12
            assert spread == pytest.approx(np.sqrt(least) if error is Error.SQUARED else least)


def test_the_spread_is_that_of_all_values_where_most_are_the_same():
    """The median distance from the median would be 0."""
    assert centre_and_spread(np.array([0.0, 0.0, 0.0, 10.0]), Error.ABSOLUTE) == (0.0, 2.5)
    assert median(np.array([1.0, 2.0, 10.0]), np.array([1.0, 1.0, 2.0])) == 6.0
