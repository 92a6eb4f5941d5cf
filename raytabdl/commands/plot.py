"""`raytabdl plot`: figures of learning curves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from raytabdl.commands.benchmark_source import open_benchmark, source_options

F = TypeVar("F", bound=Callable[..., Any])

EPOCHS = (12, 25, 50)
"""The paper's budgets."""

_epochs = click.option(
    "--epoch", "epochs", type=click.IntRange(min=1), multiple=True, default=EPOCHS, show_default=True, help="A budget."
)
_epoch = click.option("--epoch", type=click.IntRange(min=0), help="[default: the last of each curve]")


def _figure_options(command: F) -> F:
    command = click.option("--tag", default="val_accuracy", show_default=True, help="What is drawn.")(command)
    out = click.option(
        "--out",
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        required=True,
        help="The picture to write: .png, .pdf or .svg.",
    )
    return source_options(out(command))


@click.group("plot")
def plot() -> None:
    """Draw figures of learning curves, of LCBench or made by raytabdl.

    SOURCE is a file (.json, .zip, .parquet), or the folder of YAHPO Gym's surrogate.
    """


@plot.command()
@_figure_options
@_epoch
def heatmap(source: Path, n_configs: int, seed: int, tag: str, out: Path, epoch: int | None) -> None:
    """Draw how good each configuration is on each data set."""
    from raytabdl.plots.canvas import save, with_unit
    from raytabdl.plots.heatmap import heatmap_data, plot_heatmap

    data = heatmap_data(open_benchmark(source, n_configs, seed), tag, epoch)
    save(plot_heatmap(data, with_unit(tag)), out)


@plot.command()
@_figure_options
@_epoch
def regret(source: Path, n_configs: int, seed: int, tag: str, out: Path, epoch: int | None) -> None:
    """Draw what each configuration lacks to the best on each data set."""
    from raytabdl.plots.canvas import save, with_unit
    from raytabdl.plots.heatmap import plot_regret, regret_data

    data = regret_data(open_benchmark(source, n_configs, seed), tag, epoch)
    save(plot_regret(data, f"regret of {with_unit(tag, is_difference=True)}"), out)


@plot.command()
@_figure_options
@_epochs
def importance(source: Path, n_configs: int, seed: int, tag: str, out: Path, epochs: tuple[int, ...]) -> None:
    """Draw which of LCBench's seven hyperparameters matter, per budget (fANOVA and LPI)."""
    from raytabdl.configspace import build
    from raytabdl.curves.tasks import SPACE
    from raytabdl.plots.canvas import save
    from raytabdl.plots.importance import importance_data, plot_importance

    benchmark = open_benchmark(source, n_configs, seed)
    data = importance_data(benchmark, build(SPACE, (), seed), epochs, tag, seed=seed)
    save(plot_importance(data)[0], out)


@plot.command()
@_figure_options
@click.argument("dataset")
def curves(source: Path, n_configs: int, seed: int, tag: str, out: Path, dataset: str) -> None:
    """Draw the learning curves on DATASET."""
    from raytabdl.plots.canvas import save
    from raytabdl.plots.learning_curves import learning_curves_data, plot_learning_curves

    data = learning_curves_data(open_benchmark(source, n_configs, seed), dataset, tag)
    save(plot_learning_curves(data, tag, dataset), out)


@plot.command()
@_figure_options
@_epochs
def budgets(source: Path, n_configs: int, seed: int, tag: str, out: Path, epochs: tuple[int, ...]) -> None:
    """Draw how alike configurations rank at different budgets."""
    from raytabdl.plots.budget_correlation import budget_correlation_data, plot_budget_correlation
    from raytabdl.plots.canvas import save

    data = budget_correlation_data(open_benchmark(source, n_configs, seed), epochs, tag)
    save(plot_budget_correlation(data), out)


@plot.command()
@_figure_options
@_epoch
@click.option("--size", type=click.IntRange(min=1), default=16, show_default=True, help="The most members.")
def portfolio(source: Path, n_configs: int, seed: int, tag: str, out: Path, epoch: int | None, size: int) -> None:
    """Draw what a greedy portfolio of 1, 2, ... members lacks to the best of each data set."""
    from raytabdl.plots.canvas import save, with_unit
    from raytabdl.plots.portfolio_regret import plot_portfolio_regret, portfolio_regret_data

    data = portfolio_regret_data(open_benchmark(source, n_configs, seed), size, tag, epoch)
    save(plot_portfolio_regret(data, f"regret of {with_unit(tag, is_difference=True)}"), out)
