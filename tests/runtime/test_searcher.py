"""Tune's protocol for searchers, spoken without Tune: what is suggested, and when."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
from ray.tune.search import Searcher

from raytabdl.component import Config
from raytabdl.inputs import Target, TaskType
from raytabdl.runtime.searcher import PortfolioBOHB, Suggestion
from raytabdl.runtime.trainable import Report
from raytabdl.search.brackets import Budgets, Decision, Race, opening
from raytabdl.search.portfolio import first_configurations
from raytabdl.search.samplers import BOHB, Observation
from raytabdl.space import Choices, configuration_space
from raytabdl.warm_start import default_portfolio


class Ear(BOHB):
    """A sampler that remembers what it was told."""

    def __init__(self, seed: int = 0, choices: Choices | None = None) -> None:
        super().__init__(configuration_space(choices or Choices(), seed), seed)
        self.heard: list[Observation] = []

    def observe(self, observation: Observation) -> None:
        self.heard.append(observation)
        super().observe(observation)


def portfolio() -> list[Config]:
    return first_configurations(default_portfolio(Target(TaskType.BINARY, 2)), configuration_space(Choices()))


class Conversation:
    """A searcher, and the part of Tune that talks to it; every trial that is suggested enters the race."""

    def __init__(self, *, max_concurrent: int = 100, seed: int = 0, **options: Any) -> None:
        self.race = Race(Budgets())
        self.sampler = Ear(seed)
        self.searcher = PortfolioBOHB(self.sampler, self.race, seed=seed, **options)
        self.searcher.set_max_concurrency(max_concurrent)
        self.names: dict[str, str] = {}
        self.n_asked = 0
        self.seconds = 1.0  # that every result costs

    def ask(self) -> dict[str, Any] | str | None:
        """What is suggested for the next of Tune's trials."""
        trial_id = f"tune-{self.n_asked}"
        self.n_asked += 1
        answer = self.searcher.suggest(trial_id)
        if isinstance(answer, dict):
            self.names[answer["trial"]] = trial_id
            if answer["trial"] not in self.race:
                self.race.add(answer["trial"])
        return answer

    def trial(self) -> str:
        """The name of the next trial, which there must be."""
        answer = self.ask()
        assert isinstance(answer, dict), answer
        return str(answer["trial"])

    def tell(self, name: str, budget: int, loss: float) -> Decision:
        """A result at a rung; a trial that is to pause is paused, one that is to stop ends."""
        decision = self.race.report(name, budget, loss)
        trial_id = self.names[name]
        result = {"hyperband_info": {"budget": budget, "seconds": self.seconds}, "report": Report(budget, loss)}
        self.searcher.on_trial_result(trial_id, result)
        if decision is Decision.PROMOTE:
            self.race.promote(name)
        elif decision is Decision.PAUSE:
            self.searcher.on_pause(trial_id)
        else:
            self.race.stop(name)
            self.searcher.on_trial_complete(trial_id, result)
        return decision


def test_the_first_suggestions_are_the_portfolio_in_order_then_come_those_of_the_sampler() -> None:
    members = portfolio()
    assert len(members) >= 8
    conversation = Conversation(portfolio=members)
    answers = [conversation.ask() for _ in range(len(members) + 12)]
    suggestions = [answer for answer in answers if isinstance(answer, dict)]
    assert len(suggestions) == len(answers)
    assert [s["config"] for s in suggestions[: len(members)]] == members
    origins = [s["origin"] for s in suggestions]
    assert origins == ["portfolio"] * len(members) + ["random"] * 12  # nothing was told that a model could be made of
    configs = [frozenset(s["config"].items()) for s in suggestions]
    assert len(set(configs)) == len(configs)
    assert [s["trial"] for s in suggestions] == [f"{i:04d}" for i in range(len(answers))]


def test_the_origin_of_a_suggestion_is_the_model_where_there_is_one() -> None:
    sampler = BOHB(configuration_space(Choices().only(["lightgbm"])), 0)
    searcher = PortfolioBOHB(sampler, Race(Budgets()))
    origins = []
    for number in range(40):
        answer = searcher.suggest(f"tune-{number}")
        assert isinstance(answer, dict)
        sampler.observe(Observation(answer["config"], 1, number / 40, 1.0))
        origins.append(answer["origin"])
    assert set(origins[: sampler.min_points_in_model]) == {"random"}
    assert 0.4 < origins.count("model") / len(origins) < 0.8  # a third is drawn at random


def test_it_works_where_hpbandster_is_missing() -> None:
    code = """
import sys
sys.modules["hpbandster"] = None
from raytabdl.runtime.searcher import PortfolioBOHB
from raytabdl.search.brackets import Budgets, Race
from raytabdl.search.samplers import BOHB
from raytabdl.space import Choices, configuration_space
searcher = PortfolioBOHB(BOHB(configuration_space(Choices()), 0), Race(Budgets()), n_trials=1)
print(searcher.suggest("a")["origin"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.strip() == "random", done.stderr


def test_a_failure_is_observed_as_the_worst_loss() -> None:
    conversation = Conversation(portfolio=portfolio())
    crashed, lost = conversation.trial(), conversation.trial()
    conversation.race.fail(crashed)
    result = {"hyperband_info": {"budget": 1, "seconds": 0.0}, "report": Report(0, math.inf, failure="Traceback")}
    conversation.searcher.on_trial_result(conversation.names[crashed], result)
    conversation.searcher.on_trial_complete(conversation.names[crashed], result)
    conversation.race.fail(lost)
    conversation.searcher.on_trial_complete(conversation.names[lost], error=True)
    members = portfolio()
    assert [(o.config, o.budget, o.loss) for o in conversation.sampler.heard] == [
        (members[0], 1, math.inf),
        (members[1], 1, math.inf),
    ]


def test_a_lost_worker_fails_its_trial_at_the_rung_that_it_was_on_the_way_to() -> None:
    conversation = Conversation(portfolio=portfolio())
    for loss in (0.2, 0.3):
        assert conversation.tell(conversation.trial(), 1, loss) is Decision.PAUSE
    best = conversation.trial()
    assert conversation.tell(best, 1, 0.1) is Decision.PROMOTE
    conversation.race.fail(best)
    conversation.searcher.on_trial_complete(conversation.names[best], error=True)
    assert [(o.budget, o.loss) for o in conversation.sampler.heard[-2:]] == [(1, 0.1), (3, math.inf)]


def test_a_result_reaches_the_sampler_once_with_what_it_cost() -> None:
    conversation = Conversation(portfolio=portfolio())
    name = conversation.trial()
    on_the_way = {"report": Report(0, 0.9)}
    conversation.searcher.on_trial_result(conversation.names[name], on_the_way)
    assert conversation.sampler.heard == []
    flat = {"hyperband_info/budget": 1, "hyperband_info/seconds": 2.5, "report": Report(1, 0.5)}
    conversation.searcher.on_trial_result(conversation.names[name], flat)
    assert conversation.sampler.heard == [Observation(portfolio()[0], 1, 0.5, 2.5)]


def test_no_more_trials_run_than_there_are_workers() -> None:
    conversation = Conversation(max_concurrent=2, portfolio=portfolio())
    first, second = conversation.trial(), conversation.trial()
    assert conversation.ask() is None
    assert conversation.tell(first, 1, 0.5) is Decision.PAUSE  # and leaves its place
    assert conversation.trial() == "0002"
    assert conversation.ask() is None
    conversation.race.fail(second)
    conversation.searcher.on_trial_complete(conversation.names[second], error=True)
    assert conversation.trial() == "0003"


def test_there_are_as_many_workers_as_were_seen_to_train_at_once() -> None:
    """There are CPUs for four, and GPUs for two."""
    searcher = Conversation(max_concurrent=4).searcher
    assert searcher.n_workers == 4
    for n_running in (0, 1, 2, 1):
        searcher.note_running(n_running)
    assert searcher.n_workers == 2
    searcher.set_max_concurrency(1)  # a node has left
    assert searcher.n_workers == 1


def test_a_suggestion_waits_while_a_promotion_is_due() -> None:
    conversation = Conversation(portfolio=portfolio())
    first, second, third = (conversation.trial() for _ in range(3))
    assert conversation.tell(first, 1, 0.1) is Decision.PAUSE
    assert conversation.tell(second, 1, 0.2) is Decision.PAUSE
    assert isinstance(conversation.ask(), dict)
    assert conversation.tell(third, 1, 0.3) is Decision.PAUSE
    assert conversation.race.promotable() == [first]
    assert conversation.ask() is None
    conversation.race.promote(first)
    assert isinstance(conversation.ask(), dict)


def test_the_last_trial_is_followed_by_the_end_once_what_waited_for_more_was_judged() -> None:
    """Three trials in a bracket for 27: it is closed when they wait, so the best of them goes up to the last rung."""
    conversation = Conversation(portfolio=portfolio(), n_trials=4)
    names = [conversation.trial() for _ in range(4)]
    assert conversation.ask() is None  # they run
    losses = dict(zip(names, (0.4, 0.1, 0.3, 0.2), strict=True))
    for name in names:
        assert conversation.tell(name, 1, losses[name]) is Decision.PAUSE
    budget = {name: 1 for name in names}
    promoted: list[tuple[str, int]] = []
    for _ in range(50):
        answer = conversation.ask()
        if answer == Searcher.FINISHED:
            break
        assert answer is None
        for name in conversation.race.promotable():
            conversation.race.promote(name)
            promoted.append((name, budget[name]))
            conversation.searcher.on_trial_result(conversation.names[name], {"report": Report(0, 0.0)})
            while True:
                budget[name] *= 3
                if conversation.tell(name, budget[name], losses[name]) is not Decision.PROMOTE:
                    break
        for name in conversation.race.hopeless():
            conversation.race.stop(name)
    else:
        pytest.fail("the searcher never says that it is finished")
    assert budget[names[1]] == 27
    assert (names[0], 1) not in promoted  # the worst
    assert conversation.race.close_oldest() is None
    assert conversation.ask() == Searcher.FINISHED


def test_when_the_time_is_up_nothing_is_suggested_any_more() -> None:
    is_over = False
    conversation = Conversation(portfolio=portfolio(), is_over=lambda: is_over)
    conversation.trial()
    is_over = True
    assert conversation.ask() == Searcher.FINISHED


def suggestions_of(seed: int, *, seconds: float = 1.0, per_second: bool = True) -> list[tuple[str, Config, int]]:
    """Twenty trials with results that follow from their configurations; networks cost ``seconds`` each."""
    conversation = Conversation(portfolio=portfolio()[:3], seed=seed, n_trials=20)
    conversation.sampler.per_second = per_second
    suggestions = []
    for _ in range(20):
        answer = conversation.ask()
        assert isinstance(answer, dict)
        suggestions.append((answer["trial"], answer["config"], answer["seed"]))
        loss = sum(len(str(value)) for value in answer["config"].values()) / 100
        conversation.seconds = seconds if answer["config"]["model"] in ("mlp", "resnet") else 1.0
        conversation.tell(answer["trial"], 1, loss)
        while due := conversation.race.promotable():
            conversation.race.promote(due[0])
            conversation.tell(due[0], conversation.race.milestone(due[0]), loss)
    return suggestions


def test_the_same_seed_gives_the_same_suggestions() -> None:
    assert suggestions_of(0) == suggestions_of(0)
    other = suggestions_of(1)
    assert [config for _, config, _ in suggestions_of(0)[:3]] == [config for _, config, _ in other[:3]]
    assert [config for _, config, _ in suggestions_of(0)[3:]] != [config for _, config, _ in other[3:]]
    assert [seed for *_, seed in suggestions_of(0)] != [seed for *_, seed in other]


def test_a_run_without_a_time_limit_does_not_depend_on_seconds() -> None:
    assert suggestions_of(0, per_second=False) == suggestions_of(0, seconds=40.0, per_second=False)
    assert suggestions_of(0) != suggestions_of(0, seconds=40.0)


def test_what_an_earlier_run_left_comes_first() -> None:
    """Its unfinished trials at once, a parked one as soon as it is due for promotion, then new ones under new names."""
    race = Race(Budgets())
    left = {name: Suggestion(name, config, "portfolio", 7) for name, config in zip("abcd", portfolio(), strict=False)}
    for name in left:
        race.add(name)
    for name, loss in (("a", 0.3), ("b", 0.1), ("c", 0.2)):
        race.report(name, 1, loss)
    searcher = PortfolioBOHB(
        Ear(),
        race,
        portfolio=portfolio()[4:],
        unfinished=[left["d"]],
        parked={name: left[name] for name in "abc"},
        n_suggested=4,
    )
    answers = [searcher.suggest(f"tune-{i}") for i in range(2)]
    assert answers == [left["d"].to_tune(), left["b"].to_tune()]
    race.promote("b")
    third = searcher.suggest("tune-2")
    assert isinstance(third, dict)
    assert (third["trial"], third["config"]) == ("0004", portfolio()[4])
    for name, loss in (("d", 0.4), ("e", 0.5), ("f", 0.6)):
        if name not in race:
            race.add(name)
        race.report(name, 1, loss)
    assert race.promotable() == ["c"]
    assert searcher.suggest("tune-3") == left["c"].to_tune()


def fold(trial_id: str) -> Suggestion:
    return Suggestion(f"{trial_id}.1", portfolio()[0], "bag", 0, fold=1, train_to=9)


def test_a_fold_that_is_due_goes_before_new_trials_and_its_configuration_is_promoted_no_more() -> None:
    due: list[Suggestion] = []
    conversation = Conversation(portfolio=portfolio()[:3], next_fold=lambda: due[0] if due else None)
    for _ in range(3):
        conversation.ask()
    for name, loss in zip(("0000", "0001", "0002"), (0.1, 0.2, 0.3), strict=True):
        conversation.race.report(name, 1, loss)
    assert conversation.searcher.promotions() == ["0000"]
    due.append(fold("0000"))
    assert conversation.searcher.promotions() == []
    answer = conversation.ask()
    assert isinstance(answer, dict)
    assert (answer["trial"], answer["fold"], answer["train_to"]) == ("0000.1", 1, 9)
    due.clear()
    assert "0000" not in conversation.searcher.promotions()


def test_what_is_too_slow_takes_the_other_members_of_its_model_out_of_the_portfolio() -> None:
    members = portfolio()
    models = [config["model"] for config in members]
    repeated = next(model for model in models if models.count(model) > 1)
    conversation = Conversation(portfolio=members)
    conversation.searcher.leave_out(repeated)
    kept = [config for config in members if config["model"] != repeated]
    answers = [conversation.ask() for _ in kept]
    assert [answer["config"] for answer in answers if isinstance(answer, dict)] == kept
    assert not conversation.searcher.has_portfolio


def test_a_member_of_the_portfolio_is_promoted_before_folds_are_trained() -> None:
    race = Race(Budgets(), openings=[opening(3, Budgets(), first_rung=2)])
    searcher = PortfolioBOHB(Ear(), race, portfolio=portfolio()[:3], next_fold=lambda: fold("0001"))
    for name, loss in zip(("0000", "0001", "0002"), (0.1, 0.2, 0.3), strict=True):
        race.add(name)
        race.report(name, 9, loss)
    assert searcher.promotions() == ["0000"]
    assert searcher.suggest("tune-0") is None
    race.promote("0000")
    answer = searcher.suggest("tune-1")
    assert isinstance(answer, dict)
    assert answer["trial"] == "0001.1"


def test_a_trial_in_the_lead_is_promoted_before_folds_are_trained() -> None:
    race = Race(Budgets(), openings=[opening(1, Budgets(), first_rung=3)])
    searcher = PortfolioBOHB(Ear(), race, next_fold=lambda: fold("0000"))
    for name, loss in zip(("0000", "0001", "0002"), (0.2, 0.1, 0.3), strict=True):
        race.add(name)
        race.report(name, race.milestone(name), loss)
    assert searcher.promotions() == ["0001"]
    race.stop("0001")
    assert searcher.promotions() == []
