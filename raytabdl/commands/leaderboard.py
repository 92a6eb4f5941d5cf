"""`raytabdl leaderboard`: what a run tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from raytabdl.commands.arguments import RUN
from raytabdl.commands.console import show_table

if TYPE_CHECKING:
    import pandas as pd


@click.command("leaderboard")
@click.argument("run", type=RUN)
@click.option("--json", "as_json", is_flag=True, help="All columns, for programs.")
def show_leaderboard(run: Path, as_json: bool) -> None:
    """Show what RUN tried, best first."""
    from raytabdl.leaderboard import leaderboard
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_settings

    folder = RunFolder(run)
    read_settings(folder)  # refuses a folder that is no run
    table = leaderboard(folder)
    if as_json:
        rows = json.loads(table.to_json(orient="records", double_precision=15))
        click.echo(json.dumps({"metric": table.attrs["metric"], "trials": rows}, indent=1))
    else:
        show_table("Leaderboard, on the validation rows", for_people(table))


def for_people(board: pd.DataFrame) -> pd.DataFrame:
    """The leaderboard with the metric's own values: its loss goes where they are there as well."""
    metric = board.attrs["metric"]
    if metric in board.columns:
        return board.drop(columns="loss")
    return board.rename(columns={"loss": f"{metric} (loss)"})
