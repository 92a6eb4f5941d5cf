"""`raytabdl evaluate`: the scores of a run on a labelled table."""

from __future__ import annotations

import json
from pathlib import Path

import click

from raytabdl.commands.arguments import RUN
from raytabdl.commands.console import show_table
from raytabdl.tables import read_table


@click.command("evaluate")
@click.argument("run", type=RUN)
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--target", metavar="COLUMN", help="The column of the truth.  [default: the one of the fit]")
@click.option("--json", "as_json", is_flag=True, help="The same, for programs.")
def evaluate(run: Path, table: Path, target: str | None, as_json: bool) -> None:
    """Score RUN, a finished run or a saved model, on TABLE by all metrics of its kind of task."""
    import pandas as pd

    from raytabdl.estimators import load
    from raytabdl.persistence import finite
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_target

    estimator = load(run)
    frame = read_table(table)
    names = [target] if target is not None else read_target(RunFolder(run))
    if not names:
        raise click.BadParameter("the fit had no name for it; give the column of the truth", param_hint="'--target'")
    if names[0] not in frame.columns:
        raise click.BadParameter(f"{table} has no column {names[0]!r}; it has {list(frame)}", param_hint="'--target'")
    y = frame.pop(names[0])
    values = estimator.evaluate(frame, y)
    if as_json:
        click.echo(json.dumps({"rows": len(frame), "scores": finite(values)}, indent=1))
    else:
        show_table(f"Scores on {len(frame):,} rows", pd.DataFrame(list(values.items()), columns=["metric", "value"]))
