"""`raytabdl space`: what is searched."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import PRESET, UPDATES, searched
from raytabdl.commands.console import show_table


@click.command("space")
@click.option("--preset", "name", type=PRESET, default="medium", show_default=True)
@click.option("--updates", type=UPDATES, help="A YAML file of updates.")
def show_space(name: str, updates: Path | None) -> None:
    """Show what is searched: each hyperparameter with its values and where it is active.

    A line of a YAML file changes one: `network.mlp.n_layers: {high: 8}`, or fixes it: `network.mlp.scaler: robust`.
    """
    from raytabdl.describe import describe
    from raytabdl.presets import preset

    table = describe(preset(searched(name, updates)))
    show_table(f"The {name} space: {len(table)} hyperparameters", table)
