"""`raytabdl importance`: which hyperparameters matter in a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from raytabdl.commands.arguments import RUN
from raytabdl.commands.console import show_table

N_PAIRS = 5
"""Pairs that are shown to people."""


@click.command("importance")
@click.argument("run", type=RUN)
@click.option("--model", metavar="NAME", help="Only trials of this network or classic model.")
@click.option("--budget", type=click.IntRange(min=1), help="[default: the largest that 10 trials reached]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the forests.")
@click.option("--json", "as_json", is_flag=True, help="All shares, for programs.")
def show_importance(run: Path, model: str | None, budget: int | None, seed: int, as_json: bool) -> None:
    """Show which hyperparameters matter in RUN, over its whole space (fANOVA) and around its incumbent (LPI).

    Both are shares of the variance of the loss that trials are promoted on, in a forest fitted to the trials.
    """
    import pandas as pd

    from raytabdl.analysis.run_importance import importance_table, run_study
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_settings

    folder = RunFolder(run)
    read_settings(folder)  # refuses a folder that is no run
    study, reached = run_study(folder, model=model, budget=budget)
    table, importance = importance_table(study, seed=seed)
    pairs = [(first, second, share) for (first, second), share in importance.pairs.items()]
    if as_json:
        content = {
            "budget": reached,
            "trials": len(study.losses),
            "hyperparameters": table.to_dict("records"),
            "pairs": [{"names": [first, second], "fanova": share} for first, second, share in pairs],
        }
        click.echo(json.dumps(content, indent=1))
        return
    show_table(f"Importance, of {len(study.losses)} trials at budget {reached}", table)
    columns = ["first", "second", "fanova"]
    show_table("Pairs, beyond what each does alone", pd.DataFrame(pairs[:N_PAIRS], columns=columns))
