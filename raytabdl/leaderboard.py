"""The table of what a run tried."""

from __future__ import annotations

import pandas as pd

from raytabdl.ensemble import trial_of
from raytabdl.persistence import read_json
from raytabdl.run_folder import RunFolder


def leaderboard(folder: RunFolder) -> pd.DataFrame:
    """A row for each trial that has a model, best first.

    Columns: trial, model, origin, budget, loss (of the user's metric on the validation rows), the logged
    metrics, weight (in the ensemble), seconds (trained and evaluated in all), status.
    """
    history = folder.history()
    weights = {trial_of(member): weight for member, weight in folder.read_ensemble().weights.items()}
    spent: dict[str, float] = {}
    best: dict[str, int] = {}
    for index, result in enumerate(history.results):
        spent[result.trial_id] = spent.get(result.trial_id, 0.0) + result.seconds.total
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
                **result.scores,
                "weight": weights.get(name, 0.0),
                "seconds": spent[name],
                "status": history.statuses[name].value,
            }
        )
    metric = read_json(folder.ensemble)["metric"]
    table = pd.DataFrame(rows)
    table.attrs["metric"] = metric
    return table.sort_values("loss", ignore_index=True) if len(table) else table
