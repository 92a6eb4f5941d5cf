"""`raytabdl export`: a model for other runtimes."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import RUN


@click.command()
@click.argument("run", type=RUN)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    required=True,
    help="The file to write, such as model.onnx.",
)
def export(run: Path, out: Path) -> None:
    """Write RUN, a finished run or a saved model, as one ONNX graph with its preprocessing.

    Each column of the table is an input of shape (n, 1): numbers, booleans and dates (days since 1970) as float64, NaN
    where missing; categories as strings, "" where missing. Outputs are label and probabilities, or value.
    """
    from raytabdl.estimators import load

    if not out.parent.is_dir():
        raise click.BadParameter(f"{str(out.parent)!r} is no folder", param_hint="'--out'")
    load(run).to_onnx(out)
