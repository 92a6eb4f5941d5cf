"""How many trainings had ended at each budget, over the time of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from raytabdl.exceptions import DataError
from raytabdl.history import QUICK
from raytabdl.plots.canvas import COLOURS, new_axes
from raytabdl.run_folder import RunFolder
from raytabdl.search.brackets import Budgets

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def finished_runs_data(run: RunFolder) -> pd.DataFrame:
    """A row for each result of the search at a rung, on the first fold.

    Columns: budget, seconds, and finished: how many had been trained to that budget by then.
    Raises DataError where the search has no result.
    """
    history = run.history()
    results = [
        result
        for result in history.on_first_fold()
        # Between two rungs a training has not finished: the time of the run was over.
        if history.trials[result.trial_id].origin != QUICK and result.budget in Budgets().rungs
    ]
    if not results:
        raise DataError(f"{run.path} must have a result of its search, got none; give the run more time")
    data = pd.DataFrame([(r.budget, r.time) for r in results], columns=["budget", "seconds"])
    data = data.sort_values(["budget", "seconds"], kind="stable", ignore_index=True)
    return data.assign(finished=data.groupby("budget").cumcount() + 1)


def plot_finished_runs(data: pd.DataFrame) -> Axes:
    """A line of steps for each budget, with the number that it came to."""
    axes = new_axes(6.5, 4)
    end = float(data["seconds"].max())
    for number, (budget, steps) in enumerate(data.groupby("budget")):
        n_finished = int(steps["finished"].iloc[-1])
        axes.step(
            [0.0, *steps["seconds"], end],
            [0, *steps["finished"], n_finished],
            where="post",
            color=COLOURS[number % len(COLOURS)],
            linewidth=1.8,
            label=f"{budget}: {n_finished}",
        )
    axes.set_xlim(0, end)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds")
    axes.set_ylabel("finished trainings")
    axes.grid(axis="y", linewidth=0.4)
    axes.legend(frameon=False, title="budget: trainings", loc="upper left")
    return axes
