"""The table of what a run tried."""

from __future__ import annotations

import math

import pandas as pd

from raytabdl.ensemble import Ensemble
from raytabdl.metrics import metric, usual
from raytabdl.names import fold_of, is_refitted, trial_of
from raytabdl.persistence import read_json
from raytabdl.run_folder import RunFolder, read_labels


def leaderboard(folder: RunFolder) -> pd.DataFrame:
    """A row for each trial that has a result, best first; also of a run that is going on or was interrupted.

    Columns: trial, model, origin, budget, loss (of the user's metric on the validation rows of the first fold), the
    usual metrics, weight (in the ensemble), folds (that it was trained on), seconds (trained and evaluated in all),
    n_parameters (of a network; a classic model has none), status, and once there are such, refitted (trained again on
    all rows). The name of the metric is in ``attrs["metric"]``.
    """
    history = folder.history()
    weights = latest_ensemble(folder).trial_weights()
    _, target = read_labels(folder.path / "labels.json")
    shown = [each.name for each in usual(target.task_type)]
    spent: dict[str, float] = {}
    folds: dict[str, set[int]] = {}
    best: dict[str, int] = {}
    for index, result in enumerate(history.results):
        name = trial_of(result.trial_id)
        spent[name] = spent.get(name, 0.0) + result.seconds.total
        folds.setdefault(name, set()).add(fold_of(result.trial_id))
        if fold_of(result.trial_id) > 0:
            continue
        if result.trial_id not in best or result.loss < history.results[best[result.trial_id]].loss:
            best[result.trial_id] = index
    rows = []
    for name, index in best.items():
        result, trial = history.results[index], history.trials[name]
        rows.append(
            {
                "trial": name,
                "model": trial.config["model"],
                "origin": trial.origin,
                "budget": result.budget,
                "loss": result.loss,
                **{name: result.scores[name] for name in shown if name in result.scores},
                "weight": weights.get(name, 0.0),
                "folds": len(folds[name]),
                "seconds": spent[name],
                "n_parameters": result.n_parameters,
                "status": history.statuses[name].value,
            }
        )
    table = pd.DataFrame(rows)
    if rows:
        table["n_parameters"] = table["n_parameters"].astype("Int64")
        if refitted := refitted_trials(folder):
            table["refitted"] = table["trial"].isin(refitted)
    table.attrs["metric"] = metric_name(folder)
    return table.sort_values("loss", ignore_index=True) if len(table) else table


def refitted_trials(folder: RunFolder) -> list[str]:
    """The trials that predict by a model of all rows, in the order of the ensemble."""
    if not folder.answering.is_finished:
        return []
    return [trial_of(member) for member in folder.answering.read_ensemble().weights if is_refitted(member)]


def latest_ensemble(folder: RunFolder) -> Ensemble:
    """The ensemble of the run, or the latest one where it has not ended."""
    if folder.ensemble.exists():
        return folder.read_ensemble()
    trajectory = folder.read_trajectory()
    return trajectory[-1][1] if trajectory else Ensemble({}, math.inf)


def metric_name(folder: RunFolder) -> str:
    """The name of the metric that a run optimises."""
    name: str | None = read_json(folder.run_json)["settings"]["metric"]
    _, target = read_labels(folder.path / "labels.json")
    return name or metric(None, target.task_type).name
