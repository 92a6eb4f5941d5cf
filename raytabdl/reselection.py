"""Another ensemble of the models that a run has trained: for another metric, or of another size."""

from __future__ import annotations

import math
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

from raytabdl.ensemble import fold_of
from raytabdl.exceptions import RunFolderError
from raytabdl.history import History, Result, read_records
from raytabdl.inputs import Target
from raytabdl.metrics import CLASSIFICATION, REGRESSION, Metric
from raytabdl.persistence import read_json, whole_folder, write_json
from raytabdl.run_folder import KEPT, RunFolder
from raytabdl.task import Task


def reselect(folder: RunFolder, destination: Path, target: Target, metric: Metric, size: int) -> None:
    """Writes a saved model whose ensemble is the best of the run by a metric, with at most ``size`` picks.

    Nothing is trained. What the model tells of its trials is measured by the metric too. Warns where a long run has
    deleted models, which cannot be members any more.
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
    ensemble = folder.builder(metric, size).ensemble()
    if ensemble is None:
        raise RunFolderError(f"{folder.path} has no model yet to select from")
    record = read_json(folder.run_json)
    settings = {**record["settings"], "metric": metric.name, "ensemble_size": size}
    with whole_folder(destination) as path:
        model = RunFolder(path)
        for name in set(KEPT) - {"run.json", "trials.jsonl", "ensemble.json"}:
            shutil.copyfile(folder.path / name, path / name)
        write_json(model.run_json, {**record, "settings": settings})
        history = History(model.trials)
        task = folder.read_task(target)
        for each in read_records(folder.trials):
            history.append(_measured(each, folder, task, metric) if isinstance(each, Result) else each)
        model.write_ensemble(ensemble, metric)
        model.take_members(folder)


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
