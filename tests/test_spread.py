from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.inputs import Error
from raytabdl.spread import centre_and_spread, group_medians, median


@given(st.integers(0, 10_000))
def test_the_medians_of_groups_are_those_of_repeated_rows(seed):
    rng = np.random.default_rng(seed)
    values, groups, weights = rng.integers(0, 9, 40) / 4, rng.choice([3, 7, 8, 20], 40), rng.integers(0, 4, 40)
    weights[np.unique(groups, return_index=True)[1]] = 1  # each has a row that counts
    expected = [np.median(np.repeat(values[groups == group], weights[groups == group])) for group in np.unique(groups)]
    for scale in (1.0, 0.1):
        np.testing.assert_array_equal(group_medians(values, groups, scale * weights), expected)


def test_a_group_that_weighs_next_to_nothing_has_a_median_of_its_own():
    values, groups = np.array([1.0, 2.0, 3.0, 50.0, 60.0, 70.0]), np.array([0, 0, 0, 1, 1, 1])
    low, high = group_medians(values, groups, np.array([1.0, 1.0, 1.0, 1e-20, 1e-20, 1e-20]))
    assert low == 2.0
    assert 50.0 <= high <= 70.0


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
