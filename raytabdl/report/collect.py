"""The facts of a run, read from its folder."""

from __future__ import annotations

import math
import warnings
from collections import Counter

import numpy as np
import pandas as pd

from raytabdl.analysis.run_importance import importance_table, run_study
from raytabdl.exceptions import RaytabdlError, RunFolderError
from raytabdl.history import QUICK, History
from raytabdl.leaderboard import latest_ensemble, leaderboard, refitted_trials
from raytabdl.lines import read_lines
from raytabdl.metrics import CLASSIFICATION, REGRESSION, Metric
from raytabdl.metrics import metric as find_metric
from raytabdl.persistence import read_json
from raytabdl.predictor import Predictor
from raytabdl.report.facts import (
    Anytime,
    ColumnFacts,
    Data,
    Entry,
    HyperparameterFacts,
    Hyperparameters,
    LearningCurve,
    Outcome,
    Phase,
    Report,
)
from raytabdl.report.reproduce import preset_of, reproduction
from raytabdl.report.validation import features, validation
from raytabdl.run_folder import RunFolder, read_labels
from raytabdl.runtime.run_json import read_settings, spent_seconds
from raytabdl.schema import MISSING, Kind
from raytabdl.task import Task

N_CURVES = 6
"""Learning curves that are kept: of the best trials."""

QUANTILES = {"least": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "largest": 1.0}
"""Of a numeric target."""


def collect(folder: RunFolder, predictor: Predictor | None, metric: Metric | None = None) -> Report:
    """The report of a run, also of one that has not ended.

    ``predictor`` is the ensemble that it has selected, where it has one and the classes of its members are known;
    without it no importance of features is measured. ``metric`` is given where it is an object of the user's own.
    Raises RunFolderError where the folder holds no run, or a saved model, which lacks what a report tells.
    """
    settings = read_settings(folder)
    if folder.is_saved_model:
        raise RunFolderError(f"{folder.path} is a saved model, which does not tell of its run; give the run's folder")
    record = read_json(folder.run_json)
    classes, target = read_labels(folder.path / "labels.json")
    task, history, ensemble = folder.read_task(target), folder.history(), latest_ensemble(folder)
    shown = shown_metric(folder, metric)
    left_out: dict[str, str] = {}
    labels = None if classes is None else tuple(map(str, classes))
    validated = validation(folder, ensemble, task, labels, left_out)
    return Report(
        outcome=outcome(folder, metric),
        data=_data(task, labels, record["target"]),
        leaderboard=_entries(folder, shown),
        anytime=_anytime(folder, history, shown),
        learning_curves=_learning_curves(folder, history),
        validation=validated,
        features=features(
            predictor, task, metric or _KNOWN.get(shown.name) or find_metric(None, target.task_type), left_out
        ),
        hyperparameters=_hyperparameters(folder, left_out),
        phases=tuple(Phase(line["phase"], line["began"], line["ended"]) for line in read_lines(folder.phases)),
        settings=dict(record["settings"]),
        versions={"raytabdl": record["raytabdl"], "Python": record["python"], **record.get("packages", {})},
        models=tuple(record["choices"].values()),
        reproduction=reproduction(
            settings,
            target,
            record["target"],
            record["choices"],
            record["preset"] if "preset" in record else preset_of(record["choices"]),
            record["raytabdl"],
            record.get("further", ()),
        ),
        left_out=left_out,
    )


def outcome(folder: RunFolder, metric: Metric | None = None) -> Outcome:
    """What came out of a run so far."""
    shown = shown_metric(folder, metric)
    _, target = read_labels(folder.path / "labels.json")
    history, ensemble = folder.history(), latest_ensemble(folder)
    best, weights = history.incumbent(), ensemble.trial_weights()
    phases = [float(line["ended"]) for line in read_lines(folder.phases)]
    searched = history.searched()
    return Outcome(
        run=folder.path.name,
        started=read_json(folder.run_json)["started"],
        state="complete" if folder.is_complete else "interrupted" if folder.is_finished else "unfinished",
        task_type=target.task_type.value,
        metric=shown.name,
        greater_is_better=shown.greater_is_better,
        ensemble=shown.value_of(ensemble.loss) if ensemble.weights else None,
        best_single=None if best is None else shown.value_of(best.loss),
        best_model=None if best is None else _named(best.trial_id, history),
        members={_named(trial, history): weights[trial] for trial in sorted(weights, key=weights.__getitem__)[::-1]},
        refitted=tuple(refitted_trials(folder)),
        seconds=max([*phases, spent_seconds(folder)]),
        n_quick=sum(trial.origin == QUICK for trial in history.trials.values()),
        trials=dict(Counter(history.statuses[name].value for name in searched).most_common()),
        endings=history.outcomes(),
        failures=history.reasons(),
    )


def _named(trial: str, history: History) -> str:
    return f"{trial} ({history.trials[trial].config['model']})"


def shown_metric(folder: RunFolder, metric: Metric | None = None) -> Metric:
    """The metric of a run; of a user's own that is not given only the losses are known, and shown as such."""
    name = read_settings(folder).metric
    if metric is not None:
        return metric
    if name is None:
        _, target = read_labels(folder.path / "labels.json")
        return find_metric(None, target.task_type)
    return _KNOWN.get(name) or Metric(f"{name} (loss)", lambda y, predictions: math.nan, greater_is_better=False)


_KNOWN: dict[str, Metric] = {**CLASSIFICATION, **REGRESSION}


def _data(task: Task, labels: tuple[str, ...] | None, target: str | None) -> Data:
    missing = _missing_shares(task)
    columns = tuple(
        ColumnFacts(
            column.name,
            column.kind.value,
            len(column.levels) - (MISSING in column.levels) if column.levels else None,
            missing[column.label],
        )
        for column in task.schema.columns
        if not column.part
    )
    classes: dict[str, int] = {}
    quantiles: dict[str, float] = {}
    if labels is None:
        quantiles = {name: float(np.quantile(task.y, share)) for name, share in QUANTILES.items()}
    else:
        counts = np.bincount(task.y.astype(np.int64), minlength=len(labels))
        classes = {labels[code]: int(counts[code]) for code in np.argsort(-counts, kind="stable")}
    n_validation = len(task.split(0)[1])
    return Data(
        n_rows=len(task.y),
        n_folds=task.n_folds,
        n_validation_rows=n_validation,
        target=target,
        columns=columns,
        dropped=dict(task.schema.dropped),
        classes=classes,
        quantiles=quantiles,
    )


def _missing_shares(task: Task) -> dict[str, float]:
    """By column: of numbers what is not one, of categories those with the level of missing ones."""
    numeric, categorical = iter(task.inputs.numeric.T), iter(task.inputs.categorical.T)
    shares = {}
    for column in task.schema.columns:
        if column.kind is not Kind.CATEGORY:
            shares[column.label] = float(np.isnan(next(numeric)).mean())
        elif MISSING in column.levels:
            shares[column.label] = float((next(categorical) == 1 + column.levels.index(MISSING)).mean())
        else:
            next(categorical)
            shares[column.label] = 0.0
    return shares


def _entries(folder: RunFolder, shown: Metric) -> tuple[Entry, ...]:
    table = leaderboard(folder)
    names = ("trial", "model", "origin", "budget", "weight", "folds", "seconds", "status")
    others = {*names, "loss", "n_parameters", "refitted"}
    return tuple(
        Entry(
            **{name: row[name] for name in names},
            value=shown.value_of(row["loss"]),
            scores={str(name): float(value) for name, value in row.items() if name not in others},
            n_parameters=None if pd.isna(row["n_parameters"]) else int(row["n_parameters"]),
        )
        for row in table.to_dict("records")
    )


def _anytime(folder: RunFolder, history: History, shown: Metric) -> Anytime:
    ensembles = [(seconds, ensemble.loss) for seconds, ensemble in folder.read_trajectory()]
    steps = (history.trajectory(), ensembles)
    return Anytime(*(tuple((seconds, shown.value_of(loss)) for seconds, loss in own) for own in steps))


def _learning_curves(folder: RunFolder, history: History) -> tuple[LearningCurve, ...]:
    """Of the best trials by what they were promoted on; the last loss within each unit of budget."""
    best: dict[str, float] = {}
    for result in history.on_first_fold():
        if history.trials[result.trial_id].config["model"] == "dummy":
            continue  # it learns nothing, and lies far above what the others learn
        best[result.trial_id] = min(result.rung_loss, best.get(result.trial_id, math.inf))
    chosen = sorted((name for name in best if math.isfinite(best[name])), key=best.__getitem__)[:N_CURVES]
    points: dict[str, dict[int, float]] = {name: {} for name in chosen}
    for line in read_lines(folder.curves):
        if line["trial"] in points and math.isfinite(line["rung_loss"]):
            points[line["trial"]][line["budget"]] = line["rung_loss"]
    return tuple(
        LearningCurve(name, str(history.trials[name].config["model"]), tuple(sorted(own.items())))
        for name, own in points.items()
        if own
    )


def _hyperparameters(folder: RunFolder, left_out: dict[str, str]) -> Hyperparameters | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that failed trials are left out; they are told of elsewhere
            study, budget = run_study(folder)
        table, _ = importance_table(study)
    except RaytabdlError as error:
        left_out["hyperparameters"] = str(error).replace(str(folder.path), "the run")
        return None
    shares = tuple(HyperparameterFacts(name, fanova, lpi) for name, fanova, lpi in table.itertuples(index=False))
    return Hyperparameters(budget, len(study.losses), shares)
