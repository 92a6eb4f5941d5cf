"""`raytabdl results`: all that a run has measured, as a table."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import OUTPUT, RUN
from raytabdl.tables import write_table


@click.command("results")
@click.argument("run", type=RUN)
@click.option("--out", type=OUTPUT, required=True, help="The file to write.")
def write_results(run: Path, out: Path) -> None:
    """Write all that RUN has measured: a row for each result, with a column for each hyperparameter."""
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_settings
    from raytabdl.search_results import search_results

    folder = RunFolder(run)
    read_settings(folder)  # refuses a folder that is no run
    write_table(search_results(folder), out)
