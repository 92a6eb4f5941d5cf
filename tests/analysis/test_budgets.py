from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from raytabdl.analysis.budgets import mean_rank_correlation, rank_correlation


def test_the_correlation_is_scipys_with_ties() -> None:
    losses = pd.DataFrame(np.random.default_rng(0).integers(0, 6, size=(40, 3)), columns=[12, 25, 50])
    table = rank_correlation(losses)
    np.testing.assert_allclose(table, spearmanr(losses).statistic)
    assert list(table.columns) == list(table.index) == [12, 25, 50]


def test_a_pair_of_budgets_takes_the_configurations_that_reached_both() -> None:
    table = rank_correlation(pd.DataFrame({1: [1.0, 2, 3, 4, math.nan], 3: [4.0, 3, 2, math.nan, 0]}))
    assert table.loc[1, 3] == pytest.approx(-1)
    assert table.loc[1, 1] == pytest.approx(1)


def test_a_failure_is_the_worst_of_its_budget() -> None:
    failed = rank_correlation(pd.DataFrame({1: [1.0, 2, math.inf, math.inf], 3: [1.0, 2, 3, 4]}))
    worst = rank_correlation(pd.DataFrame({1: [1.0, 2, 9, 9], 3: [1.0, 2, 3, 4]}))
    assert failed.loc[1, 3] == pytest.approx(worst.loc[1, 3])


@pytest.mark.parametrize("second", [[5.0, 5, 5, 5], [1.0, 2, math.nan, math.nan]])
def test_without_a_ranking_there_is_no_correlation(second: list[float]) -> None:
    assert math.isnan(rank_correlation(pd.DataFrame({1: [1.0, 2, 3, 4], 3: second})).loc[1, 3])


def test_the_mean_is_over_the_data_sets_that_have_one() -> None:
    same, opposite = pd.DataFrame({1: [1, 2, 3], 3: [1, 2, 3]}), pd.DataFrame({1: [1, 2, 3], 3: [3, 2, 1]})
    constant = pd.DataFrame({1: [1, 2, 3], 3: [1, 1, 1]})
    mean = mean_rank_correlation({"a": same, "b": opposite, "c": same, "d": constant})
    assert mean.loc[1, 3] == pytest.approx(1 / 3)
