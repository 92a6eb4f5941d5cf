"""The levels of a category: strings, which outlive JSON, CSV and a change of dtype."""

from __future__ import annotations

import hashlib
import math
import numbers
from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.values import as_number

MAX_LEVELS = 1_000
"""Levels kept of one column, the most frequent first; the others share code 0 with unseen ones."""

MISSING = "\0missing"
"""The level of a missing category where the training table has one; no CSV or parquet string starts with NUL."""

_MAX_LEVEL_LENGTH = 256

_FEW_ROWS = 16
"""Rows that a dictionary tells apart: pandas has to be called for it, which takes as long as dozens of rows do."""


def factorize(
    values: pd.Series, name: str, known: Container[str] = frozenset()
) -> tuple[NDArray[np.intp], Sequence[str]]:
    """The code of each row, -1 where missing, and the level of each code: a string, which outlives JSON, CSV and a
    change of dtype. Two codes may share a level; ``known`` are the levels of training.
    """
    try:
        codes, uniques = _told_apart(values)
    except (TypeError, NotImplementedError) as error:
        raise DataError(
            f"column {name!r} of dtype {values.dtype} holds values that are neither numbers nor categories ({error}): "
            "spread them over columns of their own"
        ) from error
    return codes, [_known_level(value, known) for value in uniques]


def _told_apart(values: pd.Series) -> tuple[NDArray[np.intp], Iterable[Any]]:
    """The code of each row, -1 where missing, and the value of each code, in the order of their first rows."""
    if len(values) > _FEW_ROWS:
        return pd.factorize(values, use_na_sentinel=True)
    places: dict[Any, int] = {}
    cells = zip(_cells(values), values.array.isna().tolist(), strict=True)
    codes = [-1 if is_missing else places.setdefault(cell, len(places)) for cell, is_missing in cells]
    return np.array(codes, np.intp), places


def _cells(values: pd.Series) -> Iterable[Any]:
    """The values as Python has them, as ``pandas.factorize`` gives them."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values
    cells = (values.array[row] for row in range(len(values)))  # an iteration looks at all of the categories
    return (cell.item() if isinstance(cell, np.generic) else cell for cell in cells)


def _known_level(value: Any, known: Container[str]) -> str:
    """The level of a value, or how it is written where only that is known.

    Of the strings "0.0" and "true" pandas makes 0.0 and True in a file that lacks the odd word beside them.
    """
    level = level_of(value)
    if level in known or not isinstance(value, (numbers.Number, np.bool_)):
        return level
    text = str(value)
    return next((written for written in (text, text.lower(), text.upper()) if written in known), level)


def level_of(value: Any) -> str:
    """1, 1.0, True and "1" are one level: the numbers are equal to pandas; gaps make floats of integers."""
    number = as_number(value) if isinstance(value, (numbers.Number, np.bool_)) else math.nan
    text = str(int(value)) if number.is_integer() else str(value)
    if len(text) <= _MAX_LEVEL_LENGTH:
        return text
    return f"{text[:64]}... {hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"
