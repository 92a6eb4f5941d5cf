"""`raytabdl reselect`: another ensemble of the models that a run has trained."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import RUN


@click.command()
@click.argument("run", type=RUN)
@click.option("--metric", "metric_name", metavar="NAME", help="What to select by.  [default: that of the fit]")
@click.option("--size", type=click.IntRange(min=1), help="Picks at most: fewer members predict faster.  [default: 25]")
@click.option(
    "--infer-limit",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds that predicting --infer-rows rows may take, all together, as measured here.  [default: none]",
)
@click.option(
    "--infer-rows", type=click.IntRange(min=1), default=1, show_default=True, help="Rows that are predicted at once."
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The saved model to write."
)
def reselect(
    run: Path, metric_name: str | None, size: int | None, infer_limit: float | None, infer_rows: int, out: Path
) -> None:
    """Select the ensemble of RUN anew, among the models that it has kept.

    Nothing is trained, and RUN stays as it is. Says what the new model takes to predict.
    """
    from raytabdl.estimators import load

    seconds = load(run).reselect(
        out, metric=metric_name, ensemble_size=size, infer_limit_s=infer_limit, infer_rows=infer_rows
    )
    rows = "1 row" if infer_rows == 1 else f"{infer_rows:,} rows"
    click.echo(f"{out} predicts {rows} in {seconds:.2g} s")
