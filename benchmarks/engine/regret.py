"""Regret over simulated time on the LCBench surrogate: ours beside well known optimizers.

``RAYTABDL_LCBENCH=... python -m benchmarks.engine.regret`` goes on where it was broken off, keeps each run as a line of
``benchmarks/results/engine_regret.jsonl`` and writes ``engine_regret.md`` beside it. Three seeds, 1 and 16 workers and
34 tasks take about 12 minutes of one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from benchmarks.engine.cells import N_POINTS, TASKS, Cell, Outcome, Start, append, folder, read, run
from benchmarks.engine.portfolio import portfolio_without

RESULTS = Path(__file__).parent.parent / "results"
N_BOOTSTRAP = 1000
SECONDS_PER_RUN = 0.7


@click.command()
@click.option("--seeds", default=3, show_default=True)
@click.option("--workers", default=(1, 16), multiple=True, show_default=True)
@click.option("--stop-after", default=float("inf"), help="Seconds after which no run begins.")
def main(seeds: int, workers: tuple[int, ...], stop_after: float) -> None:
    from benchmarks.engine.systems import SYSTEMS

    path = RESULTS / "engine_regret.jsonl"
    run_all(path, SYSTEMS, range(seeds), workers, stop_after)
    header = "LCBench surrogate, 34 tasks, regret in points of accuracy over simulated time; 95 % intervals over tasks."
    text = report(list(read(path)), list(SYSTEMS), workers, header)
    (RESULTS / "engine_regret.md").write_text(text)
    print(text)


def run_all(
    path: Path, systems: Mapping[str, Start], seeds: Iterable[int], workers: Sequence[int], stop_after: float
) -> None:
    """Runs the cells that the file lacks, all systems of a task and a seed one after another."""
    began = time.monotonic()
    done = {outcome.cell for outcome in read(path)}
    cells = [
        Cell(system, task, seed, n_workers)
        for seed in seeds
        for task in TASKS
        for n_workers in workers
        for system in systems
    ]
    missing = [cell for cell in cells if cell not in done]
    print(
        f"{len(missing)} of {len(cells)} runs to do, about {len(missing) * SECONDS_PER_RUN / 3600:.1f} core-hours",
        file=sys.stderr,
    )
    for cell in missing:
        if time.monotonic() - began > stop_after:
            print("broken off: the same command goes on", file=sys.stderr)
            return
        append(path, run(cell, systems[cell.system], portfolio_without(folder(), cell.task, TASKS)))


def report(outcomes: list[Outcome], systems: list[str], workers: Sequence[int], header: str) -> str:
    """A table for each number of workers: mean regret and mean rank at tenths of the time."""
    best = best_known(outcomes)
    lines = [header, ""]
    for n_workers in workers:
        table = regrets([o for o in outcomes if o.cell.n_workers == n_workers], systems, best)
        if not table.size:
            continue
        lines += [
            f"{n_workers} worker(s), {table.shape[1]} tasks x seeds: mean regret at 1/10, 2/10, ... of the time, "
            "mean rank over the time",
            "",
            "| system | " + " | ".join(f"{i}/10" for i in range(1, 11)) + " | 95 % at the end | rank |",
            "| --- |" + " ---: |" * 12,
        ]
        ranks = _ranks(table).mean(axis=(1, 2))
        for system, own, rank in zip(systems, table, ranks, strict=True):
            low, high = interval(own[:, -1])
            means = " | ".join(f"{value:.2f}" for value in own.mean(axis=0)[1::2])
            lines.append(f"| {system} | {means} | {low:.2f} to {high:.2f} | {rank:.2f} |")
        lines.append("")
    return "\n".join(lines)


def best_known(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """The least loss that any run has found on each task."""
    best: dict[str, float] = {}
    for outcome in outcomes:
        last = outcome.losses[-1]
        best[outcome.cell.task] = min(best.get(outcome.cell.task, 1.0), 1.0 if last is None else last)
    return best


def regrets(outcomes: list[Outcome], systems: list[str], best: dict[str, float]) -> np.ndarray:
    """Shape (systems, runs, points of time), of the runs that all systems have done; before a result the loss is 1."""
    losses = {(o.cell.system, o.cell.task, o.cell.seed): o.losses for o in outcomes}
    runs = sorted({(task, seed) for _, task, seed in losses})
    runs = [run for run in runs if all((system, *run) in losses for system in systems)]
    table = [[[1.0 if loss is None else loss for loss in losses[(system, *run)]] for run in runs] for system in systems]
    regrets = np.array(table).reshape(len(systems), len(runs), N_POINTS)
    return 100 * (regrets - np.array([best[task] for task, _ in runs])[:, None])


def _ranks(regrets: np.ndarray) -> np.ndarray:
    """Among the systems, from 1; equal ones share the mean of their ranks."""
    less = (regrets[:, None] < regrets[None]).sum(axis=0)
    equal = (regrets[:, None] == regrets[None]).sum(axis=0)
    return less + (equal + 1) / 2


def interval(values: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(N_BOOTSTRAP, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
