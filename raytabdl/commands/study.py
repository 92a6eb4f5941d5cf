"""What the commands that make data have in common: where the tables are, how long to work, and how far it is."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from raytabdl.failures import reasons

if TYPE_CHECKING:
    from raytabdl.collection import StudyTask
    from raytabdl.runtime.estimate import Estimate

F = TypeVar("F", bound=Callable[..., Any])

LINE_SECONDS = 10.0
"""Between two lines of progress; on a terminal one line is written over ten times as often."""


def study_options(command: F) -> F:
    """The argument SOURCES and what is asked of every study."""
    seconds = click.FloatRange(min=0, min_open=True)
    options = (
        click.argument("sources", nargs=-1, required=True),
        click.option("--only", "names", multiple=True, metavar="NAME", help="Only this data set; may be repeated."),
        click.option(
            "--rows", "max_rows", type=click.IntRange(min=50), help="At most so many, in each class its share."
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random."),
        click.option("--workers", "n_workers", type=click.IntRange(min=1), help="[default: one for each CPU]"),
        click.option("--seconds", type=seconds, default=math.inf, help="End after so many; the same command goes on."),
        click.option("--dry-run", is_flag=True, help="Say what it costs, and do nothing."),
        click.option(
            "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to keep it in."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_tasks(
    sources: Sequence[str], names: Sequence[str], max_rows: int | None, seed: int, *, with_test: bool
) -> list[StudyTask]:
    """The data sets that a command was given."""
    from raytabdl.collection import data_sets, read_study_task

    found = data_sets(sources, names)
    return [read_study_task(one, max_rows=max_rows, seed=seed, with_test=with_test) for one in found]


def counted(failures: Iterable[str]) -> str:
    """The last lines of tracebacks with how often each occurred, the most frequent first.

    >>> counted(["Traceback", "", "Traceback", "MemoryError"])
    '2 x Traceback; 1 x MemoryError'
    """
    return "; ".join(f"{count} x {reason}" for reason, count in reasons(failures).items())


@dataclass
class ProgressLine:
    """Says how far a study is, on standard error."""

    n_workers: int
    _next: float = 0.0

    def __call__(self, estimate: Estimate) -> None:
        is_terminal = sys.stderr.isatty()
        is_last = estimate.n_finished == estimate.n_cells
        if time.monotonic() < self._next and not is_last:
            return
        self._next = time.monotonic() + LINE_SECONDS / (10 if is_terminal else 1)
        line = estimate.line(self.n_workers)
        click.echo(f"\r{line:<100}" if is_terminal else line, nl=is_last or not is_terminal, err=True)
