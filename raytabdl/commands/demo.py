"""`raytabdl demo`: a fit of a bundled table."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import NEW_RUN, Seconds, remaining, seed_option
from raytabdl.commands.console import show_table
from raytabdl.commands.leaderboard import for_people


@click.command()
@seed_option
@click.option("--time-limit", type=Seconds(), default=60.0, show_default=True, help="From the start of the command.")
@click.option("--out", type=NEW_RUN, help="The run folder to make.  [default: a new one below raytabdl_runs]")
@click.pass_obj
def demo(began: float, seed: int, time_limit: float, out: Path | str | None) -> None:
    """Fit the bundled table adult, and score it on held-out rows beside scikit-learn's HistGradientBoosting."""
    from raytabdl.demo import fit_demo, score_demo

    clf, held_out = fit_demo(lambda: remaining(began, time_limit), seed, out)
    board = clf.leaderboard()
    first = for_people(board).head(12)
    show_table(f"Leaderboard, on the validation rows: {len(first)} of {len(board)}", first)
    weights = board.loc[board["weight"] > 0, ["trial", "model", "weight"]]
    show_table("Ensemble", weights.sort_values("weight", ascending=False))
    show_table("Held-out rows", score_demo(clf, held_out))
    click.echo("HistGradientBoosting has its default settings and was fitted afterwards, on the same rows.")
    click.echo(f"The run is in {clf.folder_.path}")
