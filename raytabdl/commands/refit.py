"""`raytabdl refit`: the models of a run trained again on all rows."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import RUN
from raytabdl.commands.console import show_table


@click.command()
@click.argument("run", type=RUN)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds; a model that would not end in them is not trained.  [default: none]",
)
def refit(run: Path, time_limit: float | None) -> None:
    """Train the ensemble of RUN again, on all rows of its table; RUN predicts with these models from then on.

    There is one model in the place of those of the folds, so it predicts faster too.
    """
    from raytabdl.estimators import load

    show_table("Trained again on all rows", load(run).refit(time_limit=time_limit))
