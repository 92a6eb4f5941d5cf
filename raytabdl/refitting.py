"""The trials of an ensemble trained again on all rows: one model in the place of those of the folds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from raytabdl.clock import Clock
from raytabdl.ensemble import Ensemble, refitted_member, trial_of
from raytabdl.history import History
from raytabdl.inputs import Array, Inputs
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
    reason: str = ""


def refit(
    folder: RunFolder, choices: Choices, inputs: Inputs, y: Array, clock: Clock, n_threads: int
) -> list[Refitted]:
    """Trains each trial of the ensemble again on all of the rows, and writes the ensemble of the new models.

    Weights, calibration and decision stay as they are. A trial keeps its models where the new one would not end in the
    time that is left, and where its training fails; what is worth most a second comes first. Gives all trials, the
    largest weight first.
    """
    ensemble, history, known = folder.read_ensemble(), folder.history(), with_quick(choices)
    growth = MARGIN * len(y) / read_json(folder.run_json)["n_rows"]
    weights = ensemble.trial_weights()
    expected_s = {trial: growth * seconds_to_best(history, trial) for trial in weights}
    done: dict[str, Refitted] = {}
    with folder.writing():
        trained = TemporaryDirectory(prefix=".refitted-", dir=folder.path)
    with trained as path:
        for trial in sorted(weights, key=lambda trial: -weights[trial] / max(expected_s[trial], 1e-3)):
            began, left_s = time.monotonic(), clock.remaining() - END_SECONDS
            models = _models(folder, [m for m in ensemble.weights if trial_of(m) == trial], known)
            pipeline = middle(models)
            pipeline.temperature = float(np.exp(np.mean([np.log(model.temperature) for model in models])))
            reason = why_not(pipeline, expected_s[trial], left_s) or _trained(pipeline, inputs, y, left_s, n_threads)
            member = None if reason else refitted_member(trial, pipeline.budget)
            if member is not None:
                with folder.writing():
                    pipeline.save(make_folder(Path(path) / member))
            seconds, model = time.monotonic() - began, str(pipeline.config[ROOT])
            done[trial] = Refitted(trial, model, weights[trial], len(models), member, seconds, reason)
        if any(each.member for each in done.values()):
            with folder.writing():
                folder.write_refitted(with_refitted(ensemble, done.values()), Path(path))
    return [done[trial] for trial in sorted(weights, key=lambda trial: -weights[trial])]


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


def _trained(pipeline: Pipeline, inputs: Inputs, y: Array, left_s: float, n_threads: int) -> str:
    """Trains a model again; gives why it did not come to its end, or nothing where it did."""
    began = time.monotonic()
    try:
        for share in pipeline.train_again(inputs, y, n_threads):
            spent_s = time.monotonic() - began
            if share < 1 and is_late(share, spent_s, left_s):
                return f"at its pace it would have taken {spent_s / share:.1f} s, and {left_s:.1f} s were left"
        predictions = pipeline.predict(inputs.take(np.arange(min(len(inputs), N_TRIED))))
    except Exception as error:  # noqa: BLE001  # a model that fails must not keep the others from being trained again
        return f"{type(error).__name__}: {error}"
    return "" if np.isfinite(predictions).all() else "its predictions were not finite"
