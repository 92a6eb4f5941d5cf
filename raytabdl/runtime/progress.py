"""What a person sees while a run goes on: a panel on a terminal, plain lines in a notebook."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import IO, Any, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

from raytabdl.clock import Clock
from raytabdl.history import QUICK, Status
from raytabdl.runtime.run import Progress, Run, Watch
from raytabdl.schema import ID
from raytabdl.search.brackets import Occupancy

LINE_SECONDS = 5.0
"""Between two plain lines."""

QUICK_MODELS = "quick models"
"""The stage in which the models of the driver are trained, which the search does not count."""

N_REASONS = 3
"""Reasons of failures that are shown, the most frequent ones."""

_BAR_WIDTH = 36
_REASON_WIDTH = 90
_N_NAMED = 5


@dataclass(frozen=True)
class Figures:
    """Where a run stands at a moment; ``best`` and ``ensemble`` are values of the metric, not losses.

    ``stage`` is "quick models", "search" or "over". The trials are those of the stage: quick models are not counted
    among those of the search. ``seconds_left`` is None without a time limit. ``failures`` counts the failed trials by
    the last line of their tracebacks, ``rungs`` says where the trials of the search stand, by budget.
    """

    stage: str
    metric: str
    best: float | None
    ensemble: float | None
    n_running: int
    n_paused: int
    n_done: int
    n_failed: int
    seconds: float
    seconds_left: float | None
    failures: tuple[tuple[str, int], ...]
    rungs: tuple[tuple[int, Occupancy], ...]


def figures(progress: Progress) -> Figures:
    """The figures of a moment, which stay as they are while the history grows."""
    history = progress.history
    is_quick = progress.stage == QUICK_MODELS
    counts = dict.fromkeys(Status, 0)
    for name, status in history.statuses.items():
        counts[status] += (history.trials[name].origin == QUICK) == is_quick
    incumbent, value_of = history.incumbent(), progress.metric.value_of
    return Figures(
        stage=progress.stage,
        metric=progress.metric.name,
        best=None if incumbent is None else value_of(incumbent.loss),
        ensemble=None if progress.ensemble_loss is None else value_of(progress.ensemble_loss),
        n_running=progress.n_running,
        n_paused=counts[Status.PAUSED],
        n_done=counts[Status.STOPPED] + counts[Status.COMPLETED],
        n_failed=sum(count for status, count in counts.items() if status.is_failure),
        seconds=progress.clock.elapsed(),
        seconds_left=max(progress.clock.remaining(), 0.0) if math.isfinite(progress.clock.limit_s) else None,
        failures=tuple(history.reasons().items()),
        rungs=tuple(progress.rungs.items()),
    )


def opening(run: Run) -> str:
    """What is about to be fitted, in one line."""
    inputs, limit_s = run.task.inputs, run.clock.limit_s
    n_columns = inputs.numeric.shape[1] + len(inputs.cardinalities)
    limit = f"{limit_s:.0f} s" if math.isfinite(limit_s) else f"{run.settings.n_trials} trials"
    kind = run.task.target.task_type.value
    return f"fitting {len(inputs):,} rows, {n_columns} columns ({kind}) for {run.metric.name}, limit {limit}"


def left_out(dropped: Mapping[str, str]) -> str:
    """The columns that nothing is learned from, with the reasons, in one line."""
    named = [f"{name!r} ({reason})" for name, reason in list(dropped.items())[:_N_NAMED]]
    more = f" and {len(dropped) - _N_NAMED:,} more" if len(dropped) > _N_NAMED else ""
    return f"left out: {', '.join(named)}{more}"


def warn_of_ids(dropped: Mapping[str, str]) -> None:
    """Warns of columns that are left out although they hold something; of no use are those without a second value."""
    if ids := {name: reason for name, reason in dropped.items() if reason.endswith(ID)}:
        warnings.warn(f"{left_out(ids)}; columns that `categorical` names are kept", UserWarning, stacklevel=5)


def closing(run: Run) -> str:
    """What came out, in one line; the ends of the trials where not all came to a good one."""
    ensemble = run.folder.read_ensemble()
    value = _number(run.metric.value_of(ensemble.loss))
    n_members = len(ensemble.weights)
    members = "1 member" if n_members == 1 else f"{n_members} members"
    outcomes = run.folder.history().outcomes()
    counted = ", ".join(f"{count} {end}" for end, count in outcomes.items())
    ends = f", trials: {counted}" if set(outcomes) - {"success"} else ""
    return f"{run.clock.elapsed():.1f} s: {run.metric.name} {value} with {members}{ends}, run folder {run.folder.path}"


def line(shown: Figures, clock: Clock) -> str:
    """The figures as one line, in columns that stay where they are."""
    left = f"{max(clock.remaining(), 0.0):5.0f} s left" if math.isfinite(clock.limit_s) else ""
    return (
        f"{clock.elapsed():6.1f} s  {shown.stage:<12}  {shown.metric} {_number(shown.ensemble):>10}"
        f"  best single {_number(shown.best):>10}  {shown.n_running:2} running {shown.n_paused:3} paused"
        f" {shown.n_done:3} done {shown.n_failed:2} failed {left}"
    ).rstrip()


def panel(shown: Figures, clock: Clock) -> Panel:
    """The figures as a box with a bar for the time."""
    rows = Table.grid(padding=(0, 2))
    for width in (8, _BAR_WIDTH, 29):  # wide enough for all that may come, so that the box keeps its size
        rows.add_column(min_width=width)
    seconds = f"{clock.elapsed():.0f} s"
    if math.isfinite(clock.limit_s):
        bar = ProgressBar(clock.limit_s, min(clock.elapsed(), clock.limit_s), width=_BAR_WIDTH)
        rows.add_row("time", bar, f"{seconds} of {clock.limit_s:.0f} s, {max(clock.remaining(), 0.0):.0f} s left")
    else:
        rows.add_row("time", seconds)
    rows.add_row(shown.metric, f"ensemble {_number(shown.ensemble)}", f"best single {_number(shown.best)}")
    rows.add_row(
        "models" if shown.stage == QUICK_MODELS else "trials",
        f"{shown.n_running} running, {shown.n_paused} paused",
        f"{shown.n_done} done, {shown.n_failed} failed",
    )
    if shown.rungs:
        came = "   ".join(f"{budget}: {_count(occupancy)}" for budget, occupancy in shown.rungs)
        rows.add_row("rungs", came, "trials that came to a budget")
    for reason, count in shown.failures[:N_REASONS]:
        rows.add_row("failed", _short(reason, _BAR_WIDTH), f"{count} x")
    return Panel(rows, title=f"raytabdl: {shown.stage}", title_align="left", expand=False)


@contextmanager
def show(wanted: bool | None, run: Run) -> Iterator[Watch]:
    """A watcher that displays progress on standard error: live on a terminal, as plain lines elsewhere.

    ``wanted`` None shows it on a terminal and in a notebook. Where it is not shown, left-out ids are warned of.
    """
    stream: TextIO | None = sys.stderr  # None where the process was started without one
    is_terminal = stream is not None and stream.isatty()
    if stream is None or not (is_terminal or _is_notebook(stream) if wanted is None else wanted):
        warn_of_ids(run.task.schema.dropped)
        yield _look_away
        return
    console = Console(file=cast(IO[str], _Tolerant(stream)), markup=False, highlight=False, force_jupyter=False)
    console.print(opening(run), soft_wrap=True)
    if dropped := run.task.schema.dropped:
        console.print(left_out(dropped), soft_wrap=True)
    if is_terminal and not console.is_dumb_terminal:
        live = _Live(run.clock)
        # Standard output is left alone: it may be a file.
        with Live(live, console=console, transient=True, redirect_stdout=False):
            yield live.watch
    else:
        yield _Lines(lambda text: console.print(text, soft_wrap=True)).watch
    console.print(closing(run), soft_wrap=True)


def _is_notebook(stream: TextIO) -> bool:
    """Whether what is written appears below a cell, which is no terminal."""
    return type(stream).__module__.partition(".")[0] == "ipykernel"


@dataclass
class _Live:
    """Draws the last figures; the time goes on between two of them."""

    clock: Clock
    shown: Figures | None = None

    def watch(self, progress: Progress) -> None:
        self.shown = with_ensemble(figures(progress), self.shown)

    def __rich__(self) -> Panel | str:
        return panel(self.shown, self.clock) if self.shown else ""


@dataclass
class _Lines:
    """Writes a line where something of weight has changed, but not too often."""

    write: Callable[[str], object]
    shown: Figures | None = None
    _written: Figures | None = None
    _next_s: float = -math.inf

    def watch(self, progress: Progress) -> None:
        self.shown = with_ensemble(figures(progress), self.shown)
        if progress.clock.elapsed() >= self._next_s and _weighty(self.shown) != _weighty(self._written):
            news = [each for each in self.shown.failures if self._written is None or each not in self._written.failures]
            self._written = self.shown
            self._next_s = progress.clock.elapsed() + LINE_SECONDS
            reasons = [f"          failed {count} x: {_short(reason, _REASON_WIDTH)}" for reason, count in news]
            self.write("\n".join([line(self.shown, progress.clock), *reasons[:N_REASONS]]))


class _Tolerant:
    """A stream that loses what cannot be written: a pipe that was closed must not end a fit."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: the stream was closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _look_away(progress: Progress) -> None:
    """Shows nothing."""


def with_ensemble(now: Figures, before: Figures | None) -> Figures:
    """The ensemble's value outlasts the moments in which its actor has not answered yet."""
    return replace(now, ensemble=before.ensemble) if before and now.ensemble is None else now


def _weighty(shown: Figures | None) -> tuple[object, ...]:
    """What a line is written for, once it has changed."""
    if shown is None:
        return ()
    return (shown.stage, shown.best, shown.ensemble, shown.n_paused, shown.n_done, shown.n_failed)


def _count(occupancy: Occupancy) -> int:
    """All that came to a budget; those that were promoted from it are counted above it as well."""
    return sum(asdict(occupancy).values())


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:#.5g}"
