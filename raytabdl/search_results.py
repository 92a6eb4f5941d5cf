"""All that a run has measured as one table: what came of which hyperparameters, and at what cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from raytabdl.component import ConfigValue
from raytabdl.failures import last_line
from raytabdl.history import History, Result, Trial
from raytabdl.leaderboard import metric_name
from raytabdl.names import trial_of
from raytabdl.run_folder import RunFolder
from raytabdl.space import ROOT


def search_results(folder: RunFolder) -> pd.DataFrame:
    """A row for each result, in the order in which they came, and behind them one for each trial without any.

    Columns: trial, fold (that it was validated on), model, origin, status (of the trial, by now), failure (its reason,
    or ""), budget, rung_loss, loss (of the user's metric), the metrics of the task, seconds (spent since
    the result before), time (seconds from the start of the fit), n_parameters; then each hyperparameter under its
    name, missing where it is not active. Also of a run that is going on. The name of the metric is in
    ``attrs["metric"]``.
    """
    history = folder.history()
    known = {result.trial_id for result in history.results}
    rows = [
        *((history.trials[result.trial_id], result) for result in history.results),
        *((trial, None) for name, trial in history.trials.items() if name not in known),
    ]
    facts = pd.DataFrame([_facts(history, trial, result) for trial, result in rows])
    if rows:
        facts = facts.astype({"budget": "Int64", "n_parameters": "Int64"})
    names = dict.fromkeys(name for trial, _ in rows for name in trial.config if name != ROOT)
    hyperparameters = {name: _column([trial.config.get(name) for trial, _ in rows]) for name in names}
    table = pd.concat([facts, pd.DataFrame(hyperparameters, index=facts.index)], axis=1)
    table.attrs["metric"] = metric_name(folder)
    return table


def _facts(history: History, trial: Trial, result: Result | None) -> dict[str, Any]:
    """A row without its hyperparameters."""
    return {
        "trial": trial_of(trial.id),
        "fold": trial.fold,
        "model": trial.config[ROOT],
        "origin": trial.origin,
        "status": history.statuses[trial.id].value,
        "failure": last_line(history.failures.get(trial.id, "")),
        "budget": result.budget if result else None,
        "rung_loss": result.rung_loss if result else math.nan,
        "loss": result.loss if result else math.nan,
        **(result.scores if result else {}),
        "seconds": result.seconds.total if result else math.nan,
        "time": result.time if result else math.nan,
        "n_parameters": result.n_parameters if result else None,
    }


def _column(values: Sequence[ConfigValue | None]) -> pd.Series:
    """A hyperparameter of all rows; integers, and what is true or false, stay so where other rows have none."""
    kinds = {type(value) for value in values if value is not None}
    return pd.Series(values, dtype="Int64" if kinds == {int} else "boolean" if kinds == {bool} else None)
