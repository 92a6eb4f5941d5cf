"""Seconds of two ways to do the same work, taken in turn so that both meet the same noise of the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the results: ``ratio`` is the median over pairs, and ``target`` what it shall reach at least.

    Without a target it is reported only.
    """

    what: str
    baseline: str
    ratio: float
    least: float
    most: float
    target: float | None


def compare(
    what: str,
    baseline: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    target: float | None,
    *,
    repeats: int = 7,
) -> Row:
    """How many times the seconds of ``ours`` the baseline takes; both are run once before, and that is not counted."""
    for run in (ours, theirs):
        run()
    ratios = []
    for i in range(repeats):
        first, second = (ours, theirs) if i % 2 else (theirs, ours)
        spent = {run: _seconds(run) for run in (first, second)}
        ratios.append(spent[theirs] / spent[ours])
    return Row(what, baseline, statistics.median(ratios), min(ratios), max(ratios), target)


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
