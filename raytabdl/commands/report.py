"""`raytabdl report`: what a run did, as a page or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from raytabdl.commands.arguments import RUN

if TYPE_CHECKING:
    from raytabdl.predictor import Predictor
    from raytabdl.run_folder import RunFolder


@click.command("report")
@click.argument("run", type=RUN)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.  [default: report.html in RUN; JSON goes to standard output]",
)
@click.option("--json", "as_json", is_flag=True, help="The same facts, for programs.")
def write_report(run: Path, out: Path | None, as_json: bool) -> None:
    """Tell what RUN did, on one HTML page: data, scores, what matters, failures, how to run it again.

    Of a run that is going on, or that was interrupted, it tells what there is. The page needs nothing from elsewhere.
    """
    from raytabdl.report.collect import collect
    from raytabdl.report.page import page, to_json, write
    from raytabdl.run_folder import RunFolder

    folder = RunFolder(run.absolute())
    report = collect(folder, _predictor(folder))
    if as_json and out is None:
        click.echo(to_json(report))
        return
    path = out or run / "report.html"
    write(to_json(report) if as_json else page(report), path)
    click.echo(path)


def _predictor(folder: RunFolder) -> Predictor | None:
    """The ensemble of an ended run, where all models are classes that the package knows."""
    from raytabdl.persistence import read_json
    from raytabdl.predictor import load_selected
    from raytabdl.presets import preset
    from raytabdl.runtime.run_json import read_settings

    read_settings(folder)  # refuses a folder that is no run
    known = preset("full")
    names = {f"{model.__module__}.{model.__qualname__}" for model in (*known.networks, *known.classic)}
    searched = set(read_json(folder.run_json)["choices"].values())
    return load_selected(folder, known) if folder.is_finished and searched <= names else None
