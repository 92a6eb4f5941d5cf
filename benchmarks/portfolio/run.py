"""Makes the data: ``RAYTABDL_DATA=... python -m benchmarks.portfolio.run``; README.md says what it costs.

The three studies go on where they were broken off, also by ``--seconds``, which is for all of them together. What they
keep is below ``.studies``, or in the folder that ``--work`` names. Once the evaluations are complete, the table of
losses, the portfolios learned from all of them, and what portfolios learned without a table do on it are written to
``benchmarks/results``.
"""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

import click

from benchmarks.compare.tables import data_folder
from benchmarks.portfolio.judge import report
from benchmarks.portfolio.studies import FULL, PILOT, Study
from raytabdl.cli import commands
from raytabdl.evaluations import TABLE, read_evaluations

RESULTS = Path(__file__).parents[1] / "results"


@click.command()
@click.option("--pilot", is_flag=True, help="A few candidates on four tables: minutes instead of hours.")
@click.option("--study", "names", multiple=True, type=click.Choice([study.name for study in FULL]), help="Only this.")
@click.option("--seconds", default=math.inf, help="End after so many; the same command goes on.")
@click.option("--workers", type=int, help="[default: one for each CPU]")
@click.option("--dry-run", is_flag=True, help="Say what it costs, and do nothing.")
@click.option("--work", type=click.Path(path_type=Path), default=Path(".studies"), show_default=True)
def main(pilot: bool, names: tuple[str, ...], seconds: float, workers: int | None, dry_run: bool, work: Path) -> None:
    ends = time.monotonic() + seconds
    work = work / ("pilot" if pilot else "full")
    for study in PILOT if pilot else FULL:
        left_s = ends - time.monotonic()
        if left_s <= 0 or (names and study.name not in names):
            continue
        click.echo(f"== {study.name}")
        arguments = _arguments(study, work, left_s, workers, dry_run)
        commands.main(arguments, standalone_mode=False)
    if not dry_run and (work / "portfolio" / TABLE).exists():
        _learn(work, work / "results" if pilot else RESULTS)


def _arguments(study: Study, work: Path, left_s: float, workers: int | None, dry_run: bool) -> list[str]:
    arguments = [*study.command, str(data_folder()), "--out", str(work / study.name), "--seconds", str(left_s)]
    for table in study.tables:
        arguments += ["--only", table]
    if workers is not None:
        arguments += ["--workers", str(workers)]
    return [*arguments, "--dry-run"] if dry_run else arguments


def _learn(work: Path, results: Path) -> None:
    """Learns from what is there so far, and judges it."""
    results.mkdir(parents=True, exist_ok=True)
    folder = work / "portfolio"
    commands.main(["portfolio", "learn", str(folder), "--out", str(results / "portfolio")], standalone_mode=False)
    shutil.copyfile(folder / TABLE, results / "portfolio_losses.parquet")
    text = report(read_evaluations(folder))
    (results / "portfolio.md").write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main()
