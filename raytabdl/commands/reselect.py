"""`raytabdl reselect`: another ensemble of the models that a run has trained."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--metric", "metric_name", metavar="NAME", help="What to select by.  [default: that of the fit]")
@click.option("--size", type=click.IntRange(min=1), help="Picks at most: fewer members predict faster.  [default: 25]")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The saved model to write."
)
def reselect(run: Path, metric_name: str | None, size: int | None, out: Path) -> None:
    """Select the ensemble of RUN anew, among the models that it has kept; nothing is trained, RUN stays as it is."""
    from raytabdl.estimators import load

    load(run).reselect(out, metric=metric_name, ensemble_size=size)
