"""`raytabdl predict`: what a run predicts of a table from a file."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import INPUT, OUTPUT, RUN
from raytabdl.tables import read_table, write_table


@click.command()
@click.argument("run", type=RUN)
@click.argument("table", type=INPUT)
@click.option("--out", type=OUTPUT, required=True, help="The file to write.")
@click.option("--proba", is_flag=True, help="A column for each class, named by the class.")
def predict(run: Path, table: Path, out: Path, proba: bool) -> None:
    """Predict the rows of TABLE with RUN, a finished run or a saved model.

    Writes a column `prediction`, or with --proba a column for each class.
    """
    import pandas as pd

    from raytabdl.estimators import TabularClassifier, load
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run_json import read_target

    estimator = load(run)
    frame = read_table(table).drop(columns=read_target(RunFolder(run)), errors="ignore")
    if not proba:
        predictions = pd.DataFrame({"prediction": estimator.predict(frame)})
    elif isinstance(estimator, TabularClassifier):
        names = [str(label) for label in estimator.classes_]
        predictions = pd.DataFrame(estimator.predict_proba(frame), columns=names)
    else:
        raise click.BadParameter(f"{run} predicts a number, which has no probabilities", param_hint="'--proba'")
    write_table(predictions, out)
