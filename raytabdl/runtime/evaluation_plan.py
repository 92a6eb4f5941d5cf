"""What ``raytabdl portfolio evaluate`` does: which candidate on which data set, who leaves at a rung, what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from raytabdl.calibration import rung_loss
from raytabdl.candidates import SHIPPED
from raytabdl.collection import StudyTask
from raytabdl.component import Horizon
from raytabdl.evaluations import CANDIDATES, Candidate, End, Evaluation, Facts, lines_of, targets_file
from raytabdl.inputs import Target
from raytabdl.persistence import make_folder, write_array
from raytabdl.presets import preset
from raytabdl.runtime.estimate import Estimate
from raytabdl.search.policy import BOOSTER, NETWORK, Plan, plan
from raytabdl.space import ROOT, Choices, named
from raytabdl.study_folder import StudyFolder

FIT_SECONDS, FIT_WORKERS = 300.0, 2
"""The fit for which a portfolio is learned: its horizons are those of the study."""

KEPT = 0.5
"""Of the candidates of a family, which go on beyond a rung on a data set."""

LEAST_COMPARED = 4
"""So many others of its family must have reached a rung before one leaves there."""

RULE_OF_THUMB = 1.7
"""How long trainings to the end took beside the rule by which fits are planned, in a pilot of 160 on four tables."""

COST_OF_LEAVING = 0.25
"""Of a training to the end, what a candidate costs in the mean where half leave at budgets 1, 3 and 9 of 27."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What decides an evaluation beside candidate and data set: the same for all of a folder."""

    preset: str
    max_rows: int | None
    seed: int

    @property
    def choices(self) -> Choices:
        return preset(self.preset)


def horizon_of(study_task: StudyTask) -> tuple[Horizon, Plan]:
    """How long candidates train on a data set: as in a fit of ``FIT_SECONDS``."""
    n_classes = study_task.task.target.n_classes
    planned = plan(len(study_task.task.y), study_task.n_columns, n_classes, FIT_SECONDS, FIT_WORKERS)
    horizon = Horizon(
        max_budget=planned.budgets.max_budget,
        epochs=planned.network_epochs,
        rows_per_epoch=planned.rows_per_epoch,
        iteration_share=planned.iteration_share,
    )
    return horizon, planned


@dataclass
class Rungs:
    """What candidates reached at each rung, by data set and family, and the rule by which they leave."""

    candidates: Mapping[str, Candidate]
    losses: dict[tuple[str, Any, int], dict[str, float]] = field(default_factory=dict)

    def add(self, line: Evaluation) -> None:
        """Takes in a loss; one that a lost worker had reported before counts once."""
        family = self.candidates[line.candidate].config[ROOT]
        self.losses.setdefault((line.data_set, family, line.budget), {})[line.candidate] = line.rung_loss

    def leaves(self, line: Evaluation) -> bool:
        """Whether a candidate that was added is among the worst of its family at the rung.

        Families are not compared: what a booster has after 20 rounds tells nothing beside a network after 4 epochs. The
        shipped portfolio trains to the end: what is learned is measured by it.
        """
        candidate = self.candidates[line.candidate]
        at_rung = self.losses[line.data_set, candidate.config[ROOT], line.budget]
        if candidate.source == SHIPPED or len(at_rung) <= LEAST_COMPARED:
            return False
        n_better = sum(loss < line.rung_loss for loss in at_rung.values())
        return n_better >= KEPT * len(at_rung)


def facts_of(study_task: StudyTask) -> Facts:
    task = study_task.task
    return Facts(
        name=study_task.name,
        content=task.content,
        n_rows=len(task.y),
        n_columns=study_task.n_columns,
        n_classes=task.target.n_classes,
        task_type=task.target.task_type.value,
        baseline=baseline(task.y[task.split(0)[1]], task.target),
    )


def baseline(y: Any, target: Target) -> float:
    """The rung loss of the frequencies of the classes, or of the mean."""
    if not target.task_type.is_classification:
        return rung_loss(y, np.full(len(y), y.mean()), target)[0]
    frequencies = np.bincount(y.astype(np.int64), minlength=target.n_classes) / len(y)
    return rung_loss(y, np.tile(frequencies, (len(y), 1)), target)[0]


def pairs(candidates: Iterable[Candidate], all_facts: Sequence[Facts]) -> list[tuple[Candidate, Facts]]:
    """Candidate by candidate, each on all data sets of its kind."""
    return [(c, own) for c in candidates for own in all_facts if c.kind in ("", own.kind)]


def cell_name(data_set: str, candidate: str) -> str:
    return f"{data_set}/{candidate}"


def estimate(wanted: Sequence[tuple[Candidate, Facts]], tasks: Sequence[StudyTask], choices: Choices) -> Estimate:
    """What the evaluations cost, none of which is done yet."""
    seconds = {}
    by_name = {task.name: task for task in tasks}
    for candidate, own in wanted:
        share = 1.0 if candidate.source == SHIPPED else COST_OF_LEAVING
        seconds[cell_name(own.name, candidate.id)] = share * _seconds(candidate, by_name[own.name], choices)
    return Estimate(seconds)


def _seconds(candidate: Candidate, study_task: StudyTask, choices: Choices) -> float:
    """To the end, by rule of thumb, and no more than a trial may take."""
    task, (horizon, planned) = study_task.task, horizon_of(study_task)
    n_rows, model = len(task.split(0)[0]), candidate.config[ROOT]
    if model in {network.name for network in choices.networks}:
        cls = named(choices.networks, model)
        rows, width = min(n_rows, horizon.rows_per_epoch), study_task.n_columns + task.target.n_classes
        seconds = cls.relative_cost * NETWORK.seconds(rows, width, horizon.epochs_of(cls))
    else:
        n_outputs = task.target.n_classes if task.target.n_classes > 2 else 1
        n_iterations = horizon.iterations(named(choices.classic, model), horizon.max_budget)
        seconds = BOOSTER.seconds(n_rows * n_outputs, study_task.n_columns, n_iterations)
    return min(RULE_OF_THUMB * seconds, planned.full_trial_seconds)


@dataclass(frozen=True)
class EvaluationStudy:
    """All that is evaluated, and what the folder has of it."""

    settings: EvaluationSettings
    folder: StudyFolder
    tasks: Sequence[StudyTask]
    candidates: Sequence[Candidate]
    wanted: Sequence[tuple[Candidate, Facts]]
    found: Estimate
    rungs: Rungs

    @classmethod
    def of(
        cls,
        settings: EvaluationSettings,
        folder: StudyFolder,
        tasks: Sequence[StudyTask],
        candidates: Sequence[Candidate],
    ) -> EvaluationStudy:
        """Reads what the folder has: what is finished is not done again, and all of it sets the bar at the rungs."""
        wanted = pairs(candidates, [facts_of(task) for task in tasks])
        found = estimate(wanted, tasks, settings.choices)
        rungs = Rungs({candidate.id: candidate for candidate in candidates})
        for line in lines_of(folder.path):
            if line.candidate in rungs.candidates and line.budget > 0:
                rungs.add(line)
            if line.end and (name := cell_name(line.data_set, line.candidate)) in found.expected_s:
                found.finished(name, line.seconds, is_failure=line.end == End.FAILED.value)
        return cls(settings, folder, tasks, candidates, wanted, found, rungs)

    def begin(self) -> None:
        """Notes candidates and data sets in the folder, with the targets that predictions are judged by."""
        folder = self.folder
        known = {record["id"] for record in folder.records(CANDIDATES)}
        for candidate in self.candidates:
            if candidate.id not in known:
                folder.append(CANDIDATES, asdict(candidate))
        for study_task in self.tasks:
            fields, task = asdict(facts_of(study_task)), study_task.task
            folder.add_data_set(fields.pop("name"), fields.pop("content"), fields)
            make_folder(targets_file(folder.path, study_task.name).parent)
            write_array(targets_file(folder.path, study_task.name), task.y[task.split(0)[1]])


def as_settings(settings: EvaluationSettings) -> dict[str, Any]:
    return {"study": "portfolio", **asdict(settings), "fit_seconds": FIT_SECONDS, "fit_workers": FIT_WORKERS}
