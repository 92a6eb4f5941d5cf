"""`raytabdl resume`: a run that was interrupted goes on."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import PRESET, UPDATES, Run, searched


@click.command()
@click.argument("run", type=Run(exists=True, file_okay=False))
@click.option("--preset", type=PRESET, help="Of a fit with --updates the same again.  [default: that of the fit]")
@click.option("--updates", type=UPDATES, help="The same file again.")
def resume(run: Path | str, preset: str | None, updates: Path | None) -> None:
    """Go on with RUN, which was interrupted, in the time that it has left."""
    from raytabdl import estimators

    estimators.resume(run, choices=searched(preset, updates), progress=True)
