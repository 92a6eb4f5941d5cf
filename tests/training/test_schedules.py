from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.training import (
    ALL_SCHEDULES,
    SCHEDULES,
    Constant,
    Cosine,
    CosineCycles,
    CosineRestarts,
    Coslog,
    CoslogCycles,
    Cyclic,
    Exponential,
    FlatCosine,
    Plateau,
    Step,
)


@pytest.mark.parametrize("schedule", [CosineCycles, Cosine, FlatCosine])
def test_the_rate_begins_at_its_full_value(schedule):
    assert schedule().factor(0.0) == 1


@pytest.mark.parametrize("schedule", [*SCHEDULES, FlatCosine])
def test_the_rate_ends_at_zero(schedule):
    assert schedule().factor(1.0) == pytest.approx(0, abs=1e-12)


def test_a_flat_cosine_is_flat_for_one_half():
    assert [FlatCosine().factor(t) for t in (0, 0.3, 0.5)] == [1, 1, 1]
    assert [FlatCosine().factor(t) for t in (0.75, 1)] == pytest.approx([0.5, 0])
    assert Constant().factor(0.9) == 1


def test_the_cycles_of_coslog_double_and_rise_from_zero():
    assert [Coslog().factor(t / 15) for t in (0, 1, 3, 7, 15)] == pytest.approx([0] * 5, abs=1e-12)
    # log2(1 + 15 t) is half way through a cycle where t is (2^(i + 1/2) - 1) / 15
    assert [Coslog().factor((2 ** (i + 0.5) - 1) / 15) for i in range(4)] == pytest.approx([1] * 4)


def test_coslog_cycles_have_the_form_of_coslog():
    for begin, end in [(0, 1 / 27), (1 / 27, 1 / 9), (1 / 9, 1 / 3), (1 / 3, 1)]:
        top = begin + (end - begin) * (3**0.5 - 1) / 2
        assert CoslogCycles().factor(top) == pytest.approx(1)
        assert CoslogCycles().factor(begin + 1e-9) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("schedule", ALL_SCHEDULES)
@given(st.floats(0, 1))
def test_the_factor_is_a_share(schedule, progress):
    assert 0 <= schedule().factor(progress) <= 1


def test_cosine_is_half_way_down_in_the_middle():
    assert Cosine().factor(0.5) == pytest.approx(0.5)


@given(st.integers(2, 5), st.integers(1, 5))
def test_cycles_end_exactly_on_the_rungs_and_begin_anew_behind_them(eta, n_rungs):
    horizon = eta ** (n_rungs - 1)
    for schedule, start in ((CosineCycles(eta=eta, n_rungs=n_rungs), 1), (CoslogCycles(eta=eta, n_rungs=n_rungs), 0)):
        for k in range(n_rungs):
            rung = eta**k / horizon
            assert schedule.factor(rung) == pytest.approx(0, abs=1e-12)
            if k < n_rungs - 1:
                assert schedule.factor(rung + 1e-9) == pytest.approx(start, abs=1e-6)


def test_one_rung_is_a_cosine_without_cycles():
    assert [CosineCycles(n_rungs=1).factor(t / 9) for t in range(10)] == [Cosine().factor(t / 9) for t in range(10)]


@pytest.mark.parametrize("schedule", [CosineCycles, CoslogCycles])
@pytest.mark.parametrize(("eta", "n_rungs"), [(1, 4), (3, 0)])
def test_rungs_that_do_not_grow_are_refused(schedule, eta, n_rungs):
    with pytest.raises(ValueError, match="eta >= 2"):
        schedule(eta=eta, n_rungs=n_rungs)


@pytest.mark.parametrize(("factor_length", "ends"), [(1, [1 / 3, 2 / 3, 1]), (2, [1 / 7, 3 / 7, 1])])
def test_restarts_come_where_the_lengths_of_the_cycles_say(factor_length, ends):
    schedule = CosineRestarts(n_cycles=3, factor_length=factor_length)
    assert [schedule.factor(end) for end in ends] == pytest.approx([0, 0, 0], abs=1e-12)
    assert [schedule.factor(end + 1e-9) for end in ends[:-1]] == pytest.approx([1, 1])


def test_a_step_falls_at_once_and_an_exponential_by_the_same_factor_everywhere():
    assert [Step(n_steps=4, gamma=0.5).factor(t) for t in (0.24, 0.26, 0.74, 0.76, 1)] == [1, 0.5, 0.25, 0.125, 0.125]
    rates = [Exponential(last=1e-3).factor(t / 3) for t in range(4)]
    assert rates == pytest.approx([1, 0.1, 0.01, 0.001])


def test_a_cyclic_rate_goes_between_its_ends_in_straight_lines():
    schedule = Cyclic(n_cycles=3, least=0.2)
    assert [schedule.factor(t / 12) for t in range(13)] == pytest.approx([0.2, 0.6, 1, 0.6] * 3 + [0.2])


def test_a_plateau_drops_after_its_patience_and_again_after_as_much():
    schedule = Plateau(drop=0.5, patience=3)
    rates = []
    for loss in [5, 4, 4, 4.5, 4, 4, 4, 4, 3, 3, 3, 3]:
        schedule.observe(loss)
        rates.append(schedule.factor(0.5))
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125]
