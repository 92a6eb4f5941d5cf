from __future__ import annotations

import math
from typing import Any

import pytest

from raytabdl.history import Change, History, Result, Seconds, Status, Trial
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.resume import rebuild, remaining
from raytabdl.search.brackets import Budgets, Race
from raytabdl.search.samplers import BOHB, Observation
from raytabdl.space import configuration_space

pytestmark = pytest.mark.ray


class Ear(BOHB):
    """A sampler that remembers what it was told."""

    def __init__(self, search_run: Any) -> None:
        super().__init__(configuration_space(search_run.choices, 0), 0)
        self.heard: list[Observation] = []

    def observe(self, observation: Observation) -> None:
        self.heard.append(observation)
        super().observe(observation)


def test_the_race_that_is_rebuilt_stands_where_the_live_one_stood(search_run: Any) -> None:
    live = search_run.search.standing.race
    rebuilt = rebuild(search_run.folder, Race(Budgets()), Ear(search_run)).race
    assert live.promotable() == rebuilt.promotable() == []
    assert rebuilt.rung_occupancy() == live.rung_occupancy()
    for trial in (f"{i:04d}" for i in range(16)):
        assert rebuilt.bracket_of(trial) == live.bracket_of(trial)
        assert rebuilt.milestone(trial) == live.milestone(trial)


def test_the_sampler_learns_again_what_it_had_learned(search_run: Any) -> None:
    sampler = Ear(search_run)
    rebuild(search_run.folder, Race(Budgets()), sampler)

    def known(observations: list[Observation]) -> list[tuple[Any, ...]]:
        return [(sorted(o.config.items()), o.budget, o.loss) for o in observations]

    assert known(sampler.heard) == known(search_run.sampler.heard)
    assert [o.seconds for o in sampler.heard] == pytest.approx([o.seconds for o in search_run.sampler.heard])
    assert sum(math.isinf(o.loss) for o in sampler.heard) >= 2  # the failures too
    assert max(o.budget for o in sampler.heard) == 27


def test_what_was_too_slow_and_what_has_a_bag_are_so_after_a_restart(search_run: Any, tmp_path: Any) -> None:
    folder = RunFolder(tmp_path)
    history = History(folder.trials)
    configs = dict(zip(("0000", "0001", "0002"), search_run.portfolio, strict=False))
    for name, config in configs.items():
        history.append(Trial(name, config, "portfolio", 0, 0))
    history.append(Change("0000", Status.STOPPED, 1.0, "too slow: 90 s to budget 9"))
    for name, loss in (("0001", 0.1), ("0002", 0.2)):
        history.append(Result(name, 1, loss, loss, {}, Seconds(1.0), 1.0, f"{name}@1"))
        history.append(Change(name, Status.PAUSED, 1.0))
    history.append(Trial("0001.1", configs["0001"], "bag", 0, 0, 1))
    standing = rebuild(folder, Race(Budgets()), Ear(search_run))
    assert standing.too_slow == {configs["0000"]["model"]}
    while standing.race.close_oldest() is not None and not standing.race.promotable():
        pass
    assert "0001" not in standing.race.promotable()


def test_what_was_suggested_is_not_suggested_again(search_run: Any) -> None:
    sampler = Ear(search_run)
    standing = rebuild(search_run.folder, Race(Budgets()), sampler)
    assert len(standing.suggested) == 16
    assert remaining(search_run.portfolio, standing) == []
    assert not {frozenset(sampler.suggest().items()) for _ in range(20)} & {
        frozenset(config.items()) for config in standing.suggested
    }
    assert standing.unfinished == []
    assert standing.parked == {}


def test_a_search_that_was_cut_has_its_running_trials_unfinished_and_its_paused_ones_parked(
    search_run: Any, tmp_path: Any
) -> None:
    """Every beginning of the records is one that a killed driver may leave, also within a line."""
    text = search_run.folder.trials.read_text().splitlines(keepends=True)
    folder = RunFolder(tmp_path)
    for n_lines in range(len(text)):
        folder.trials.write_text("".join(text[:n_lines]) + text[n_lines][: len(text[n_lines]) // 2])
        standing = rebuild(folder, Race(Budgets()), Ear(search_run))
        last: dict[str, str] = {}
        for record in search_run.records[:n_lines]:
            if record["record"] == "trial":
                last[record["id"]] = "running"
            elif record["record"] == "result":
                last[record["trial_id"]] = "paused"  # until a change says what else it does after its rung
            elif record["record"] == "change":
                last[record["trial_id"]] = record["status"]
        assert {s.trial_id for s in standing.unfinished} == {t for t, s in last.items() if s == "running"}
        assert set(standing.parked) == {t for t, s in last.items() if s == "paused"}
        assert set(standing.race.promotable()) <= set(standing.parked)


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.MEMOUT, Status.FAILED])
def test_a_trial_that_lost_its_worker_is_unfinished_until_it_has_failed(
    search_run: Any, tmp_path: Any, status: Status
) -> None:
    """It began anew where it had trained: that is no promotion."""
    history = History(tmp_path / "trials.jsonl")
    history.append(Trial("0000", search_run.portfolio[0], "portfolio", 0, 1))
    history.append(Change("0000", Status.RUNNING, 1.0, "memout: the worker took 3.00 GB, trial_memory is 2 GB"))
    standing = rebuild(RunFolder(tmp_path), Race(Budgets()), Ear(search_run))
    assert [left.trial_id for left in standing.unfinished] == ["0000"]
    assert standing.race.milestone("0000") == 1
    history.append(Change("0000", status, 2.0, "again"))
    sampler = Ear(search_run)
    standing = rebuild(RunFolder(tmp_path), Race(Budgets()), sampler)
    assert standing.unfinished == []
    assert standing.race.rung_occupancy()[1].failed == 1
    assert [o.loss for o in sampler.heard] == [math.inf]
