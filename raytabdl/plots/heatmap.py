"""How good each configuration is on each data set: the blog's Figure 2, and the same of regrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from raytabdl.curves.benchmark import Benchmark, is_larger_better
from raytabdl.plots.canvas import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def heatmap_data(benchmark: Benchmark, tag: str = "val_accuracy", epoch: int | None = None) -> pd.DataFrame:
    """The value of a tag after an epoch: a row per data set, a column per configuration, both sorted by their means.

    The best data set is above, the best configuration on the left.
    """
    return _sorted(benchmark.table(tag, epoch).T, best_first=not is_larger_better(tag))


def regret_data(benchmark: Benchmark, tag: str = "val_accuracy", epoch: int | None = None) -> pd.DataFrame:
    """What each configuration lacks to the best on its data set, in the form of ``heatmap_data``."""
    table = benchmark.table(tag, epoch).T
    losses = -table if is_larger_better(tag) else table
    return _sorted(losses.sub(losses.min(axis=1), axis=0), best_first=True)


def _sorted(table: pd.DataFrame, *, best_first: bool) -> pd.DataFrame:
    rows = table.mean(axis=1).sort_values(ascending=best_first, kind="stable").index
    columns = table.mean(axis=0).sort_values(ascending=best_first, kind="stable").index
    return table.loc[rows, columns]


def plot_heatmap(data: pd.DataFrame, label: str = "validation accuracy (%)") -> Axes:
    """Data sets by name, configurations side by side; light is high."""
    return _draw(data, label, "viridis")


def plot_regret(data: pd.DataFrame, label: str = "regret (percentage points)") -> Axes:
    """As ``plot_heatmap``, on a scale of square roots, which parts small regrets; dark is good."""
    return _draw(data, label, "inferno", power=0.5)


def _draw(data: pd.DataFrame, label: str, colours: str, power: float = 1.0) -> Axes:
    axes = new_axes(9, 1.4 + 0.17 * len(data))
    from matplotlib.colors import PowerNorm

    low, high = np.nanmin(data.to_numpy()), np.nanmax(data.to_numpy())
    image = axes.imshow(data, aspect="auto", cmap=colours, norm=PowerNorm(power, low, high), interpolation="nearest")
    axes.set_yticks(range(len(data)), data.index, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{data.shape[1]:,} configurations, the best on average on the left")
    axes.spines[:].set_visible(False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.colorbar(image, ax=axes, label=label, pad=0.02, aspect=30)
    return axes
