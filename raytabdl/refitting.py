"""The trials of an ensemble trained again on all rows: one model in the place of those of the folds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from raytabdl.clock import Clock
from raytabdl.ensemble import Ensemble
from raytabdl.history import History
from raytabdl.inputs import Array, Inputs
from raytabdl.names import refitted_member, trial_of
from raytabdl.persistence import make_folder, read_json, reading
from raytabdl.pipeline import Pipeline, load_model
from raytabdl.quick import with_quick
from raytabdl.run_folder import RunFolder
from raytabdl.space import ROOT, Choices

MARGIN = 1.5
"""How many times what a fold took is counted on: a quarter of it for the rows that the fold left out."""

END_SECONDS = 1.0
"""Kept for the end: copying the models and loading them."""

START_SECONDS = 3.0
"""What a training may take beside itself, such as imports: before that its pace says nothing."""

PREFIX = ".refitted-"
"""Of the folder of new models, until all are trained."""

N_TRIED = 1_000
"""Rows that a new model must have finite predictions for."""


@dataclass(frozen=True)
class Refitted:
    """What became of a trial of the ensemble, which had ``n_models`` models.

    ``member`` is the new one; None where the trial keeps those that it has, for a ``reason``.
    """

    trial: str
    model: str
    weight: float
    n_models: int
    member: str | None
    seconds: float
    reason: str


@dataclass(frozen=True)
class Job:
    """A model that is to be trained again until ``ends_at``, in wall time (seconds since 1970)."""

    trial: str
    pipeline: Pipeline
    ends_at: float


@dataclass(frozen=True)
class Outcome:
    """What came of a job: the files of the new model by name, or the ``reason`` why there is none."""

    trial: str
    budget: int = 0
    files: Mapping[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""


Train = Callable[[Iterator[Job]], Iterator[Outcome]]
"""Takes a job whenever there is somebody to do it."""


def refit(folder: RunFolder, choices: Choices, n_rows: int, clock: Clock, train: Train) -> list[Refitted]:
    """Has each trial of the ensemble trained again on ``n_rows`` rows, and writes the ensemble of the new models.

    Weights, calibration and decision stay as they are. A trial keeps its models where the new one would not end in the
    time that is left, and where its training fails; what is worth most a second comes first. Gives all trials, the
    largest weight first.
    """
    ensemble, history, known = folder.read_ensemble(), folder.history(), with_quick(choices)
    growth = MARGIN * n_rows / read_json(folder.run_json)["n_rows"]
    weights = ensemble.trial_weights()
    expected_s = {trial: growth * seconds_to_best(history, trial) for trial in weights}
    done: dict[str, Refitted] = {}

    def jobs() -> Iterator[Job]:
        for trial in sorted(weights, key=lambda trial: -weights[trial] / max(expected_s[trial], 1e-3)):
            models = _models(folder, [m for m in ensemble.weights if trial_of(m) == trial], known)
            pipeline = middle(models)
            pipeline.temperature = float(np.exp(np.mean([np.log(model.temperature) for model in models])))
            reason, name = why_not(pipeline, expected_s[trial], clock.remaining() - END_SECONDS), pipeline.config[ROOT]
            done[trial] = Refitted(
                trial=trial,
                model=str(name),
                weight=weights[trial],
                n_models=len(models),
                member=None,
                seconds=0.0,
                reason=reason,
            )
            if not reason:
                yield Job(trial, pipeline, clock.wall_time_of(clock.limit_s - END_SECONDS))

    with folder.writing():
        for left in folder.path.glob(f"{PREFIX}*"):  # by a refit that was killed
            shutil.rmtree(left)
        trained = TemporaryDirectory(prefix=PREFIX, dir=folder.path)
    with trained as path:
        for outcome in train(jobs()):
            member = None if outcome.reason else refitted_member(outcome.trial, outcome.budget)
            so_far = done[outcome.trial]
            done[outcome.trial] = replace(so_far, member=member, seconds=outcome.seconds, reason=outcome.reason)
            if member is not None:
                with folder.writing():
                    _write(Path(path) / member, outcome.files)
        if any(each.member for each in done.values()):
            with folder.writing():
                folder.write_refitted(with_refitted(ensemble, done.values()), Path(path))
    return [done[trial] for trial in sorted(weights, key=lambda trial: -weights[trial])]


def repeated(job: Job, inputs: Inputs, y: Array) -> Outcome:
    """Does a job, in whatever process: trains the model again on all of the rows."""
    began, left_s = time.monotonic(), job.ends_at - time.time()
    pipeline = job.pipeline
    try:
        for share in pipeline.train_again(inputs, y):
            spent_s = time.monotonic() - began
            if share < 1 and is_late(share, spent_s, left_s):
                reason = (
                    f"at its pace it would have taken {spent_s / share:.1f} s, and {max(left_s, 0):.1f} s were left"
                )
                return Outcome(job.trial, seconds=spent_s, reason=reason)
        if not np.isfinite(pipeline.predict(inputs.take(np.arange(min(len(inputs), N_TRIED))))).all():
            raise FloatingPointError("its predictions were not finite")
        return Outcome(job.trial, pipeline.budget, _files(pipeline), time.monotonic() - began)
    except Exception as error:  # noqa: BLE001  # a model that fails must not keep the others from being trained again
        return Outcome(job.trial, seconds=time.monotonic() - began, reason=f"{type(error).__name__}: {error}")


def seconds_to_best(history: History, trial: str) -> float:
    """What a trial took to its lowest rung loss on the first fold; 0 where nothing is known of it."""
    results = [result for result in history.results if result.trial_id == trial]
    if not results:
        return 0.0
    best = min(results, key=lambda result: result.rung_loss)
    return sum(result.seconds.total for result in results if result.budget <= best.budget)


def middle(models: Sequence[Pipeline]) -> Pipeline:
    """The model of a fold whose training is repeated: the median by the share of the full budget at its best point.

    The mean may lie far from the end of a cycle, where the learning rate is high and none of them was best. Of an even
    number it is the later one: more rows are learned from for longer.
    """
    return sorted(models, key=lambda model: model.best_share or 0.0)[len(models) // 2]


def why_not(pipeline: Pipeline, expected_s: float, left_s: float) -> str:
    """Why a model is not begun to be trained again; nothing where it is."""
    if pipeline.best_share is None:
        return "it is of an earlier release, which has not told at which epoch it was best"
    if expected_s > left_s:
        return f"it would take about {expected_s:.1f} s, and {max(left_s, 0.0):.1f} s were left"
    return ""


def is_late(share: float, spent_s: float, left_s: float) -> bool:
    """Whether a training that has come to a share of its way in some seconds will not end in those that it had.

    >>> is_late(0.1, 5.0, 60.0), is_late(0.1, 8.0, 60.0), is_late(0.01, 2.0, 60.0)
    (False, True, False)
    """
    return spent_s > (share * left_s if spent_s > START_SECONDS else left_s)


def with_refitted(ensemble: Ensemble, refitted: Iterable[Refitted]) -> Ensemble:
    """The ensemble with a new model in the place of those of each trial that has one."""
    members = {each.trial: each.member for each in refitted}
    weights: dict[str, float] = {}
    for member, weight in ensemble.weights.items():
        name = members[trial_of(member)] or member
        weights[name] = weights.get(name, 0.0) + weight
    return replace(ensemble, weights=weights)


def _models(folder: RunFolder, members: Sequence[str], choices: Choices) -> list[Pipeline]:
    """Copies of their own, which may be trained."""
    models = []
    for member in members:
        with reading(folder.model(member)):
            models.append(load_model(folder.model(member), choices))
    return models


def _files(pipeline: Pipeline) -> dict[str, bytes]:
    """What a model is saved as: a worker need not see the folder of the run."""
    with TemporaryDirectory(prefix="raytabdl-") as path:
        pipeline.save(Path(path))
        files = [file for file in Path(path).rglob("*") if file.is_file()]
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        make_folder((folder / name).parent)
        (folder / name).write_bytes(content)
