"""The command `raytabdl`.

Heavy packages are imported where a command needs them, so that `--help` and wrong arguments are answered at once.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from raytabdl import __version__
from raytabdl.commands.console import show_table
from raytabdl.commands.doctor import doctor
from raytabdl.commands.evaluate import evaluate
from raytabdl.commands.export import export
from raytabdl.commands.importance import show_importance
from raytabdl.commands.lcbench import lcbench
from raytabdl.commands.plot import plot
from raytabdl.commands.portfolio import portfolio
from raytabdl.commands.refit import refit
from raytabdl.commands.report import write_report
from raytabdl.commands.reselect import reselect
from raytabdl.commands.serve import serve
from raytabdl.exceptions import ClusterError, NoSuccessfulTrialError, RaytabdlError
from raytabdl.tables import ENDINGS, WRITABLE, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

    from raytabdl.space import Choices

LEAST_SECONDS = 0.1
"""What a fit is given where reading the table took all of its time: a quick model."""

_IMPORTED = time.monotonic()


class _Failure(click.ClickException):
    """A run that failed."""

    exit_code = 1


class _Refusal(click.ClickException):
    """Settings, a table or a folder that nothing can be done with."""

    exit_code = 2


class _Commands(click.Group):
    """A group whose errors and warnings are one line each."""

    def invoke(self, ctx: click.Context) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = _showwarning()
            try:
                return super().invoke(ctx)
            except click.UsageError as error:
                raise _Refusal(_one_line(error.format_message())) from error
            except (NoSuccessfulTrialError, ClusterError) as error:
                raise _Failure(_one_line(error)) from error
            except RaytabdlError as error:
                raise _Refusal(_one_line(error)) from error


class _Seconds(click.ParamType[float]):
    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds > 0):
            self.fail(f"{value!r} is not a positive number of seconds", param, ctx)
        return seconds


class _TableFile(click.Path):
    """The path of a table, whose kind its ending tells."""

    name = "table"

    def __init__(self, endings: tuple[str, ...], **options: Any) -> None:
        super().__init__(dir_okay=False, **options)
        self.endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.name.lower().endswith(self.endings):
            self.fail(f"{str(path)!r} ends in none of {', '.join(self.endings)}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"{str(path.parent)!r} is no folder", param, ctx)
        return path


class _Run(click.Path):
    """The path of the folder of a run, or the address of one in a store."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        return value if "://" in str(value) else Path(os.fsdecode(super().convert(value, param, ctx)))


class _NewFolder(_Run):
    """The same of a run to be made: missing or empty, seen before a table is read."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        path = super().convert(value, param, ctx)
        if isinstance(path, Path) and path.is_dir() and any(path.iterdir()):
            way_out = f"go on with its run (raytabdl resume {path})" if (path / "run.json").exists() else "delete it"
            self.fail(f"{str(path)!r} is not empty; choose another folder, or {way_out}", param, ctx)
        return path


_INPUT = _TableFile(ENDINGS, exists=True)
_OUTPUT = _TableFile(WRITABLE, writable=True)
_RUN = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_RUN = _NewFolder(file_okay=False)
_PRESET = click.Choice(("small", "medium", "full"))
_UPDATES = click.Path(exists=True, dir_okay=False, path_type=Path)
_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random.")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="raytabdl")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Automated deep learning for tables, on Ray Tune.

    Tables are CSV, parquet, arrow or ARFF, told by the file's ending (.csv, .csv.gz, .parquet, .pq, .arrow, .feather,
    .arff).
    """
    if ctx.obj is None:  # called within a program: time runs from the call
        ctx.obj = time.monotonic()


for _command in (
    doctor,
    evaluate,
    export,
    show_importance,
    lcbench,
    plot,
    portfolio,
    refit,
    reselect,
    write_report,
    serve,
):
    commands.add_command(_command)


def main() -> None:
    """Runs the command; its time runs from the start of the process."""
    commands(obj=_process_start())


@commands.command()
@click.argument("table", type=_INPUT)
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
@_seed
@click.option("--time-limit", type=_Seconds(), help="In all, from the start of the command.  [default: 60]")
@click.option("--n-trials", type=click.IntRange(min=1), help="End after so many; without --time-limit there is none.")
@click.option("--workers", type=click.IntRange(min=1), help="Trials trained at once.  [default: one for each CPU]")
@click.option(
    "--portfolio",
    type=click.Path(exists=True, path_type=Path),
    help="What to try first: a portfolio's file, or an earlier run.  [default: the one that ships]",
)
@click.option("--preset", type=_PRESET, help="What is searched; see raytabdl space.  [default: medium]")
@click.option("--updates", type=_UPDATES, help="A YAML file of updates to it.")
@click.option("--out", type=_NEW_RUN, required=True, help="The run folder to make, or its address in a store.")
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
        None if time_limit is None else _remaining(began, time_limit),
        metric=metric_name,
        validation=TimeOrder(time_column) if time_order or time_column is not None else None,
        categorical=categorical or None,
        n_trials=n_trials,
        seed=seed,
        n_workers=workers,
        choices=_choices(preset, updates),
        portfolio=portfolio,
        run_folder=out,
        progress=True,
    )
    estimator.fit(frame, y, **given)


@commands.command()
@click.argument("run", type=_RUN)
@click.argument("table", type=_INPUT)
@click.option("--out", type=_OUTPUT, required=True, help="The file to write.")
@click.option("--proba", is_flag=True, help="A column for each class, named by the class.")
def predict(run: Path, table: Path, out: Path, proba: bool) -> None:
    """Predict the rows of TABLE with RUN, a finished run or a saved model.

    Writes a column `prediction`, or with --proba a column for each class.
    """
    import pandas as pd

    from raytabdl.estimators import TabularClassifier, load
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_target

    estimator = load(run)
    frame = read_table(table).drop(columns=read_target(RunFolder(run)), errors="ignore")
    if not proba:
        predictions = pd.DataFrame({"prediction": estimator.predict(frame)})
    elif isinstance(estimator, TabularClassifier):
        names = [str(label) for label in estimator.classes_]
        predictions = pd.DataFrame(estimator.predict_proba(frame), columns=names)
    else:
        raise click.BadParameter(f"{run} predicts a number, which has no probabilities", param_hint="'--proba'")
    write_table(predictions, out)


@commands.command("leaderboard")
@click.argument("run", type=_RUN)
@click.option("--json", "as_json", is_flag=True, help="All columns, for programs.")
def show_leaderboard(run: Path, as_json: bool) -> None:
    """Show what RUN tried, best first."""
    from raytabdl.leaderboard import leaderboard
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_settings

    folder = RunFolder(run)
    read_settings(folder)  # refuses a folder that is no run
    table = leaderboard(folder)
    if as_json:
        rows = json.loads(table.to_json(orient="records", double_precision=15))
        click.echo(json.dumps({"metric": table.attrs["metric"], "trials": rows}, indent=1))
    else:
        show_table("Leaderboard, on the validation rows", _for_people(table))


@commands.command("results")
@click.argument("run", type=_RUN)
@click.option("--out", type=_OUTPUT, required=True, help="The file to write.")
def write_results(run: Path, out: Path) -> None:
    """Write all that RUN has measured: a row for each result, with a column for each hyperparameter."""
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_settings
    from raytabdl.search_results import search_results

    folder = RunFolder(run)
    read_settings(folder)  # refuses a folder that is no run
    write_table(search_results(folder), out)


@commands.command()
@click.argument("run", type=_Run(exists=True, file_okay=False))
@click.option("--preset", type=_PRESET, help="Of a fit with --updates the same again.  [default: that of the fit]")
@click.option("--updates", type=_UPDATES, help="The same file again.")
def resume(run: Path | str, preset: str | None, updates: Path | None) -> None:
    """Go on with RUN, which was interrupted, in the time that it has left."""
    from raytabdl import estimators

    estimators.resume(run, choices=_choices(preset, updates), progress=True)


@commands.command("space")
@click.option("--preset", "name", type=_PRESET, default="medium", show_default=True)
@click.option("--updates", type=_UPDATES, help="A YAML file of updates.")
def show_space(name: str, updates: Path | None) -> None:
    """Show what is searched: each hyperparameter with its values and where it is active.

    A line of a YAML file changes one: `network.mlp.n_layers: {high: 8}`, or fixes it: `network.mlp.scaler: robust`.
    """
    from raytabdl.describe import describe
    from raytabdl.presets import preset

    table = describe(preset(_choices(name, updates)))
    show_table(f"The {name} space: {len(table)} hyperparameters", table)


@commands.command()
@_seed
@click.option("--time-limit", type=_Seconds(), default=60.0, show_default=True, help="From the start of the command.")
@click.option("--out", type=_NEW_RUN, help="The run folder to make.  [default: a new one below raytabdl_runs]")
@click.pass_obj
def demo(began: float, seed: int, time_limit: float, out: Path | str | None) -> None:
    """Fit the bundled table adult, and score it on held-out rows beside scikit-learn's HistGradientBoosting."""
    from raytabdl.demo import fit_demo, score_demo

    clf, held_out = fit_demo(lambda: _remaining(began, time_limit), seed, out)
    board = clf.leaderboard()
    first = _for_people(board).head(12)
    show_table(f"Leaderboard, on the validation rows: {len(first)} of {len(board)}", first)
    weights = board.loc[board["weight"] > 0, ["trial", "model", "weight"]]
    show_table("Ensemble", weights.sort_values("weight", ascending=False))
    show_table("Held-out rows", score_demo(clf, held_out))
    click.echo("HistGradientBoosting has its default settings and was fitted afterwards, on the same rows.")
    click.echo(f"The run is in {clf.folder_.path}")


def _choices(name: str | None, updates: Path | None) -> str | Choices | None:
    """What is searched, where an option says so."""
    if updates is None:
        return name
    from raytabdl.presets import preset

    return preset(name).updated_from(updates)


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


def _for_people(board: pd.DataFrame) -> pd.DataFrame:
    """The leaderboard with the metric's own values: its loss goes where they are there as well."""
    metric = board.attrs["metric"]
    if metric in board.columns:
        return board.drop(columns="loss")
    return board.rename(columns={"loss": f"{metric} (loss)"})


def _showwarning() -> Callable[..., None]:
    """Stands in for ``warnings.showwarning``: each text once, without where in the code it came up."""
    said: set[str] = set()

    def show(message: Warning | str, *where: object) -> None:
        text = _one_line(message)
        if text not in said:
            said.add(text)
            click.echo(f"warning: {text}", err=True)

    return show


def _one_line(message: BaseException | str) -> str:
    return " ".join(str(message).split())


def _remaining(began: float, limit_s: float) -> float:
    return max(limit_s - (time.monotonic() - began), LEAST_SECONDS)


def _process_start() -> float:
    """When this process began, or where the system does not tell, when this module was imported (monotonic seconds)."""
    stat = Path("/proc/self/stat")
    if sys.platform != "linux" or not stat.exists():
        return _IMPORTED
    # The fields after the name, which may hold blanks and parentheses; field 22 counts ticks since boot.
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])
    running_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - running_s
