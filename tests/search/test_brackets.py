from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytabdl.search.brackets import Budgets, Decision, Occupancy, Race, Rung, decide, hyperband, opening

BUDGETS = Budgets(eta=3, n_rungs=4)


def sizes(bracket: tuple[Rung, ...]) -> list[tuple[int, int]]:
    return [(rung.n_trials, rung.budget) for rung in bracket]


def judge(race: Race, trial: str, loss: float) -> Decision:
    """Reports a trial at its milestone and does what is due."""
    decision = race.report(trial, race.milestone(trial), loss)
    if decision is Decision.PROMOTE:
        race.promote(trial)
    if decision is Decision.STOP:
        race.stop(trial)
    return decision


class Run:
    """A run of ``n_workers`` that promotes first, then starts trials, then closes brackets; keeps what happened."""

    def __init__(self, losses: list[float], n_workers: int, order: list[int], first_bracket: int = 0) -> None:
        self.race = Race(BUDGETS, first_bracket)
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self.promoted: list[tuple[str, int, int]] = []  # trial, bracket, budget it came from
        self.recorded: dict[tuple[int, int], dict[str, float]] = {}  # (bracket, budget) -> losses in order of arrival
        self.closed: set[int] = set()
        self.led: dict[int, int] = {}  # promotions of those in the lead, by bracket
        self._losses, self._order = dict(enumerate(losses)), order
        self._racing: list[str] = []
        self._n_added = 0
        step = 0
        while True:
            while len(self._racing) < n_workers and self._start_one():
                pass
            if not self._racing:
                break
            self._finish(self._racing.pop(order[step % len(order)] % len(self._racing)))
            step += 1

    def call(self, name: str, *args: object) -> object:
        self.calls.append((name, args))
        return getattr(self.race, name)(*args)

    def _start_one(self) -> bool:
        for trial in self.race.hopeless():
            self.call("stop", trial)
        if due := self.race.promotable():
            self._promote(due[0])
            self._racing.append(due[0])
        elif self._n_added < len(self._losses):
            trial = str(self._n_added)
            self._n_added += 1
            self.call("add", trial)
            self._racing.append(trial)
        else:
            if self._racing:
                return False
            index = self.race.close_oldest()
            if index is None:
                return False
            self.calls.append(("close_oldest", ()))
            self.closed.add(index)
        return True

    def _finish(self, trial: str) -> None:
        loss = self._losses[int(trial)]
        rung = (self.race.bracket_of(trial), self.race.milestone(trial))
        if loss == math.inf:  # stands for a crash
            self.recorded.setdefault(rung, {})[trial] = math.inf
            self.call("fail", trial)
            return
        self.recorded.setdefault(rung, {})[trial] = math.inf if math.isnan(loss) else loss
        decision = self.call("report", trial, rung[1], loss)
        if decision is Decision.PROMOTE:
            self._promote(trial)
            self._racing.append(trial)
        elif decision is Decision.STOP:
            self.call("stop", trial)

    def _promote(self, trial: str) -> None:
        bracket, budget = self.race.bracket_of(trial), self.race.milestone(trial)
        self.promoted.append((trial, bracket, budget))
        if self.race.leads(trial):
            self.led[bracket] = self.led.get(bracket, 0) + 1
        else:
            self.check_top(trial, bracket, budget)
        self.call("promote", trial)

    def check_top(self, trial: str, bracket: int, budget: int) -> None:
        """A promoted trial is in the top of what was recorded, and its rung has places left."""
        losses, sizes = self.recorded[bracket, budget], planned(self, bracket)
        rank = sorted(losses, key=losses.__getitem__).index(trial)
        filling = budget == min(sizes) and len(losses) < sizes[budget] and bracket not in self.closed
        assert rank < (len(losses) // BUDGETS.eta if filling else sizes[budget * BUDGETS.eta])
        n_promoted = sum(b == bracket and at == budget for _, b, at in self.promoted)
        assert n_promoted <= sizes[budget * BUDGETS.eta] + self.led.get(bracket, 0)


def planned(run: Run, bracket: int) -> dict[int, int]:
    shapes = hyperband(BUDGETS)
    return {rung.budget: rung.n_trials for rung in shapes[bracket % len(shapes)]}


LOSSES = st.lists(
    st.one_of(st.floats(0, 1), st.just(math.nan), st.just(math.inf), st.integers(0, 3).map(float)),
    min_size=1,
    max_size=80,
)
ORDERS = st.lists(st.integers(0, 7), min_size=1, max_size=30)


def test_the_brackets_are_those_of_tunes_hyperband_for_bohb() -> None:
    assert [sizes(bracket) for bracket in hyperband(BUDGETS)] == [
        [(27, 1), (9, 3), (3, 9), (1, 27)],
        [(12, 3), (4, 9), (2, 27)],
        [(6, 9), (2, 27)],
        [(4, 27)],
    ]


def test_rungs_are_the_powers_of_eta() -> None:
    assert BUDGETS.rungs == (1, 3, 9, 27)
    assert BUDGETS.max_budget == 27
    assert Budgets(eta=2, n_rungs=1).rungs == (1,)


@pytest.mark.parametrize(("eta", "n_rungs"), [(1, 4), (3, 0)])
def test_budgets_without_a_halving_are_refused(eta: int, n_rungs: int) -> None:
    with pytest.raises(ValueError, match="eta >= 2"):
        Budgets(eta, n_rungs)


@pytest.mark.parametrize(
    ("n_ahead", "n_recorded", "complete", "decision"),
    [
        (0, 2, False, Decision.PAUSE),  # nobody is in the top third of two
        (0, 3, False, Decision.PROMOTE),
        (1, 3, False, Decision.PAUSE),
        (1, 6, False, Decision.PROMOTE),
        (8, 26, False, Decision.PAUSE),
        (8, 26, True, Decision.PROMOTE),
        (9, 12, False, Decision.STOP),  # nine better ones take all nine places
    ],
)
def test_a_trial_is_promoted_in_the_top_third(
    n_ahead: int, n_recorded: int, complete: bool, decision: Decision
) -> None:
    assert decide(n_ahead=n_ahead, n_recorded=n_recorded, n_next=9, eta=3, complete=complete) is decision


def test_nobody_is_promoted_from_the_last_rung() -> None:
    assert decide(n_ahead=0, n_recorded=1, n_next=0, eta=3, complete=True) is Decision.STOP


def test_a_trial_is_promoted_without_waiting_for_its_rung() -> None:
    race = Race(BUDGETS)
    for trial in "abc":
        race.add(trial)
    assert race.report("a", 1, 0.5) is Decision.PAUSE
    assert race.report("b", 1, 0.7) is Decision.PAUSE
    assert race.report("c", 1, 0.3) is Decision.PROMOTE
    race.promote("c")
    assert race.milestone("c") == 3
    assert race.promotable() == []


def test_a_later_report_may_free_a_waiting_trial() -> None:
    race = Race(BUDGETS)
    for trial in "abc":
        race.add(trial)
    judge(race, "a", 0.1)
    judge(race, "b", 0.5)
    assert judge(race, "c", 0.9) is Decision.PAUSE
    assert race.promotable() == ["a"]


def test_a_trial_goes_on_below_its_milestone_and_is_judged_beyond_it() -> None:
    race = Race(BUDGETS, first_bracket=1)
    for trial in "abc":
        race.add(trial)
    assert race.report("a", 2, 0.5) is Decision.CONTINUE
    assert race.report("a", 4, 0.5) is Decision.PAUSE


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_counts_as_a_failure(loss: float) -> None:
    race = Race(BUDGETS, first_bracket=2)
    for trial in "abcdef":
        race.add(trial)
    decisions = [judge(race, trial, value) for trial, value in zip("abc", [loss, 0.5, 0.4], strict=True)]
    assert decisions == [Decision.STOP, Decision.PAUSE, Decision.PROMOTE]
    assert race.rung_occupancy()[9].failed == 1


def test_where_all_others_failed_only_the_sound_one_goes_up() -> None:
    race = Race(BUDGETS, first_bracket=2)
    for trial in "abcdef":
        race.add(trial)
    for trial in "abcde":
        judge(race, trial, math.nan)
    assert judge(race, "f", 7.0) is Decision.PROMOTE
    assert race.promotable() == []


def test_the_first_of_equal_losses_is_promoted() -> None:
    race = Race(BUDGETS)
    for trial in "abc":
        race.add(trial)
    for trial in "abc":
        judge(race, trial, 0.5)
    assert race.promotable() == ["a"]


def test_equal_losses_give_hyperbands_counts() -> None:
    run = Run([0.5] * 49, n_workers=1, order=[0])
    counts = {rung: len(losses) for rung, losses in run.recorded.items()}
    expected = {(i, r.budget): r.n_trials for i, bracket in enumerate(hyperband(BUDGETS)) for r in bracket}
    assert counts == expected


def test_a_failure_completes_a_rung_but_halves_nothing_by_itself() -> None:
    race = Race(BUDGETS, first_bracket=2)
    for trial in "abcdef":
        race.add(trial)
    for trial, loss in zip("abcde", [0.1, 0.2, 0.3, 0.4, 0.5], strict=True):
        judge(race, trial, loss)
    race.promote("a")
    race.fail("a")
    assert race.promotable() == []  # five of six are in: one of the two places is kept
    race.fail("f")
    assert race.promotable() == ["b"]


def test_the_highest_rung_is_promoted_first_and_the_best_of_it() -> None:
    race = Race(BUDGETS, first_bracket=1)
    for trial in "abcdefghijkl":
        race.add(trial)
    for trial, loss in zip("abcdefghijkl", [0.3, 0.4, 0.1, 0.2, *[0.9] * 8], strict=True):
        race.report(trial, 3, loss)
    assert race.promotable() == ["c", "d", "a", "b"]
    for trial in "cda":
        race.promote(trial)
        race.report(trial, 9, 0.5)
    assert race.promotable() == ["c", "b"]


def test_brackets_are_filled_one_after_another_and_cycle() -> None:
    race = Race(BUDGETS, first_bracket=2)
    indices = [race.add(str(i)) for i in range(6 + 4 + 27 + 1)]
    assert indices == [0] * 6 + [1] * 4 + [2] * 27 + [3]
    assert [race.milestone(str(i)) for i in (0, 6, 10, 37)] == [9, 27, 1, 3]


def test_the_portfolio_has_a_bracket_of_its_own_before_the_others() -> None:
    race = Race(BUDGETS, first_bracket=1, openings=[opening(5, BUDGETS, first_rung=2)])
    indices = [race.add(str(i)) for i in range(5 + 12 + 1)]
    assert indices == [0] * 5 + [1] * 12 + [2]
    assert [race.milestone(str(i)) for i in (0, 5, 17)] == [9, 3, 9]
    assert [race.is_in_opening(str(i)) for i in (4, 5)] == [True, False]


def test_there_may_be_several_brackets_before_the_others() -> None:
    race = Race(BUDGETS, first_bracket=1, openings=[opening(2, BUDGETS, 2), opening(3, BUDGETS, 1)])
    indices = [race.add(str(i)) for i in range(2 + 3 + 1)]
    assert indices == [0, 0, 1, 1, 1, 2]
    assert [race.milestone(str(i)) for i in range(6)] == [9, 9, 3, 3, 3, 3]
    assert [race.is_in_opening(str(i)) for i in (0, 4, 5)] == [True, True, False]


def test_a_trial_that_is_withdrawn_keeps_its_place() -> None:
    """Else the third would go up, as the best of those that are left."""
    for end, due in ((Race.withdraw, Decision.PAUSE), (Race.stop, Decision.PROMOTE)):
        race = Race(BUDGETS)
        for trial, loss in (("a", 0.1), ("b", 0.2)):
            race.add(trial)
            assert judge(race, trial, loss) is Decision.PAUSE
            end(race, trial)
        race.add("c")
        assert judge(race, "c", 0.3) is due


def test_an_opening_at_the_last_rung_trains_all_to_the_end() -> None:
    race = Race(BUDGETS, openings=[opening(3, BUDGETS, first_rung=3)])
    for trial in "abc":
        race.add(trial)
    assert [judge(race, trial, loss) for trial, loss in zip("abc", [0.3, 0.1, 0.2], strict=True)] == [Decision.STOP] * 3


def test_a_trial_can_return_to_its_bracket() -> None:
    race = Race(BUDGETS)
    assert race.add("late", bracket=2) == 2
    assert race.milestone("late") == 9
    assert race.add("new") == 0
    with pytest.raises(ValueError, match="enters once"):
        race.add("late")


def test_closing_the_oldest_bracket_promotes_the_best_third() -> None:
    race = Race(BUDGETS)
    for i in range(10):
        race.add(str(i))
        judge(race, str(i), float(10 - i))
    assert race.promotable() == []
    assert race.close_oldest() == 0
    n_promoted = sum(race.milestone(str(i)) > 1 for i in range(10)) + len(race.promotable())
    assert n_promoted == 4  # the top third of ten, rounded up as Hyperband does
    assert "9" not in race.hopeless()
    assert race.close_oldest() is None


def test_nothing_waits_for_new_trials_where_brackets_are_full() -> None:
    race = Race(BUDGETS, first_bracket=3)
    race.add("a")
    assert race.close_oldest() is None


def test_occupancy_counts_each_trial_where_it_stands() -> None:
    race = Race(BUDGETS)
    for trial in "abcde":
        race.add(trial)
    for trial, loss in zip("abc", [0.1, 0.3, 0.2], strict=True):
        race.report(trial, 1, loss)
    race.promote("a")
    race.stop("b")
    race.fail("d")
    occupancy = race.rung_occupancy()
    assert occupancy[1] == Occupancy(racing=1, waiting=1, promoted=1, stopped=1, failed=1)
    assert occupancy[3] == Occupancy(racing=1)
    assert occupancy[27] == Occupancy()


def test_only_a_waiting_trial_can_be_promoted() -> None:
    race = Race(BUDGETS)
    race.add("a")
    with pytest.raises(ValueError, match="while it waits"):
        race.promote("a")


@settings(max_examples=150, deadline=None)
@given(losses=LOSSES, n_workers=st.integers(1, 8), order=ORDERS)
def test_a_race_ends_with_every_trial_judged_and_none_left_waiting(
    losses: list[float], n_workers: int, order: list[int]
) -> None:
    run = Run(losses, n_workers, order)
    occupancy = run.race.rung_occupancy().values()
    assert sum(o.racing + o.waiting for o in occupancy) == 0
    assert sum(o.stopped + o.failed for o in occupancy) == len(losses)


@settings(max_examples=150, deadline=None)
@given(losses=LOSSES, n_workers=st.integers(1, 8), order=ORDERS)
def test_no_rung_is_larger_than_hyperbands_but_for_those_in_the_lead(
    losses: list[float], n_workers: int, order: list[int]
) -> None:
    run = Run(losses, n_workers, order)
    for (bracket, budget), recorded in run.recorded.items():
        assert len(recorded) <= planned(run, bracket)[budget] + run.led.get(bracket, 0)


@settings(max_examples=150, deadline=None)
@given(losses=LOSSES, n_workers=st.integers(1, 8), order=ORDERS)
def test_the_best_of_every_rung_is_promoted(losses: list[float], n_workers: int, order: list[int]) -> None:
    run = Run(losses, n_workers, order)
    for (bracket, budget), recorded in run.recorded.items():
        best = min(recorded, key=recorded.__getitem__)
        if budget < BUDGETS.max_budget and recorded[best] < math.inf:
            assert (best, bracket, budget) in run.promoted


@settings(max_examples=150, deadline=None)
@given(losses=st.lists(st.floats(0, 1), min_size=49, max_size=98), n_workers=st.integers(1, 8), order=ORDERS)
def test_without_failures_the_full_brackets_have_hyperbands_counts(
    losses: list[float], n_workers: int, order: list[int]
) -> None:
    run = Run(losses, n_workers, order)
    for index in range(4):
        counts = {budget: len(recorded) for (bracket, budget), recorded in run.recorded.items() if bracket == index}
        plan = planned(run, index)
        assert counts.keys() == plan.keys()
        assert all(plan[budget] <= counts[budget] <= plan[budget] + run.led.get(index, 0) for budget in plan)


@settings(max_examples=100, deadline=None)
@given(losses=LOSSES, n_workers=st.integers(1, 8), order=ORDERS, cut=st.integers(0, 200))
def test_replaying_the_calls_gives_the_same_race(
    losses: list[float], n_workers: int, order: list[int], cut: int
) -> None:
    calls = Run(losses, n_workers, order).calls
    first, second = Race(BUDGETS), Race(BUDGETS)
    for name, args in calls[:cut]:
        getattr(first, name)(*args)
    for name, args in calls[:cut]:
        getattr(second, name)(*args)
    for name, args in calls[cut:]:
        assert getattr(first, name)(*args) == getattr(second, name)(*args)
    assert first.rung_occupancy() == second.rung_occupancy()
    assert first.promotable() == second.promotable()


def test_a_trial_that_is_better_than_all_that_were_trained_to_the_end_goes_up_whatever_is_recorded_beside_it() -> None:
    race = Race(BUDGETS, first_bracket=3)
    for i in range(4):  # the places of the bracket that trains to the end
        race.add(f"end-{i}")
    for i, loss in enumerate((0.5, 0.3, 0.4, 0.6)):
        judge(race, f"end-{i}", loss)
    for name in "abcd":
        race.add(name)
    assert judge(race, "a", 0.4) is Decision.PAUSE
    assert judge(race, "b", 0.29) is Decision.PROMOTE
    assert not race.leads("a")
    assert judge(race, "c", 0.28) is Decision.PROMOTE
    for _ in range(3):
        judge(race, "c", 0.25)
    assert race.milestone("c") == 27
    assert judge(race, "d", 0.27) is Decision.PAUSE
    assert not race.leads("c")


def test_nobody_leads_before_one_was_trained_to_the_end() -> None:
    race = Race(BUDGETS)
    race.add("a")
    assert judge(race, "a", 0.1) is Decision.PAUSE
    assert not race.leads("a")


@pytest.mark.parametrize("first_bracket", [-1, 4])
def test_there_are_as_many_brackets_as_rungs(first_bracket: int) -> None:
    with pytest.raises(ValueError, match="from 0 to n_rungs - 1"):
        Race(BUDGETS, first_bracket)


def test_occupancy_counts_over_all_brackets() -> None:
    race = Race(BUDGETS, first_bracket=2)
    for names, bracket in (("abc", 0), ("def", 4)):  # both of six at budget 9
        for name, loss in zip(names, (0.1, 0.2, 0.3), strict=True):
            race.add(name, bracket)
            race.report(name, 9, loss)
        race.promote(names[0])
    occupancy = race.rung_occupancy()
    assert (occupancy[9], occupancy[27]) == (Occupancy(waiting=4, promoted=2), Occupancy(racing=2))


def test_a_rung_is_complete_once_all_places_below_are_taken_whoever_still_waits_there() -> None:
    race = Race(BUDGETS, first_bracket=1)
    losses = dict(zip("abcdefghijkl", (0.1, 0.2, 0.3, 0.4, *[0.9] * 8), strict=True))
    for name, loss in losses.items():
        race.add(name)
        race.report(name, 3, loss)
    for name in "abcd":
        race.promote(name)
        race.report(name, 9, losses[name])
    assert race.promotable() == ["a", "b"]
    assert set(race.hopeless()) == set("cdefghijkl")
