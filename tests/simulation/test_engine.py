"""The simulated clock: who works when, and for how long."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.component import Config
from raytabdl.search.brackets import Budgets, Race
from raytabdl.search.samplers import BOHB, RandomSearch
from raytabdl.simulation.benchmark import Curve
from raytabdl.simulation.engine import Evaluation, Job, simulate
from raytabdl.simulation.search import Search
from raytabdl.simulation.synthetic import CountingOnes


class Fixed:
    """Trials of given seconds to the one budget there is."""

    def __init__(self, seconds: list[float]) -> None:
        self.space = CountingOnes().space
        self.budgets = Budgets(n_rungs=1)
        self.todo = list(enumerate(seconds))

    def curve(self, config: Config) -> Curve:
        return Curve({1: 0.0}, {1: float(config["seconds"])})

    def next(self) -> Job | None:
        if not self.todo:
            return None
        name, seconds = self.todo.pop(0)
        return Job(str(name), {"seconds": seconds}, 1)

    def report(self, job: Job, loss: float, seconds: float) -> None:
        assert seconds == pytest.approx(float(job.config["seconds"]))


def run(seed: int, *, n_workers: int = 3, n_trials: int = 60, spread: float = 0.5) -> list[Evaluation]:
    benchmark = CountingOnes(4, spread=spread)
    search = Search(BOHB(benchmark.space, seed), Race(benchmark.budgets), n_trials=n_trials)
    return simulate(search, benchmark, n_workers=n_workers)


def test_a_free_worker_takes_the_next_job_and_nobody_waits() -> None:
    fixed = Fixed([3.0, 1.0, 1.0, 5.0])
    done = simulate(fixed, fixed, n_workers=2)
    assert [(e.job.trial_id, e.worker, e.start, e.end) for e in done] == [
        ("1", 1, 0.0, 1.0),
        ("2", 1, 1.0, 2.0),
        ("0", 0, 0.0, 3.0),
        ("3", 1, 2.0, 7.0),
    ]


@given(seconds=st.lists(st.floats(0.01, 10.0), max_size=20), n_workers=st.integers(1, 5))
def test_workers_are_busy_without_a_break_and_do_one_job_at_a_time(seconds: list[float], n_workers: int) -> None:
    fixed = Fixed(seconds)
    done = simulate(fixed, fixed, n_workers=n_workers)
    assert len(done) == len(seconds)
    by_worker = defaultdict(list)
    for evaluation in sorted(done, key=lambda e: e.start):
        by_worker[evaluation.worker].append(evaluation)
    for own in by_worker.values():
        assert own[0].start == 0.0
        assert all(after.start == before.end for before, after in pairwise(own))


def test_what_has_not_ended_at_the_limit_is_not_known() -> None:
    fixed = Fixed([3.0, 1.0, 1.0, 5.0])
    assert [e.job.trial_id for e in simulate(fixed, fixed, n_workers=2, limit_s=3.0)] == ["1", "2", "0"]


def test_a_promoted_trial_goes_on_from_where_it_was() -> None:
    done = run(0, spread=0.0)
    assert {e.job.budget for e in done} == {1, 3, 9, 27}
    reached: dict[str, int] = {}
    for evaluation in sorted(done, key=lambda e: e.start):
        before = reached.get(evaluation.job.trial_id, 0)
        assert evaluation.seconds == pytest.approx(evaluation.job.budget - before)
        reached[evaluation.job.trial_id] = evaluation.job.budget


def test_no_more_trials_are_begun_than_asked_for_and_the_best_of_them_reach_the_end() -> None:
    done = run(0, n_trials=10)
    assert len({e.job.trial_id for e in done}) == 10
    assert max(e.job.budget for e in done) == 27


def test_the_same_seed_gives_the_same_run() -> None:
    assert run(1) == run(1)
    assert run(1) != run(2)


def test_the_portfolio_comes_first_and_in_order() -> None:
    benchmark = CountingOnes(4)
    sampler = RandomSearch(benchmark.space, 7)
    members = [sampler.suggest() for _ in range(5)]
    search = Search(BOHB(benchmark.space, 0), Race(benchmark.budgets), portfolio=members, n_trials=12)
    done = simulate(search, benchmark, n_workers=1)
    first = {e.job.trial_id: e.job.config for e in sorted(done, key=lambda e: e.start)}
    assert list(first.values())[:5] == members
    assert list(first) == sorted(first)


def test_an_exhausted_space_ends_the_run() -> None:
    benchmark = CountingOnes(0, n_families=3)
    done = simulate(Search(RandomSearch(benchmark.space, 0), Race(benchmark.budgets)), benchmark, n_workers=2)
    assert Counter(e.job.config["model"] for e in done if e.job.budget == 1) == {f"family_{i}": 1 for i in range(3)}


def test_there_must_be_a_worker() -> None:
    with pytest.raises(ValueError, match="n_workers must be"):
        simulate(Fixed([]), Fixed([]), n_workers=0)


def test_a_thousand_trials_of_bohb_take_seconds() -> None:
    began = time.process_time()
    assert len({e.job.trial_id for e in run(0, n_workers=16, n_trials=250)}) == 250
    assert time.process_time() - began < 5.0  # a quarter of the trials, so with a factor to spare
