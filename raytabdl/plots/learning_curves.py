"""The learning curves of many configurations on one data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from raytabdl.curves.benchmark import Benchmark, is_larger_better
from raytabdl.exceptions import SettingError
from raytabdl.plots.canvas import COLOURS, GREY, new_axes, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_BEST = 3


def learning_curves_data(benchmark: Benchmark, dataset: str, tag: str = "val_accuracy") -> pd.DataFrame:
    """A row per epoch, a column per configuration, from the best last value to the worst; NaN after its end."""
    curves = {config: benchmark.query(dataset, tag, config) for config in benchmark.config_ids(dataset)}
    if any(values.ndim == 0 for values in curves.values()):
        raise SettingError(f"the tag must have a value per epoch, got {tag!r}, which has one per training")
    last = pd.Series({config: values[-1] for config, values in curves.items()})
    order = last.sort_values(ascending=not is_larger_better(tag), kind="stable").index
    data = pd.DataFrame({config: pd.Series(curves[config]) for config in order}).rename_axis("epoch")
    # LCBench's last value repeats the one before.
    repeats = len(data) > 2 and np.array_equal(data.iloc[-1], data.iloc[-2], equal_nan=True)
    return data.iloc[:-1] if repeats else data


def plot_learning_curves(data: pd.DataFrame, tag: str = "val_accuracy", title: str = "") -> Axes:
    """All curves thin and grey, their median dashed, and the best at the end in colour."""
    axes = new_axes(6.5, 4)
    axes.plot(data.index, data, color=GREY, linewidth=0.5, alpha=max(0.15, min(1.0, 20 / data.shape[1])))
    axes.plot(data.index, data.median(axis=1), color="black", linewidth=1.5, linestyle="--", label="median")
    for colour, config in zip(COLOURS, list(data.columns)[:N_BEST], strict=False):
        axes.plot(data.index, data[config], color=colour, linewidth=2, label=f"configuration {config}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(with_unit(tag))
    axes.set_xlim(0, max(data.index))
    if not is_larger_better(tag):
        # A few that diverge must not press all others together.
        finite = data.to_numpy()[np.isfinite(data.to_numpy())]
        axes.set_ylim(finite.min(), max(np.quantile(finite, 0.95), finite.min() + 1e-12))
    axes.set_title(title)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes
