"""`raytabdl plot`: figures of learning curves and of runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from raytabdl.commands.arguments import RUN
from raytabdl.commands.benchmark_source import open_benchmark, source_options

if TYPE_CHECKING:
    from raytabdl.run_folder import RunFolder

F = TypeVar("F", bound=Callable[..., Any])

EPOCHS = (12, 25, 50)
"""The paper's budgets."""

_epochs = click.option(
    "--epoch", "epochs", type=click.IntRange(min=1), multiple=True, default=EPOCHS, show_default=True, help="A budget."
)
_epoch = click.option("--epoch", type=click.IntRange(min=0), help="[default: the last of each curve]")


_out = click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    required=True,
    help="The picture to write: .png, .pdf or .svg.",
)


def _figure_options(command: F) -> F:
    command = click.option("--tag", default="val_accuracy", show_default=True, help="What is drawn.")(command)
    return source_options(_out(command))


def _run_options(command: F) -> F:
    return click.argument("run", type=RUN)(_out(command))


def _open_run(path: Path) -> RunFolder:
    """Refuses a folder that is no run."""
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_settings

    folder = RunFolder(path)
    read_settings(folder)
    return folder


@click.group("plot")
def plot() -> None:
    """Draw figures of a run, or of learning curves, of LCBench or made by raytabdl.

    RUN is a run folder. SOURCE is a file (.json, .zip, .parquet), or the folder of YAHPO Gym's surrogate.
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


@plot.command()
@_run_options
def anytime(run: Path, out: Path) -> None:
    """Draw how good the answer of RUN was at each time: its ensemble, and its best single model."""
    from raytabdl.leaderboard import metric_name
    from raytabdl.plots.anytime import anytime_data, plot_anytime
    from raytabdl.plots.canvas import save

    folder = _open_run(run)
    save(plot_anytime(anytime_data(folder), f"{metric_name(folder)} (loss)"), out)


@plot.command()
@_run_options
def finished(run: Path, out: Path) -> None:
    """Draw how many trainings of RUN had ended at each budget, over time."""
    from raytabdl.plots.canvas import save
    from raytabdl.plots.finished_runs import finished_runs_data, plot_finished_runs

    save(plot_finished_runs(finished_runs_data(_open_run(run))), out)


@plot.command("model-random")
@_run_options
def model_random(run: Path, out: Path) -> None:
    """Draw whether what the model of RUN's search suggested was better than what was drawn at random."""
    from raytabdl.plots.canvas import save
    from raytabdl.plots.model_against_random import model_against_random_data, plot_model_against_random

    save(plot_model_against_random(model_against_random_data(_open_run(run))), out)
