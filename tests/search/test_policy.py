from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.search.policy import BOOSTER, BOOSTER_HORIZON, EPOCHS, FULL_TRIAL_SHARE, MIN_ROWS_PER_EPOCH, NETWORK, plan

TABLES = st.tuples(st.integers(1, 1_000_000), st.integers(1, 5_000), st.sampled_from([0, 2, 3, 50]))
TIMES = st.tuples(st.floats(1, 1e6), st.integers(1, 64))


@given(TABLES, TIMES)
def test_a_full_trial_takes_at_most_a_sixth_of_the_time_or_is_as_short_as_allowed(
    table: tuple[int, int, int], time: tuple[float, int]
) -> None:
    n_rows, n_columns, n_classes = table
    seconds, n_workers = time
    p = plan(n_rows, n_columns, n_classes, seconds, n_workers)
    cost = NETWORK.seconds(p.rows_per_epoch, n_columns + n_classes, p.network_epochs)
    shortest = p.network_epochs == NETWORK.least and p.rows_per_epoch <= MIN_ROWS_PER_EPOCH
    assert cost <= FULL_TRIAL_SHARE * seconds * n_workers * 1.001 or shortest


@given(TABLES, TIMES)
def test_horizons_stay_in_their_bounds(table: tuple[int, int, int], time: tuple[float, int]) -> None:
    p = plan(*table, *time)
    assert p.network_epochs in EPOCHS
    assert BOOSTER.least <= p.iteration_share * BOOSTER_HORIZON <= BOOSTER.most
    assert 1 <= p.rows_per_epoch <= table[0]
    assert 0 <= p.first_bracket < p.budgets.n_rungs


@given(TABLES, TIMES, st.floats(1, 100))
def test_more_time_never_shortens_training(table: tuple[int, int, int], time: tuple[float, int], factor: float) -> None:
    seconds, n_workers = time
    short, long = plan(*table, seconds, n_workers), plan(*table, seconds * factor, n_workers)
    assert short.network_epochs <= long.network_epochs
    assert short.rows_per_epoch <= long.rows_per_epoch
    assert short.iteration_share <= long.iteration_share


def test_a_small_table_trains_for_long_and_starts_with_the_widest_bracket() -> None:
    p = plan(n_rows=500, n_columns=10, n_classes=2, seconds=300, n_workers=2)
    assert (p.network_epochs, p.first_bracket, p.rows_per_epoch) == (270, 0, 400)
    assert not p.classic_first


def test_the_portfolio_is_trained_to_the_end_where_there_is_time_for_networks_and_boosters() -> None:
    small = plan(n_rows=500, n_columns=10, n_classes=2, seconds=300, n_workers=2)
    many_classes = plan(n_rows=1_000, n_columns=600, n_classes=26, seconds=300, n_workers=2)
    assert small.budgets.rungs[small.portfolio_rung] == 27
    assert many_classes.budgets.rungs[many_classes.portfolio_rung] == 9
    assert (small.full_trial_seconds, small.most_trial_seconds) == (100, 150)


def test_networks_come_first_where_boosters_take_longer_and_last_where_they_do_themselves() -> None:
    wide = plan(n_rows=1_200, n_columns=600, n_classes=26, seconds=48, n_workers=2)
    assert (wide.networks_first, wide.classic_first) == (True, False)
    small = plan(n_rows=1_200, n_columns=20, n_classes=2, seconds=48, n_workers=2)
    assert (small.networks_first, small.classic_first) == (False, False)
    long = plan(n_rows=70_000, n_columns=30, n_classes=8, seconds=48, n_workers=2)
    assert (long.networks_first, long.classic_first) == (False, True)


def test_boosters_that_would_be_stopped_do_not_come_first() -> None:
    """With a tree for each of 100 classes a booster would take three quarters of the time to its first rung."""
    p = plan(n_rows=100_000, n_columns=20, n_classes=100, seconds=288, n_workers=2)
    assert (p.classic_first, p.networks_first, p.first_bracket) == (False, True, 1)


def test_a_trial_has_one_worker_however_many_there_are() -> None:
    p = plan(n_rows=1_000_000, n_columns=10, n_classes=2, seconds=288, n_workers=64)
    assert (p.full_trial_seconds, p.most_trial_seconds) == (96, 144)
    assert p.budgets.rungs[p.portfolio_rung] == 27
    slow = plan(n_rows=100_000, n_columns=20, n_classes=100, seconds=3_588, n_workers=64)
    cost = BOOSTER.seconds(100 * 80_000, 20, round(slow.iteration_share * BOOSTER_HORIZON))
    assert cost <= 3_588 / 2 or slow.budgets.rungs[slow.portfolio_rung] < 27


def test_a_short_table_with_many_columns_is_for_boosters_too() -> None:
    assert not plan(n_rows=500, n_columns=2_000, n_classes=2, seconds=48, n_workers=2).networks_first


def test_in_an_hour_an_epoch_has_more_of_a_large_table() -> None:
    p = plan(n_rows=1_000_000, n_columns=10, n_classes=2, seconds=3_588, n_workers=2)
    assert p.rows_per_epoch > 150_000
    assert p.first_bracket == 0  # networks that are no longer than that fit a dozen times
    assert plan(n_rows=1_000_000, n_columns=10, n_classes=2, seconds=288, n_workers=2).rows_per_epoch == 50_000


def test_a_large_table_in_little_time_trains_on_a_part_and_skips_the_low_rungs() -> None:
    p = plan(n_rows=1_000_000, n_columns=100, n_classes=2, seconds=20, n_workers=2)
    assert p.network_epochs == NETWORK.least
    assert (p.first_bracket, p.classic_first) == (1, False)  # a booster comes nowhere
    assert MIN_ROWS_PER_EPOCH <= p.rows_per_epoch < 50_000


def test_boosters_with_a_tree_for_each_class_grow_fewer() -> None:
    few = plan(n_rows=50_000, n_columns=50, n_classes=20, seconds=120, n_workers=2).iteration_share
    assert few < plan(n_rows=50_000, n_columns=50, n_classes=2, seconds=120, n_workers=2).iteration_share


def test_a_run_without_time_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds"):
        plan(n_rows=10, n_columns=1, n_classes=0, seconds=0, n_workers=1)
