"""Tune's protocol for schedulers, spoken without Tune: which trials are too slow to go on with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raytabdl.clock import Clock
from raytabdl.history import History, Seconds, Status
from raytabdl.pipeline import Point
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.recorder import Recorder
from raytabdl.runtime.scheduler import AsynchronousHyperBandForBOHB
from raytabdl.runtime.searcher import PortfolioBOHB
from raytabdl.runtime.trainable import Report
from raytabdl.search.brackets import Budgets, Race, opening
from raytabdl.search.samplers import RandomSearch
from raytabdl.space import Choices, configuration_space

MOST_SECONDS = 24.0
PORTFOLIO: list[Any] = [{"model": "catboost", "i": i} for i in range(3)] + [{"model": "lightgbm", "i": 3}]


class Conversation:
    """A scheduler, and the part of Tune that talks to it, with a portfolio whose bracket begins at budget 9."""

    def __init__(self, folder: Path) -> None:
        self.history = History()
        race = Race(Budgets(), openings=[opening(len(PORTFOLIO), Budgets(), first_rung=2)])
        sampler = RandomSearch(configuration_space(Choices(), 0), 0)
        self.searcher = PortfolioBOHB(sampler, race)
        self.searcher._portfolio.extend(PORTFOLIO)  # which no space need contain
        recorder = Recorder(RunFolder(folder), self.history, Clock.start(60.0))
        self.scheduler = AsynchronousHyperBandForBOHB(race, self.searcher, recorder, MOST_SECONDS)
        self.controller: Any = SimpleNamespace(search_alg=SimpleNamespace(searcher=self.searcher))
        self.race = race

    def start(self) -> Any:
        """The next trial that is suggested."""
        trial = SimpleNamespace(trial_id=f"tune-{len(self.history.trials)}", status="RUNNING", is_saving=False)
        trial.config = self.searcher.suggest(trial.trial_id)
        self.scheduler.on_trial_add(self.controller, trial)
        return trial

    def step(self, trial: Any, budget: int, seconds: float, loss: float = 1.0) -> str:
        """A step of one point, which takes so long; what the trial is to do then."""
        report = Report(budget, loss, (Point(budget, budget, None, loss, None, seconds, 0.0),), Seconds(seconds))
        result = {"budget": budget, "loss": loss, "report": report}
        return self.scheduler.on_trial_result(self.controller, trial, result)


@pytest.fixture
def conversation(tmp_path: Path) -> Conversation:
    return Conversation(tmp_path)


def test_what_reading_its_state_takes_does_not_end_a_promoted_trial(conversation: Conversation) -> None:
    trials = [conversation.start() for _ in range(3)]
    for trial, loss, at_rung in zip(trials, (0.1, 0.2, 0.3), ("PAUSE", "PAUSE", "STOP"), strict=True):
        assert [conversation.step(trial, budget, 0.2, loss) for budget in range(1, 10)] == ["CONTINUE"] * 8 + [at_rung]
    name = trials[0].config["trial"]
    assert conversation.searcher.promotions() == [name]
    conversation.race.promote(name)
    # 18 more at 3 s would be 54 s, but the first step read the model of 9.
    assert conversation.step(trials[0], 10, 3.0, 0.1) == "CONTINUE"
    assert conversation.step(trials[0], 11, 0.3, 0.1) == "CONTINUE"


def test_a_slow_trial_ends_after_its_first_step_and_takes_its_model_out_of_the_portfolio(
    conversation: Conversation,
) -> None:
    slow = conversation.start()
    assert conversation.step(slow, 1, 6.7) == "STOP"  # 6.7 s, then 8 times at least 3.7 s
    name = slow.config["trial"]
    assert conversation.history.statuses[name] is Status.STOPPED
    assert conversation.start().config["config"] == PORTFOLIO[3]
    assert not conversation.searcher.has_portfolio


def test_a_trial_that_would_take_just_as_long_as_it_may_goes_on(conversation: Conversation) -> None:
    assert conversation.step(conversation.start(), 1, 5.0) == "CONTINUE"  # and 8 times 2 s


def test_a_trial_that_is_out_of_its_own_time_is_the_worst_of_its_rung_and_what_it_published_counts(
    conversation: Conversation,
) -> None:
    trial = conversation.start()
    name = trial.config["trial"]
    assert conversation.step(trial, 1, 0.5, 0.1) == "CONTINUE"
    report = Report(2, 0.1, member=f"{name}@2", metric_loss=0.1, is_out_of_time=True, is_timed_out=True)
    assert conversation.scheduler.on_trial_result(conversation.controller, trial, {"report": report}) == "STOP"
    assert conversation.history.statuses[name] is Status.TIMEOUT
    assert [result.member for result in conversation.history.results] == [f"{name}@2"]
    assert conversation.race.rung_occupancy()[9].failed == 1


def test_want_of_memory_is_told_from_a_crash(conversation: Conversation) -> None:
    for is_out_of_memory, status in ((True, Status.MEMOUT), (False, Status.FAILED)):
        trial = conversation.start()
        report = Report(0, 1.0, failure="Traceback", is_out_of_memory=is_out_of_memory)
        assert conversation.scheduler.on_trial_result(conversation.controller, trial, {"report": report}) == "STOP"
        assert conversation.history.statuses[trial.config["trial"]] is status


def test_a_trial_that_goes_on_with_smaller_batches_stays_in_its_race_and_keeps_them(
    conversation: Conversation,
) -> None:
    trial = conversation.start()
    trial.set_config = lambda config: setattr(trial, "config", config)
    report = Report(0, 1.0, retried="out of memory", seconds=Seconds(2.0))
    assert conversation.scheduler.on_trial_result(conversation.controller, trial, {"report": report}) == "CONTINUE"
    assert trial.config["is_halved"] is True
    assert trial.config["spent_s"] == 2
    assert conversation.history.statuses[trial.config["trial"]] is Status.RUNNING
    assert conversation.race.rung_occupancy()[9].racing == 1


def test_the_seconds_of_a_step_that_was_over_before_its_first_epoch_are_recorded(conversation: Conversation) -> None:
    trial = conversation.start()
    before = {"budget": 0, "loss": float("inf"), "report": Report(0, float("inf"), (), Seconds(setup=0.9))}
    assert conversation.scheduler.on_trial_result(conversation.controller, trial, before) == "CONTINUE"
    at_rung = Report(9, 0.5, (Point(9, 9, None, 0.5, None, 0.2, 0.0),), Seconds(0.2), 0.5, {}, "0000@9")
    conversation.scheduler.on_trial_result(conversation.controller, trial, {"report": at_rung})
    assert [result.seconds.total for result in conversation.history.results] == [pytest.approx(1.1)]
