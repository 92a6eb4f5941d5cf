from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.search.policy import (
    BOOSTER,
    BOOSTER_HORIZON,
    EPOCHS,
    FULL_TRIAL_SHARE,
    LONG_BOOSTER,
    MIN_ROWS_PER_EPOCH,
    NETWORK,
    Course,
    plan,
)

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
    assert BOOSTER.least <= p.iteration_share * BOOSTER_HORIZON <= LONG_BOOSTER.most
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


def test_a_course_costs_what_is_said_of_a_thousand_rows_of_20_columns() -> None:
    assert NETWORK.seconds(1_000, 20, 1) == pytest.approx(0.025, rel=1e-9)
    assert NETWORK.seconds(2_000, 552, 3) == pytest.approx(0.3, rel=1e-9)  # twice the weights, as 512 columns are free
    assert BOOSTER.seconds(1_000, 50, 1) == pytest.approx(0.0012, rel=1e-9)
    course = Course(ms=1_000.0, free_columns=0, least=2, most=9)
    assert [course.iterations(1_000, 20, seconds) for seconds in (0.5, 4.7, 100.0)] == [2, 4, 9]


def test_one_worker_gives_a_trial_a_sixth_of_the_time_and_at_most_a_quarter() -> None:
    p = plan(n_rows=500, n_columns=10, n_classes=2, seconds=300, n_workers=1)
    assert (p.full_trial_seconds, p.most_trial_seconds) == (50, 75)


def test_twelve_full_trials_of_a_network_are_enough_for_the_widest_bracket() -> None:
    # 108 epochs of 1,000 rows and 20 columns take 2.7 s.
    assert [plan(1_250, 18, 2, 12 * 2.7 / 2 * share, 2).first_bracket for share in (0.997, 1.003)] == [1, 0]


def test_the_portfolio_goes_to_the_end_where_16_of_the_slowest_trial_fit_and_two_after_each_other() -> None:
    assert [plan(1_250, 18, 2, seconds, 2).portfolio_rung for seconds in (21.5, 21.7)] == [2, 3]  # networks of 2.7 s
    of_810_s = [plan(125_000, 20, 100, seconds, 64).portfolio_rung for seconds in (1_600, 1_640)]  # boosters
    assert of_810_s == [2, 3]


def test_boosters_come_first_where_a_third_of_one_is_not_stopped() -> None:
    plans = [plan(125_000, 20, 100, seconds, 2) for seconds in (530, 550)]  # 270 s to budget 9, of at most 265 or 275 s
    assert [(p.classic_first, p.networks_first) for p in plans] == [(False, True), (True, False)]


def test_networks_come_first_where_a_booster_takes_more_than_twice_as_long() -> None:
    # Three trees a round: 7.42 s beside networks of 3.73 s, and 7.52 s beside 3.74 s.
    assert [plan(1_250, n_columns, 3, 3_600, 2).networks_first for n_columns in (219, 222)] == [False, True]


@pytest.mark.parametrize(("n_classes", "n_rounds"), [(0, 833), (2, 833), (3, 277)])
def test_only_more_than_two_classes_cost_a_tree_each(n_classes: int, n_rounds: int) -> None:
    # 40 s at 0.048 s a round of one tree.
    assert plan(50_000, 50, n_classes, 120, 2).iteration_share == pytest.approx(n_rounds / 540)


def test_rounds_and_epochs_have_their_ends() -> None:
    assert plan(500, 10, 2, 300, 2).iteration_share == 4320 / 540
    assert plan(20_000, 20, 2, 300, 2).iteration_share == 1080 / 540  # more would take longer than a 120th of the time
    assert plan(5_000, 20, 2, 300, 2).iteration_share == pytest.approx(5 / 0.0024 / 540, rel=1e-3)  # takes that
    assert plan(100_000, 20, 100, 288, 2).iteration_share == 135 / 540
    assert [epochs % (27 if epochs >= 27 else 9) for epochs in EPOCHS] == [0] * 8


def test_an_epoch_has_as_many_rows_as_fit() -> None:
    much = plan(1_000_000, 10, 2, 3_588, 2).rows_per_epoch
    assert 13 * NETWORK.seconds(much, 12, 108) == pytest.approx(2 * 3_588, rel=1e-4)  # 13 networks fill all the time
    little = plan(1_000_000, 100, 2, 20, 2).rows_per_epoch
    assert NETWORK.seconds(little, 102, 9) == pytest.approx(20 / 3, rel=1e-3)  # nine epochs fill a trial's
    assert plan(1_000_000, 100, 2, 1, 1).rows_per_epoch == 1_000
    assert plan(1, 1, 0, 10, 1).rows_per_epoch == 1


@pytest.mark.parametrize(
    "change", [{"n_rows": 0}, {"n_columns": 0}, {"n_workers": 0}, {"n_classes": -1}, {"seconds": 0}]
)
def test_each_number_is_checked_by_itself(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        plan(**{"n_rows": 10, "n_columns": 1, "n_classes": 0, "seconds": 1, "n_workers": 1, **change})
