from __future__ import annotations

import numpy as np
import pytest

from raytabdl.analysis.permutation import permutation_importance
from raytabdl.inputs import Array, Inputs, TaskType
from raytabdl.metrics import metric

RMSE = metric("rmse", TaskType.REGRESSION)


@pytest.fixture
def inputs() -> Inputs:
    rng = np.random.default_rng(0)
    numeric = rng.normal(size=(500, 2)).astype(np.float32)
    return Inputs(numeric, rng.integers(0, 3, size=(500, 2)).astype(np.int32), (3, 3))


def strong_and_weak(inputs: Inputs) -> Array:
    """Ten times the second number and once the first category; the other columns are not looked at."""
    return 10.0 * inputs.numeric[:, 1] + inputs.categorical[:, 0]


def test_columns_are_ranked_by_what_the_predictor_makes_of_them(inputs: Inputs) -> None:
    found = permutation_importance(strong_and_weak, inputs, strong_and_weak(inputs), RMSE)
    assert [worth.group for worth in found] == [1, 2, 0, 3]
    assert [worth.loss for worth in found[2:]] == [0.0, 0.0]
    # Shuffled, a column of variance s^2 and weight w gives an error of w^2 2 s^2 (Fisher et al. 2019, section 3).
    spread = 10.0 * float(np.std(inputs.numeric[:, 1]))
    assert found[0].loss == pytest.approx(np.sqrt(2) * spread, rel=0.1)
    assert found[0].error is not None
    assert 0 < found[0].error < 0.05 * found[0].loss


def test_the_rows_are_left_as_they_were(inputs: Inputs) -> None:
    before = inputs.numeric.copy(), inputs.categorical.copy()
    permutation_importance(strong_and_weak, inputs, strong_and_weak(inputs), RMSE)
    np.testing.assert_array_equal(inputs.numeric, before[0])
    np.testing.assert_array_equal(inputs.categorical, before[1])


def test_one_seed_gives_one_answer(inputs: Inputs) -> None:
    y = strong_and_weak(inputs)
    once, again, other = (permutation_importance(strong_and_weak, inputs, y, RMSE, seed=seed) for seed in (3, 3, 4))
    assert once == again != other


def test_one_permutation_has_no_error(inputs: Inputs) -> None:
    found = permutation_importance(strong_and_weak, inputs, strong_and_weak(inputs), RMSE, n_repeats=1)
    assert [worth.error for worth in found] == [None] * 4


def test_no_permutation_is_begun_when_the_time_is_up(inputs: Inputs) -> None:
    assert permutation_importance(strong_and_weak, inputs, strong_and_weak(inputs), RMSE, seconds=0.0) == ()


def test_columns_of_a_group_are_shuffled_as_one(inputs: Inputs) -> None:
    """The difference of two columns stays what it is in rows that are shuffled together."""
    twins = np.column_stack([inputs.numeric[:, 0], inputs.numeric[:, 0]])
    both = Inputs(twins, inputs.categorical, inputs.cardinalities)

    def difference(inputs: Inputs) -> Array:
        return inputs.numeric[:, 0] - inputs.numeric[:, 1] + inputs.categorical[:, 1]

    found = permutation_importance(difference, both, difference(both), RMSE, groups=[[0, 1], [2], [3]])
    assert {worth.group: worth.loss > 0 for worth in found} == {0: False, 1: False, 2: True}
