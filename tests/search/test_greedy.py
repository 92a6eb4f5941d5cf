from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from raytabdl.search.greedy import greedy_portfolio, regret_curve

tables = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.floats(0, 1))


@given(losses=tables, size=st.integers(1, 8))
def test_each_member_lowers_the_mean_best_loss_most(losses: np.ndarray, size: int) -> None:
    chosen = greedy_portfolio(losses, size)
    assert 1 <= len(chosen) <= size
    for n in range(len(chosen)):
        reached = losses[chosen[: n + 1]].min(axis=0).mean()
        others = [losses[[*chosen[:n], row]].min(axis=0).mean() for row in range(len(losses))]
        assert reached == min(others)


@given(losses=tables)
def test_all_members_together_have_no_regret(losses: np.ndarray) -> None:
    curve = regret_curve(losses, greedy_portfolio(losses, len(losses)))
    assert (np.diff(curve.mean(axis=1)) < 0).all()
    np.testing.assert_allclose(curve[-1], 0, atol=1e-12)


def test_greedy_is_not_far_from_the_best_of_all_pairs() -> None:
    losses = np.random.default_rng(0).random((30, 20))
    best = min(losses[list(pair)].min(axis=0).mean() for pair in combinations(range(30), 2))
    assert losses[greedy_portfolio(losses, 2)].min(axis=0).mean() < best + 0.02


def test_a_failure_counts_as_the_worst_of_its_data_set() -> None:
    losses = np.array([[0.0, math.inf], [0.5, 0.5], [math.nan, 0.6], [0.9, 0.9]])
    assert greedy_portfolio(losses, 2) == [0, 1] or greedy_portfolio(losses, 2) == [1, 0]
    np.testing.assert_allclose(regret_curve(losses, [0, 2]), [[0, 0.4], [0, 0.1]])


def test_a_data_set_on_which_all_failed_is_refused() -> None:
    with pytest.raises(ValueError, match="column 1 has none"):
        greedy_portfolio(np.array([[0.1, math.inf], [0.2, math.nan]]), 1)


@pytest.mark.parametrize(("shape", "size"), [((0, 3), 1), ((3,), 1), ((2, 2), 0)])
def test_a_table_and_a_size_are_needed(shape: tuple[int, ...], size: int) -> None:
    with pytest.raises(ValueError, match="must be a table"):
        greedy_portfolio(np.zeros(shape), size)
