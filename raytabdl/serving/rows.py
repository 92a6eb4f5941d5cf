"""JSON in, JSON out: what a request must hold, and what it is answered with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from raytabdl.exceptions import DataError
from raytabdl.inputs import Array
from raytabdl.predictor import Predictor
from raytabdl.schema import Column, Kind, Schema

_WORDS = {
    Kind.NUMBER: "numbers",
    Kind.DATETIME: "dates as in ISO 8601",
    Kind.ORDINAL: "one of the categories",
    Kind.CATEGORY: "a category",
    Kind.TEXT: "a text",
}

_LARGEST_NUMBER = 2**1000
"""An integer of JSON has any size, and a float64 ends at 2**1024."""


class BadRequestError(DataError):
    """A request that cannot be answered: the status of HTTP, and the columns that are to blame, if any are."""

    def __init__(self, status: int, message: str, columns: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.columns = tuple(columns)

    def content(self) -> dict[str, Any]:
        return {"error": str(self), "columns": list(self.columns)}


def read_rows(body: bytes, schema: Schema) -> pd.DataFrame:
    """The table of a request, ``{"rows": [{column: value, ...}, ...]}``.

    Each row names every column that the model was fitted with, null where missing; others are ignored. Dates are ISO
    8601. Raises BadRequestError where the body is something else (400), and where columns are missing or hold values
    that the model cannot read (422).
    """
    rows = _rows_of(body)
    needed = [name for name in schema.names if name not in schema.dropped]
    missing = [name for name in needed if any(name not in row for row in rows)]
    if missing:
        raise BadRequestError(422, f"columns missing from some rows: {missing}; null is a missing value", missing)
    wrong = {}
    for column in schema.columns:
        value = next((row[column.name] for row in rows if not _is_readable(row[column.name], column)), None)
        if value is not None:
            wrong[column.name] = f"{column.name!r} must hold {_WORDS[column.kind]}, got {value!r}"
    if wrong:
        raise BadRequestError(422, f"values that the model cannot read: {'; '.join(wrong.values())}", list(wrong))
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in needed})


def _rows_of(body: bytes) -> list[Mapping[str, Any]]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(400, f"the body must be JSON: {error}") from error
    rows = content.get("rows") if isinstance(content, dict) else None
    if not (isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)):
        raise BadRequestError(400, 'the body must be {"rows": [{column: value, ...}, ...]} with at least one row')
    return rows


def _is_readable(value: Any, column: Column) -> bool:
    if value is None:
        return True
    if column.form and isinstance(value, str):
        return True  # of strings, what cannot be read counts as missing
    if column.kind is Kind.NUMBER:
        return isinstance(value, (bool, int, float)) and not abs(value) > _LARGEST_NUMBER
    if column.kind is Kind.DATETIME:
        return isinstance(value, str) and not pd.isna(pd.to_datetime(value, errors="coerce", format="ISO8601"))
    return isinstance(value, (bool, int, float, str))


def answer(predictor: Predictor, predictions: Array) -> dict[str, Any]:
    """The answer to a request: ``predictions``, and of a classifier the ``probabilities`` of each class by its name.

    A label that JSON lacks, such as a date, stands for itself as a string.
    """
    if predictor.classes is None:
        return {"predictions": predictions.tolist()}
    names = [str(_in_json(label)) for label in predictor.classes]
    return {
        "predictions": [_in_json(label) for label in predictor.decide(predictions)],
        "probabilities": [dict(zip(names, row, strict=True)) for row in predictions.tolist()],
    }


def description(predictor: Predictor) -> dict[str, Any]:
    """What the model predicts, and the columns that a row must name."""
    kinds = {column.name: column.kind.value for column in predictor.schema.columns}
    names = [name for name in predictor.schema.names if name not in predictor.schema.dropped]
    described: dict[str, Any] = {
        "task": predictor.target.task_type.value,
        "columns": [{"name": name, "kind": kinds[name]} for name in names],
    }
    if predictor.classes is None:
        return described
    return {**described, "classes": [_in_json(label) for label in predictor.classes]}


def _in_json(label: Any) -> str | bool | int | float:
    """A label as JSON can hold it: strings, booleans and numbers as they are, and others as they are printed.

    >>> _in_json(np.int64(3)), _in_json(np.datetime64("2020-05-01")), _in_json(b"yes")
    (3, '2020-05-01', 'yes')
    """
    if isinstance(label, (np.bool_, np.number)) and not isinstance(label, np.timedelta64):  # which numpy counts as one
        label = label.item()
    if isinstance(label, bytes):
        with suppress(UnicodeDecodeError):
            return label.decode()
    if isinstance(label, (str, bool, int)) or (isinstance(label, float) and math.isfinite(label)):
        return label
    return str(label)
