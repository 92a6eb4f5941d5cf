"""Figures of the report: mean ranks with the critical difference, and scores over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from benchmarks.compare import standings
from benchmarks.compare.cells import Record
from benchmarks.compare.systems import OURS, SCALE
from benchmarks.compare.tables import METRICS

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_OURS, _THEIRS = "#c2410c", "#475569"


def critical_difference(ranks: pd.DataFrame, path: Path) -> None:
    """Mean ranks on a line; a bar joins systems that Nemenyi's test cannot tell apart (Demšar 2006)."""
    mean_ranks = ranks.mean().sort_values().to_dict()
    difference = standings.critical_difference(len(mean_ranks), len(ranks))
    groups = standings.cliques(mean_ranks, difference)
    names = list(mean_ranks)
    half = (len(names) + 1) // 2
    height = 0.9 + 0.18 * len(groups) + 0.26 * half
    figure, axes = plt.subplots(figsize=(9, height))
    low, high = 1, max(int(np.ceil(max(mean_ranks.values()))), 2)
    axes.set_xlim(low - 0.35 * (high - low), high + 0.35 * (high - low))
    depth = 0.6 + 0.3 * len(groups)
    axes.set_ylim(-depth - 0.45 * half, 1.1)
    axes.axis("off")
    axes.plot([low, high], [0, 0], color="black", lw=1)
    for tick in range(low, high + 1):
        axes.plot([tick, tick], [0, 0.12], color="black", lw=1)
        axes.text(tick, 0.2, str(tick), ha="center", va="bottom", fontsize=9)
    axes.plot([low, low + difference], [0.85, 0.85], color="black", lw=2)
    axes.text(low + difference / 2, 0.9, f"critical difference {difference:.2f}", ha="center", va="bottom", fontsize=8)
    for place, name in enumerate(names):
        is_left = place < half
        y = -depth - 0.45 * (place if is_left else len(names) - 1 - place)
        edge = low - 0.05 * (high - low) if is_left else high + 0.05 * (high - low)
        colour = _OURS if name.startswith(OURS) else _THEIRS
        axes.plot([mean_ranks[name], mean_ranks[name], edge], [0, y, y], color=colour, lw=1)
        axes.text(
            edge,
            y,
            f" {name} {mean_ranks[name]:.2f} ",
            ha="right" if is_left else "left",
            va="center",
            color=colour,
            fontsize=9,
        )
    for level, group in enumerate(groups):
        y = -0.25 - 0.3 * level
        axes.plot([mean_ranks[group[0]] - 0.03, mean_ranks[group[-1]] + 0.03], [y, y], color="black", lw=3)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def anytime(records: Sequence[Record], table_errors: standings.Errors, tasks: Mapping[str, str], path: Path) -> None:
    """Ours over time, by what its ensembles of that time score on the test rows; peers where their fits end."""
    figure, axes = plt.subplots(figsize=(9, 5))
    seconds = records[0].key.seconds
    times = np.geomspace(1, seconds, 60)
    best = table_errors.min(axis=1)
    dummy = table_errors[SCALE]
    for name in sorted({r.key.system for r in records if r.anytime}):
        curves = [_curve(r, tasks, times, best, dummy) for r in records if r.key.system == name and r.scores]
        curve = np.mean(curves, axis=0)
        axes.plot(times, curve, color=_OURS, lw=2, ls="-" if name == OURS else "--", label=name)
    scores = standings.normalised(table_errors).mean()
    ends = {
        name: float(np.median([r.fit_seconds for r in records if r.key.system == name and not r.error] or [np.nan]))
        for name in scores.index
    }
    lowest = min(0.9, float(scores.min()) - 0.02)
    label_y = np.inf
    for name, score in scores.sort_values(ascending=False).items():
        if not str(name).startswith(OURS):
            axes.plot(ends[str(name)], score, "o", color=_THEIRS, ms=5)
            label_y = min(float(score), label_y - 0.035 * (1.005 - lowest))  # no name on that of another
            axes.text(1.06 * ends[str(name)], label_y, str(name), va="center", fontsize=8)
    axes.legend(loc="upper left")
    axes.set_xscale("log")
    axes.set_xlim(right=4 * seconds)  # room for names
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("seconds from the call of fit (peers: median end of their fits)")
    axes.set_ylabel("mean normalised test score")
    axes.set_ylim(lowest, 1.005)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def _curve(
    record: Record, tasks: Mapping[str, str], times: Sequence[float], best: pd.Series, dummy: pd.Series
) -> list[float]:
    """The normalised test score of the answer at each time; 0 before there is one."""
    table = record.key.table
    metric = METRICS[tasks[table]]
    curve = []
    for time in times:
        known = [scores for seconds, scores in record.anytime if seconds <= time]
        error = standings.error_of(known[-1], metric) if known else dummy[table]
        curve.append(float(np.clip((dummy[table] - error) / (dummy[table] - best[table]), 0, 1)))
    return curve
