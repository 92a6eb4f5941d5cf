"""How alike configurations rank at different budgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from raytabdl.analysis.budgets import rank_correlation
from raytabdl.curves.benchmark import Benchmark, is_larger_better
from raytabdl.plots.canvas import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def budget_correlation_data(benchmark: Benchmark, epochs: Sequence[int], tag: str = "val_accuracy") -> pd.DataFrame:
    """A row per pair of epochs and data set: columns first, second, dataset, correlation (Spearman's)."""
    sign = -1.0 if is_larger_better(tag) else 1.0
    tables = {epoch: sign * benchmark.table(tag, epoch) for epoch in epochs}
    rows = []
    for dataset in benchmark.dataset_names:
        correlations = rank_correlation(pd.DataFrame({epoch: table[dataset] for epoch, table in tables.items()}))
        rows += [(i, j, dataset, correlations.loc[i, j]) for i in epochs for j in epochs]
    return pd.DataFrame(rows, columns=["first", "second", "dataset", "correlation"])


def plot_budget_correlation(data: pd.DataFrame) -> Axes:
    """The mean over the data sets in the lower triangle, with the range below it."""
    epochs = sorted(data["first"].unique())
    groups = data.groupby(["first", "second"])["correlation"]
    mean = groups.mean().unstack().loc[epochs, epochs].to_numpy()
    low, high = (getattr(groups, end)().unstack().loc[epochs, epochs].to_numpy() for end in ("min", "max"))
    size = len(epochs)
    axes = new_axes(1.9 + 0.95 * size, 0.9 + 0.9 * size)
    shown = np.where(np.tri(size, dtype=bool), mean, np.nan)
    # White stands for no correlation, dark for the same ranking.
    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1)
    for row in range(size):
        for column in range(row + 1):
            text = "1" if row == column else f"{mean[row, column]:.2f}"
            extent = "" if row == column else f"\n{low[row, column]:.2f} to {high[row, column]:.2f}"
            colour = "white" if mean[row, column] > 0.6 else "black"
            axes.text(column, row, text + extent, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(size), [str(epoch) for epoch in epochs])
    axes.set_yticks(range(size), [str(epoch) for epoch in epochs])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("epochs")
    axes.set_ylabel("epochs")
    axes.set_title(f"mean and range over {data['dataset'].nunique()} data sets", fontsize=10)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.colorbar(image, ax=axes, label="Spearman's rank correlation")
    return axes
