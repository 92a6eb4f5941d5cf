from __future__ import annotations

import pytest

from raytabdl.search.cost import FIRST_STEP_SECONDS, Pace


def test_what_is_to_come_takes_as_long_as_the_last_points_did() -> None:
    pace = Pace()
    pace.step([0.5], 4.0, budget=1)
    pace.step([2.0, 1.0, 9.0], 12.5, budget=4)
    assert pace.spent_s == 16.5
    assert pace.seconds_to(9) == pytest.approx(16.5 + 2.0 * 5)  # one point for each budget


def test_points_may_be_many_for_a_budget_or_few() -> None:
    many, few = Pace(), Pace()
    many.step([5.0], 5.0, budget=0)
    many.step([1.0] * 7, 7.0, budget=2)
    assert many.seconds_to(9) == pytest.approx(12.0 + 7 * 4 * 1.0)
    few.step([5.0], 5.0, budget=3)
    few.step([6.0], 6.0, budget=6)
    assert few.seconds_to(9) == pytest.approx(11.0 + 6.0)


def test_what_a_first_step_does_once_is_not_counted_for_those_to_come() -> None:
    pace = Pace()
    pace.step([FIRST_STEP_SECONDS + 2.0], 6.0, budget=1)
    assert pace.seconds_to(9) == pytest.approx(6.0 + 2.0 * 8)
    quick = Pace()
    quick.step([1.0], 1.5, budget=1)
    assert quick.seconds_to(27) == 1.5


def test_the_first_step_after_a_pause_is_one_as_well() -> None:
    pace = Pace()
    pace.step([1.0] * 3, 3.0, budget=3)
    pace.step([1.0] * 6, 6.0, budget=9)
    pace.judged()
    assert pace.seconds_to(27) == 0.0
    pace.step([FIRST_STEP_SECONDS], 4.0, budget=10)
    assert pace.seconds_to(27) == 4.0
    pace.step([0.5], 0.5, budget=11)
    assert pace.seconds_to(27) == pytest.approx(4.5 + 0.5 * 16)


def test_nothing_is_said_before_the_first_budget() -> None:
    pace = Pace()
    pace.step([9.0], 9.0, budget=0)
    assert pace.seconds_to(27) == 9.0


def test_three_seconds_of_a_first_step_are_spent_once() -> None:
    pace = Pace()
    pace.step([5.0], 5.0, budget=1)
    assert pace.seconds_to(3) == pytest.approx(5.0 + 2 * 2.0)
