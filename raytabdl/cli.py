"""The command `raytabdl`.

Heavy packages are imported where a command needs them, so that `--help` and wrong arguments are answered at once.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from raytabdl import __version__
from raytabdl.commands.demo import demo
from raytabdl.commands.doctor import doctor
from raytabdl.commands.evaluate import evaluate
from raytabdl.commands.export import export
from raytabdl.commands.fit import fit
from raytabdl.commands.importance import show_importance
from raytabdl.commands.lcbench import lcbench
from raytabdl.commands.leaderboard import show_leaderboard
from raytabdl.commands.plot import plot
from raytabdl.commands.portfolio import portfolio
from raytabdl.commands.predict import predict
from raytabdl.commands.refit import refit
from raytabdl.commands.report import write_report
from raytabdl.commands.reselect import reselect
from raytabdl.commands.results import write_results
from raytabdl.commands.resume import resume
from raytabdl.commands.serve import serve
from raytabdl.commands.space import show_space
from raytabdl.exceptions import ClusterError, NoSuccessfulTrialError, RaytabdlError

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
    demo,
    doctor,
    evaluate,
    export,
    fit,
    lcbench,
    plot,
    portfolio,
    predict,
    refit,
    reselect,
    resume,
    serve,
    show_importance,
    show_leaderboard,
    show_space,
    write_report,
    write_results,
):
    commands.add_command(_command)


def main() -> None:
    """Runs the command; its time runs from the start of the process."""
    commands(obj=_process_start())


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


def _process_start() -> float:
    """When this process began, or where the system does not tell, when this module was imported (monotonic seconds)."""
    stat = Path("/proc/self/stat")
    if sys.platform != "linux" or not stat.exists():
        return _IMPORTED
    # The fields after the name, which may hold blanks and parentheses; field 22 counts ticks since boot.
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])
    running_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - running_s
