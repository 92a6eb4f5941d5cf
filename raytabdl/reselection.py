"""Another ensemble of the models that a run has trained: for another metric, of another size, or a faster one."""

from __future__ import annotations

import math
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

from raytabdl.ensemble import Ensemble, EnsembleBuilder, InferLimit
from raytabdl.exceptions import RunFolderError, SettingError
from raytabdl.history import History, Result, read_records
from raytabdl.inputs import Target
from raytabdl.latency import Latency
from raytabdl.metrics import CLASSIFICATION, REGRESSION, Metric
from raytabdl.names import fold_of, trial_of
from raytabdl.persistence import read_json, whole_folder, write_json
from raytabdl.run_folder import KEPT, RunFolder
from raytabdl.space import ROOT
from raytabdl.task import Task

N_SELECTIONS = 3
"""Until an ensemble predicts in time."""


def reselect(
    folder: RunFolder,
    destination: Path,
    target: Target,
    metric: Metric,
    size: int,
    latency: Latency,
    limit_s: float | None = None,
) -> float:
    """Writes a saved model whose ensemble is the best of the run by a metric, with at most ``size`` picks.

    Nothing is trained. What the model tells of its trials is measured by the metric too. Returns the seconds that it
    takes to predict the rows that latencies are of, at most ``limit_s`` if there is a limit; SettingError is raised
    where no model is as fast. Warns where a long run has deleted models, which cannot be members any more.
    """
    published = {result.member for result in folder.history().results if result.member is not None}
    kept = {member for member in published if folder.holds(member)}
    if kept != published:
        warnings.warn(
            f"{folder.path} has kept {len(kept)} of its {len(published)} models, the best by its own metric and by the "
            "usual loss: the ensemble is selected among these",
            UserWarning,
            stacklevel=3,
        )
    builder = folder.builder(metric, size)
    ensemble = builder.ensemble()
    if ensemble is None:
        raise RunFolderError(f"{folder.path} has no model yet to select from")
    seconds = latency.of_ensemble(ensemble)
    if limit_s is not None and seconds > limit_s:
        ensemble, seconds = _in_time(builder, latency, limit_s, folder)
    record = read_json(folder.run_json)
    settings = {**record["settings"], "metric": metric.name, "ensemble_size": size}
    with whole_folder(destination) as path:
        model = RunFolder(path)
        for name in set(KEPT) - {"run.json", "trials.jsonl", "ensemble.json"}:
            shutil.copyfile(folder.path / name, path / name)
        write_json(model.run_json, {**record, "settings": settings})
        history = History(model.trials)
        task, is_own = folder.read_task(target), metric.name == record["settings"]["metric"]
        for each in read_records(folder.trials):
            history.append(_measured(each, folder, task, metric) if isinstance(each, Result) and not is_own else each)
        model.write_ensemble(ensemble, metric)
        model.take_members(folder)
    return seconds


def _in_time(builder: EnsembleBuilder, latency: Latency, limit_s: float, folder: RunFolder) -> tuple[Ensemble, float]:
    """The best ensemble that predicts within the limit, and the seconds that it takes.

    Members in turn take longer than each by itself, whose code and weights stay in the caches: what takes too long all
    in all is selected anew with so much less time.
    """
    encoding_s, ensemble = latency.of_encoding(), None
    left_s = limit_s - encoding_s
    if left_s <= 0:
        raise SettingError(
            f"infer_limit_s must be more than it takes to encode the table, got {limit_s:g}: {encoding_s:.2g} s for "
            f"{_rows(latency)}; give more seconds, or fit fewer columns"
        )
    for _ in range(N_SELECTIONS):
        found = replace(builder, limit=InferLimit(left_s, latency)).ensemble()
        if found is None:
            break
        ensemble, seconds = found, latency.of_ensemble(found)
        if seconds <= limit_s:
            return ensemble, seconds
        one_by_one_s = sum(latency[member] for member in ensemble.weights)
        left_s = one_by_one_s * (limit_s - encoding_s) / (seconds - encoding_s)
    if ensemble is None:
        raise SettingError(_too_short(latency, limit_s, encoding_s, folder.history()))
    warnings.warn(
        f"the model takes {seconds:.2g} s to predict {_rows(latency)}, more than infer_limit_s={limit_s:g}, though its "
        "members took less one by one: select again when the machine has nothing else to do, or give a lower limit",
        stacklevel=4,
    )
    return ensemble, seconds


def _too_short(latency: Latency, limit_s: float, encoding_s: float, history: History) -> str:
    """Why no model predicts within the limit, once all of them were measured."""
    fastest = min(latency, key=lambda member: latency[member])
    trial, seconds = history.trials[trial_of(fastest)], encoding_s + latency[fastest]
    return (
        f"infer_limit_s must be more than the fastest model takes, got {limit_s:g}: {trial.config[ROOT]} (trial "
        f"{trial.id}) predicts {_rows(latency)} in {seconds:.2g} s, {encoding_s:.2g} s of them to encode the table; "
        "give more seconds, or fit faster models or fewer columns"
    )


def _rows(latency: Latency) -> str:
    return "1 row" if latency.n_rows == 1 else f"{latency.n_rows:,} rows"


def _measured(result: Result, folder: RunFolder, task: Task, metric: Metric) -> Result:
    """A result with the loss of another metric.

    Where its predictions were deleted it is that of the value that was logged; infinite where there is none.
    """
    if result.member is None:
        return result
    predictions = folder.find_predictions(result.member)
    if predictions is not None:
        truth = task.truth(fold_of(result.member))
        return replace(result, loss=metric.loss(truth.y, predictions, truth.weights))
    is_logged = metric in (*CLASSIFICATION.values(), *REGRESSION.values())
    value = result.scores.get(metric.name, math.nan) if is_logged else math.nan
    return replace(result, loss=math.inf if math.isnan(value) else metric.loss_of(value))
