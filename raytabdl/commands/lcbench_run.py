"""`raytabdl lcbench run`: learning curves of random configurations on the user's own tables."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import PRESET
from raytabdl.commands.study import ProgressLine, counted, read_tasks, study_options


@click.command("run")
@study_options
@click.option("--preset", type=PRESET, default="small", show_default=True)
@click.option("--configs", "n_configs", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--seeds", "n_seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Of each of them.")
@click.option("--epochs", "n_epochs", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--most-seconds", type=click.FloatRange(min=0, min_open=True), help="Of one curve, broken off then.")
def make_curves(
    sources: tuple[str, ...],
    names: tuple[str, ...],
    max_rows: int | None,
    seed: int,
    n_workers: int | None,
    seconds: float,
    dry_run: bool,
    out: Path,
    preset: str,
    n_configs: int,
    n_seeds: int,
    n_epochs: int,
    most_seconds: float | None,
) -> None:
    """Record learning curves of random configurations on SOURCES.

    A source is a folder with a manifest.json, a list of records with name, target, and perhaps task and file, or
    FILE:TARGET. A fifth of the rows is the test set, and a fifth of the others is for validation.

    The small preset is LCBench's space; of the others the networks are taken. Classifications and regressions have
    different scores: what is to be drawn in one picture must be of one kind. A curve that is broken off, or whose loss
    becomes infinite, has no values from there on.

    What is finished is kept in the folder, and the same command goes on after a kill at any time. The folder can be
    asked and drawn meanwhile (lcbench info, query, plot); in the end full.json, light.json and full.parquet are written
    to it.
    """
    from raytabdl.curves.folder import LINES
    from raytabdl.exceptions import NoSuccessfulTrialError
    from raytabdl.runtime.cores import n_cores
    from raytabdl.runtime.lcbench_plan import CurveSettings, as_settings, begin, curve_cells, estimate, write_files
    from raytabdl.study_folder import StudyFolder

    settings = CurveSettings(preset, n_epochs, max_rows, seed, most_seconds)
    tasks = read_tasks(sources, names, max_rows, seed, with_test=True)
    cells = curve_cells(settings, [task.name for task in tasks], n_configs, n_seeds)
    folder = StudyFolder(out.absolute())
    found = estimate(cells, tasks, settings, folder)
    click.echo(
        f"{len(cells):,} curves, of {n_configs:,} configurations on {len(tasks)} data sets: "
        f"{found.line(n_workers or n_cores())}",
        err=True,
    )
    if dry_run:
        folder.check(as_settings(settings))
        return
    with folder.begun(as_settings(settings)):
        begin(folder, tasks)
        if found.n_finished < found.n_cells:
            from raytabdl.runtime.workers import workers

            with workers(n_workers, seconds) as team:
                from raytabdl.runtime.lcbench import record_curves

                watch = ProgressLine(team.n)
                record_curves(
                    cells, tasks, settings, folder, found, n_workers=team.n, is_over=team.is_over, watch=watch
                )
        if found.n_finished < found.n_cells:
            left = found.n_cells - found.n_finished
            click.echo(f"{left:,} curves are left; the same command goes on, and {out} can be read meanwhile")
            return
        if found.n_failed == found.n_cells:
            failures = (line.get("failure", "") for line in folder.records(LINES))
            raise NoSuccessfulTrialError(f"all {found.n_cells} trainings failed: {counted(failures)}")
        for path in write_files(folder.path):
            click.echo(f"{path} ({path.stat().st_size:,} bytes)")
