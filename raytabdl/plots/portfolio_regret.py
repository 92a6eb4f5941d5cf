"""What a greedy portfolio of 1, 2, ... members lacks to the best configuration of each data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from raytabdl.curves.benchmark import Benchmark, is_larger_better
from raytabdl.plots.canvas import COLOURS, new_axes
from raytabdl.search.greedy import greedy_portfolio, regret_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def portfolio_regret_data(
    benchmark: Benchmark, size: int = 16, tag: str = "val_accuracy", epoch: int | None = None
) -> pd.DataFrame:
    """A row per size of the portfolio (the index), a column per data set; the members' names in ``attrs``.

    They are chosen on the data sets they are judged on: what a portfolio could reach, and no forecast for others.
    """
    table = benchmark.table(tag, epoch)
    losses = (-table if is_larger_better(tag) else table).to_numpy()
    regrets = losses - pd.DataFrame(losses).min().to_numpy()
    chosen = greedy_portfolio(regrets, size)
    curve = regret_curve(regrets, chosen)
    data = pd.DataFrame(curve, index=pd.RangeIndex(1, len(chosen) + 1, name="members"), columns=table.columns)
    data.attrs["members"] = [str(table.index[row]) for row in chosen]
    return data


def plot_portfolio_regret(data: pd.DataFrame, label: str = "regret (percentage points)") -> Axes:
    """The mean over the data sets, with the range from the median to the 90 % quantile."""
    axes = new_axes(6, 3.6)
    middle, upper = data.median(axis=1), data.quantile(0.9, axis=1)
    axes.fill_between(data.index, middle, upper, color=COLOURS[4], alpha=0.35, linewidth=0, label="median to 90 %")
    axes.plot(data.index, data.mean(axis=1), color=COLOURS[0], marker="o", markersize=4, label="mean")
    positive = data.mean(axis=1)[data.mean(axis=1) > 0]
    if len(positive):
        # Zero has no place on a log scale: below the least mean it is linear.
        axes.set_yscale("symlog", linthresh=max(float(positive.min()), 1e-6))
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(bottom=0)
    axes.set_xticks(data.index)
    axes.set_xlabel("members of the portfolio")
    axes.set_ylabel(label)
    axes.grid(axis="y", linewidth=0.4)
    axes.legend(frameon=False, title=f"over {data.shape[1]} data sets", title_fontsize=9, fontsize=9)
    return axes
