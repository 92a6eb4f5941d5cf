"""Rebuilding a search from the records of a run; a new run is the case without records."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from raytabdl.component import Config
from raytabdl.history import QUICK, Change, Result, Status, Trial, read_records
from raytabdl.names import trial_of
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.limits import TOO_SLOW
from raytabdl.runtime.searcher import Suggestion
from raytabdl.search.brackets import Race
from raytabdl.search.samplers import Observation, Sampler
from raytabdl.space import ROOT


@dataclass
class Standing:
    """Where a search stands: the race, and the trials that are to go on.

    ``unfinished`` were training when the run ended, ``parked`` wait at a rung.
    """

    race: Race
    unfinished: list[Suggestion] = field(default_factory=list)
    parked: dict[str, Suggestion] = field(default_factory=dict)
    suggested: list[Config] = field(default_factory=list)
    too_slow: set[str] = field(default_factory=set)
    """The models that are tried no more."""


def rebuild(folder: RunFolder, race: Race, sampler: Sampler) -> Standing:
    """Replays the records of a run: the new race takes the same course, the sampler learns the same results."""
    standing = Standing(race)
    trials: dict[str, Trial] = {}
    statuses: dict[str, Status] = {}
    spent: dict[str, float] = {}
    for record in read_records(folder.trials):
        if isinstance(record, Trial):
            if record.fold > 0 and trial_of(record.id) in race:
                race.withdraw(trial_of(record.id))  # whose configuration is trained on all folds is promoted no more
            if record.origin == QUICK or record.fold > 0:
                continue
            trials[record.id] = record
            statuses[record.id] = Status.RUNNING
            race.add(record.id, record.bracket)
            sampler.claim(record.config)
            standing.suggested.append(record.config)
        elif record.trial_id not in trials:
            continue
        elif isinstance(record, Result):
            trial, milestone = trials[record.trial_id], race.milestone(record.trial_id)
            spent[trial.id] = spent.get(trial.id, 0.0) + record.seconds.total
            is_judged = record.budget >= milestone
            reached = milestone if is_judged else race.budgets.rung_below(record.budget)
            sampler.observe(Observation(trial.config, reached, record.rung_loss, record.seconds.total))
            if is_judged:
                race.report(trial.id, record.budget, record.rung_loss)
                # It waits unless a change says otherwise, which a killed driver may not have written any more.
                statuses[trial.id] = Status.PAUSED
        else:
            # One that trains and is said to be running began anew at its last checkpoint.
            if record.status is not Status.RUNNING or statuses[record.trial_id] is not Status.RUNNING:
                _replay_change(record, trials[record.trial_id], race, sampler)
            if record.status is Status.STOPPED and record.reason.startswith(TOO_SLOW):
                standing.too_slow.add(str(trials[record.trial_id].config[ROOT]))
            statuses[record.trial_id] = record.status
    waiting = {name for name, status in statuses.items() if status is Status.PAUSED}
    for name, status in statuses.items():
        trial = trials[name]
        suggestion = Suggestion(name, trial.config, trial.origin, trial.seed, spent_s=spent.get(name, 0.0))
        if name in waiting:
            standing.parked[name] = suggestion
        elif status is Status.RUNNING:
            standing.unfinished.append(suggestion)
    return standing


def _replay_change(record: Change, trial: Trial, race: Race, sampler: Sampler) -> None:
    if record.status is Status.RUNNING:
        race.promote(trial.id)
    elif record.status.is_failure:
        race.fail(trial.id)
        sampler.observe(Observation(trial.config, race.milestone(trial.id), math.inf, 0.0))
    elif record.status in (Status.STOPPED, Status.COMPLETED):
        race.stop(trial.id)


def remaining(portfolio: list[Config], standing: Standing) -> list[Config]:
    """The members of a portfolio that were not suggested yet, in order."""
    seen = {frozenset(config.items()) for config in standing.suggested}
    return [config for config in portfolio if frozenset(config.items()) not in seen]
