"""How good the answer of a run was at each time, had it been ended there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from raytabdl.exceptions import DataError
from raytabdl.plots.canvas import COLOURS, new_axes
from raytabdl.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EARLY = 0.05
"""Of the time, whose losses do not decide what is shown: the first models are far worse than all others."""


def anytime_data(run: RunFolder) -> pd.DataFrame:
    """A row for each step: columns kind (ensemble, best single), seconds and loss (of the metric of the run).

    Raises DataError where the run has no result.
    """
    single = [("best single", seconds, loss) for seconds, loss in run.history().trajectory()]
    ensembles = [("ensemble", seconds, ensemble.loss) for seconds, ensemble in run.read_trajectory()]
    if not single:
        raise DataError(f"{run.path} must have a result, got none; let the run go on (raytabdl resume)")
    return pd.DataFrame([*ensembles, *single], columns=["kind", "seconds", "loss"])


def plot_anytime(data: pd.DataFrame, label: str = "loss") -> Axes:
    """The steps of the ensemble and of the best single model; each holds until the next."""
    axes = new_axes(6.5, 4)
    end = float(data["seconds"].max())
    shown: list[float] = []
    for colour, (kind, steps) in zip(COLOURS, data.groupby("kind", sort=False), strict=False):
        seconds, losses = [*steps["seconds"], end], [*steps["loss"], steps["loss"].iloc[-1]]
        axes.step(seconds, losses, where="post", color=colour, linewidth=1.8, label=str(kind))
        shown += [loss for until, loss in zip(seconds[1:], losses[:-1], strict=True) if until > EARLY * end]
    low, high = min(shown), max(shown)
    air = 0.05 * (high - low) or 1e-6
    axes.set_ylim(low - air, high + air)
    axes.set_xlim(0, end)
    axes.set_xlabel("seconds")
    axes.set_ylabel(f"{label} on the validation rows")
    axes.grid(axis="y", linewidth=0.4)
    axes.legend(frameon=False)
    return axes
