"""Whether what the model of the search suggested was better than what was drawn at random."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from raytabdl.exceptions import DataError
from raytabdl.plots.canvas import COLOURS, new_axes
from raytabdl.run_folder import RunFolder
from raytabdl.search.brackets import Budgets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORIGINS = ("portfolio", "model", "random")


def model_against_random_data(run: RunFolder) -> pd.DataFrame:
    """A row for each result at a rung, on the first fold, that did not fail.

    Columns: origin, budget, and loss: the one that trials are promoted on.
    Raises DataError where neither the model nor chance has suggested anything.
    """
    history = run.history()
    rows = [
        (history.trials[result.trial_id].origin, result.budget, result.rung_loss)
        for result in history.on_first_fold()
        if math.isfinite(result.rung_loss) and result.budget in Budgets().rungs
    ]
    data = pd.DataFrame(rows, columns=["origin", "budget", "loss"])
    data = data[data["origin"].isin(ORIGINS)].reset_index(drop=True)
    if not data["origin"].isin(ORIGINS[1:]).any():
        seen = sorted({trial.origin for trial in history.trials.values()})
        raise DataError(f"{run.path} must have results of suggestions by model or random, got the origins {seen}")
    return data


def plot_model_against_random(data: pd.DataFrame) -> Axes:
    """A box for each origin at each budget, with its number of trials; a few that diverge are cut off."""
    budgets = sorted(data["budget"].unique())
    axes = new_axes(1.8 + 1.5 * len(budgets), 4)
    width = 0.8 / len(ORIGINS)
    counts = []
    for number, origin in enumerate(ORIGINS):
        own = {budget: data.loc[(data["origin"] == origin) & (data["budget"] == budget), "loss"] for budget in budgets}
        places = {place + (number - 1) * width: own[budget] for place, budget in enumerate(budgets) if len(own[budget])}
        counts.append(sum(map(len, own.values())))
        if not places:
            continue
        boxes = axes.boxplot(
            [losses.to_numpy() for losses in places.values()],
            positions=list(places),
            widths=0.8 * width,
            patch_artist=True,
            manage_ticks=False,
            medianprops={"color": "black"},
            boxprops={"facecolor": COLOURS[number], "linewidth": 0.8},
            flierprops={"markersize": 2.5, "markeredgewidth": 0.6},
        )
        boxes["boxes"][0].set_label(f"{origin} ({counts[-1]})")
    low, high = data["loss"].min(), data["loss"].quantile(0.95)
    axes.set_ylim(low - 0.05 * (high - low), high + max(0.05 * (high - low), 1e-12))
    axes.set_xticks(range(len(budgets)), [str(budget) for budget in budgets])
    axes.set_xlim(-0.5, len(budgets) - 0.5)
    axes.set_xlabel("budget")
    axes.set_ylabel("rung loss")
    axes.grid(axis="y", linewidth=0.4)
    axes.legend(frameon=False, title="origin (results)")
    return axes
