from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.training import SCHEDULES, Cosine, CosineCycles


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_begins_at_its_full_value_and_ends_at_zero(schedule):
    assert schedule().factor(0.0) == 1
    assert schedule().factor(1.0) == 0


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(st.floats(0, 1))
def test_the_factor_is_a_share(schedule, progress):
    assert 0 <= schedule().factor(progress) <= 1


def test_cosine_is_half_way_down_in_the_middle():
    assert Cosine().factor(0.5) == pytest.approx(0.5)


@given(st.integers(2, 5), st.integers(1, 5))
def test_cycles_end_exactly_on_the_rungs_and_begin_anew_behind_them(eta, n_rungs):
    schedule = CosineCycles(eta=eta, n_rungs=n_rungs)
    horizon = eta ** (n_rungs - 1)
    for k in range(n_rungs):
        rung = eta**k / horizon
        assert schedule.factor(rung) == pytest.approx(0, abs=1e-12)
        if k < n_rungs - 1:
            assert schedule.factor(rung + 1e-9) == pytest.approx(1)


def test_one_rung_is_a_cosine_without_cycles():
    assert [CosineCycles(n_rungs=1).factor(t / 9) for t in range(10)] == [Cosine().factor(t / 9) for t in range(10)]


@pytest.mark.parametrize(("eta", "n_rungs"), [(1, 4), (3, 0)])
def test_rungs_that_do_not_grow_are_refused(eta, n_rungs):
    with pytest.raises(ValueError, match="eta >= 2"):
        CosineCycles(eta=eta, n_rungs=n_rungs)
