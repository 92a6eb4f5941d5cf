"""`raytabdl evaluate`: the scores of a run on a labelled table."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from raytabdl.commands.console import show_table
from raytabdl.exceptions import DataError
from raytabdl.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

    from raytabdl.inputs import Array
    from raytabdl.predictor import Predictor


@click.command("evaluate")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--target", metavar="COLUMN", help="The column of the truth.  [default: the one of the fit]")
@click.option("--json", "as_json", is_flag=True, help="The same, for programs.")
def evaluate(run: Path, table: Path, target: str | None, as_json: bool) -> None:
    """Score RUN, a finished run or a saved model, on TABLE by all metrics of its kind of task."""
    import pandas as pd

    from raytabdl.estimators import load
    from raytabdl.run_folder import RunFolder
    from raytabdl.runtime.run import read_target

    predictor = load(run).predictor_
    frame = read_table(table)
    names = [target] if target is not None else read_target(RunFolder(run))
    if not names:
        raise click.BadParameter("the fit had no name for it; give the column of the truth", param_hint="'--target'")
    if names[0] not in frame.columns:
        raise click.BadParameter(f"{table} has no column {names[0]!r}; it has {list(frame)}", param_hint="'--target'")
    values = scores(predictor, frame, frame.pop(names[0]))
    if as_json:
        plain = {name: value if math.isfinite(value) else None for name, value in values.items()}
        click.echo(json.dumps({"rows": len(frame), "scores": plain}, indent=1))
    else:
        show_table(f"Scores on {len(frame):,} rows", pd.DataFrame(list(values.items()), columns=["metric", "value"]))


def scores(predictor: Predictor, X: Any, y: pd.Series) -> dict[str, float]:
    """The value of each metric; NaN where it is not defined. Raises DataError where a target cannot be scored."""
    import numpy as np

    from raytabdl.decisions import as_measured
    from raytabdl.metrics import CLASSIFICATION, REGRESSION

    truth = _codes(predictor, y) if predictor.classes is not None else _numbers(y)
    predictions, factors = predictor.predict(X), predictor.ensemble.factors
    known = REGRESSION if predictor.classes is None else CLASSIFICATION
    with np.errstate(invalid="ignore"):  # the logarithm of what is below -1
        return {name: metric.value(truth, as_measured(predictions, factors, name)) for name, metric in known.items()}


def _codes(predictor: Predictor, y: pd.Series) -> Array:
    import numpy as np
    import pandas as pd

    assert predictor.classes is not None
    _check_rows(y)
    codes = pd.Index(predictor.classes).get_indexer(pd.Index(y.to_numpy()))
    if (codes < 0).any():
        unknown = sorted(map(str, y[codes < 0].unique()))
        raise DataError(
            f"column {y.name!r} has {int((codes < 0).sum())} targets of classes that training did not see, {unknown}; "
            f"it saw {predictor.classes.tolist()}: drop these rows"
        )
    return np.asarray(codes, np.float64)


def _numbers(y: pd.Series) -> Array:
    from raytabdl.task import encode_values

    _check_rows(y)
    return encode_values(y)


def _check_rows(y: pd.Series) -> None:
    if len(y) == 0:
        raise DataError("the table has 0 rows; at least one is needed for a score")
    if missing := int(y.isna().sum()):
        raise DataError(f"column {y.name!r} has {missing} missing targets; drop these rows")
