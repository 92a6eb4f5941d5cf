"""Which hyperparameters matter, over a space and around the best, per budget: the blog's Figure 3."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from ConfigSpace import ConfigurationSpace

from raytabdl.analysis.fanova import fanova
from raytabdl.analysis.local_importance import local_importance
from raytabdl.analysis.study import Study
from raytabdl.curves.benchmark import Benchmark, is_larger_better
from raytabdl.exceptions import DataError
from raytabdl.plots.canvas import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS = ("fANOVA", "LPI")


def importance_data(
    benchmark: Benchmark,
    space: ConfigurationSpace,
    epochs: Sequence[int],
    tag: str = "val_accuracy",
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Columns dataset, epoch, method, hyperparameter and importance, a share of 1.

    A data set on which nothing can be said, since all losses are equal or too few are there, is left out with a
    warning.
    """
    rows = []
    sign = -1.0 if is_larger_better(tag) else 1.0
    for epoch in epochs:
        table = sign * benchmark.table(tag, epoch)
        for dataset in table:
            losses = table[dataset].dropna()
            try:
                study = Study.of(space, [benchmark.config(str(dataset), c) for c in losses.index], losses.tolist())
            except DataError as error:
                warnings.warn(f"{dataset} after {epoch} epochs is left out: {error}", UserWarning, stacklevel=2)
                continue
            found = (fanova(study, seed=seed).single, local_importance(study, seed=seed))
            for method, shares in zip(METHODS, found, strict=True):
                rows += [(dataset, epoch, method, name, share) for name, share in shares.items()]
    if not rows:
        raise DataError("at least one data set must have losses that differ, got none")
    return pd.DataFrame(rows, columns=["dataset", "epoch", "method", "hyperparameter", "importance"])


def plot_importance(data: pd.DataFrame) -> tuple[Axes, Axes]:
    """Boxes over the data sets, fANOVA left and LPI right; hyperparameters by their mean share in both."""
    order = data.groupby("hyperparameter")["importance"].mean().sort_values().index
    epochs = sorted(data["epoch"].unique())
    figure = new_figure(9, 1.2 + 0.55 * len(order))
    left, right = figure.subplots(1, 2, sharey=True)
    height = 0.8 / len(epochs)
    for axes, method in ((left, METHODS[0]), (right, METHODS[1])):
        own = data[data["method"] == method]
        for place, epoch in enumerate(epochs):
            at_epoch = own[own["epoch"] == epoch]
            values = [at_epoch.loc[at_epoch["hyperparameter"] == name, "importance"].to_numpy() for name in order]
            boxes = axes.boxplot(
                values,
                # The first budget stands above.
                positions=[row + (len(epochs) - 1 - 2 * place) * height / 2 for row in range(len(order))],
                orientation="horizontal",
                widths=height * 0.8,
                patch_artist=True,
                medianprops={"color": "black"},
                boxprops={"facecolor": COLOURS[place % len(COLOURS)], "linewidth": 0.8},
                flierprops={"markersize": 2.5, "markeredgewidth": 0.6},
            )
            boxes["boxes"][0].set_label(f"{epoch} epochs")
        axes.set_title(f"{method}: {'over the space' if method == METHODS[0] else 'around the best'}", fontsize=11)
        axes.set_xlabel("share of the variance")
        axes.set_xlim(-0.02, 1.0)
        axes.grid(axis="x", linewidth=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_yticks(range(len(order)), [name.replace("_", " ") for name in order])
    right.legend(loc="lower right", frameon=True, fontsize=9)
    return left, right
