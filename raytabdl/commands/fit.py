"""`raytabdl fit`: a run on a table from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from raytabdl.commands.arguments import INPUT, NEW_RUN, PRESET, UPDATES, Seconds, remaining, searched, seed_option
from raytabdl.tables import read_table

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("table", type=INPUT)
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--metric", "metric_name", metavar="NAME", help="What to optimise.  [default: log_loss, or rmse]")
@click.option(
    "--task",
    type=click.Choice(("auto", "classification", "binary", "multiclass", "regression")),
    default="auto",
    help="The kind of target.  [default: inferred from its values]",
)
@click.option("--categorical", metavar="COLUMN", multiple=True, help="One whose numbers are names; may be repeated.")
@click.option("--weight", metavar="COLUMN", help="How much each row counts; it is not learned from.")
@click.option(
    "--group", metavar="COLUMN", help="Which rows belong together; no fold parts them, it is not learned from."
)
@click.option("--time-order", is_flag=True, help="The rows are in the order of time: the last ones are validated by.")
@click.option("--time", "time_column", metavar="COLUMN", help="The column of time: the latest rows are validated by.")
@seed_option
@click.option("--time-limit", type=Seconds(), help="In all, from the start of the command.  [default: 60]")
@click.option("--n-trials", type=click.IntRange(min=1), help="End after so many; without --time-limit there is none.")
@click.option("--workers", type=click.IntRange(min=1), help="Trials trained at once.  [default: one for each CPU]")
@click.option(
    "--portfolio",
    type=click.Path(exists=True, path_type=Path),
    help="What to try first: a portfolio's file, or an earlier run.  [default: the one that ships]",
)
@click.option("--preset", type=PRESET, help="What is searched; see raytabdl space.  [default: medium]")
@click.option("--updates", type=UPDATES, help="A YAML file of updates to it.")
@click.option("--out", type=NEW_RUN, required=True, help="The run folder to make, or its address in a store.")
@click.pass_obj
def fit(
    began: float,
    table: Path,
    target: str,
    metric_name: str | None,
    task: str,
    categorical: tuple[str, ...],
    weight: str | None,
    group: str | None,
    time_order: bool,
    time_column: str | None,
    seed: int,
    time_limit: float | None,
    n_trials: int | None,
    workers: int | None,
    portfolio: Path | None,
    preset: str | None,
    updates: Path | None,
    out: Path | str,
) -> None:
    """Fit TABLE, and keep the run in a new folder."""
    ways = {"--group": group is not None, "--time-order": time_order, "--time": time_column is not None}
    if len(asked := [option for option, is_given in ways.items() if is_given]) > 1:
        raise click.UsageError(f"{' and '.join(asked)} all say which rows are validated by: leave all but one out")
    frame = read_table(table)
    named = {"--target": target, "--weight": weight, "--group": group}
    for option, column in [*named.items(), ("--time", time_column), *(("--categorical", name) for name in categorical)]:
        if column is not None and column not in frame.columns:
            hint = f"'{option}'"
            raise click.BadParameter(f"{table} has no column {column!r}; it has {list(frame)}", param_hint=hint)
    y = frame[target]
    of_rows = {"sample_weight": weight, "groups": group}
    given = {name: frame[column] for name, column in of_rows.items() if column is not None}
    frame = frame.drop(columns=[column for column in named.values() if column is not None])
    is_classification = _is_classification(y, task)
    _check_metric(metric_name, is_classification)
    if time_limit is None and n_trials is None:
        time_limit = 60.0

    from raytabdl.estimators import TabularClassifier, TabularRegressor
    from raytabdl.validation import TimeOrder

    estimator = (TabularClassifier if is_classification else TabularRegressor)(
        None if time_limit is None else remaining(began, time_limit),
        metric=metric_name,
        validation=TimeOrder(time_column) if time_order or time_column is not None else None,
        categorical=categorical or None,
        n_trials=n_trials,
        seed=seed,
        n_workers=workers,
        choices=searched(preset, updates),
        portfolio=portfolio,
        run_folder=out,
        progress=True,
    )
    estimator.fit(frame, y, **given)


def _is_classification(y: pd.Series, task: str) -> bool:
    """Whether classes are to be predicted: as ``task`` says, or as the values do, which is said then."""
    if task == "binary" and y.nunique() != 2:
        raise click.BadParameter(f"{y.name!r} has {y.nunique()} distinct values", param_hint="'--task'")
    if task != "auto":
        return task != "regression"
    from raytabdl.targets import infer_kind

    kind, reason = infer_kind(y.dropna())
    click.echo(f"{kind}, since {y.name!r} holds {reason}; --task says otherwise", err=True)
    return kind == "classification"


def _check_metric(name: str | None, is_classification: bool) -> None:
    """Raises SettingError before a fit is begun."""
    from raytabdl.inputs import TaskType
    from raytabdl.metrics import metric

    metric(name, TaskType.MULTICLASS if is_classification else TaskType.REGRESSION)
