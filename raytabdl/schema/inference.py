"""What kind each column of a training table is, and which of them nothing is learned from."""

from __future__ import annotations

import datetime
import hashlib
import numbers
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.frames import column_names, has_names
from raytabdl.inputs import Inputs
from raytabdl.schema.columns import LARGEST, Column, Kind, Schema
from raytabdl.schema.levels import MAX_LEVELS, MISSING, factorize, level_of
from raytabdl.texts import NUMBERS, TIME, form_of, is_missing
from raytabdl.values import PARTS, as_number, date_part, refuse_complex
from raytabdl.words import common_words

MAX_COLUMNS = 100_000
"""Columns of a table: reading 100,000 takes seconds, a million as long as many a fit."""

_ID_SHARE = 0.9
"""A column of text with more different values than this share of its rows tells rows apart, not kinds of rows."""

_TEXT_SHARE = 0.5
"""A column with more different values than this share of its rows may be free text: few of them come back."""

_MIN_ID_ROWS = 20

_ROW_NUMBERS = re.compile(r"|Unnamed: 0(\.\d+)*|index|level_0|__index_level_0__")
"""What the index of a table is called that was written into a file, or became a column, without a name of its own."""

ID = "ids or free text"
"""How the reason ends for which such a column is left out."""

_MIN_TWIN_ROWS = 20
"""The rows without the most frequent value that columns must share to be the same for more than chance."""


def infer_schema(frame: pd.DataFrame, time: str | None = None) -> Schema:
    """The schema of a training table.

    Columns without a value, with one value throughout, and categories that differ in nearly every row (ids, names) are
    dropped, with the reason; of the latter it is learned where values are missing, if some are. So is the index of
    another table, if there are other columns and it is not the ``time`` that the rows are in the order of. Free text is
    learned from by its words.
    """
    if len(frame) == 0:
        # scikit-learn's estimator checks look for the first words.
        raise DataError("Found array with 0 sample(s): the table has 0 rows, at least 2 are needed")
    if frame.shape[1] == 0:
        raise DataError(
            f"0 feature(s) (shape=({len(frame)}, 0)) while a minimum of 1 is required: the table has no columns"
        )
    if frame.shape[1] > MAX_COLUMNS:
        raise DataError(
            f"the table has {frame.shape[1]:,} columns, and at most {MAX_COLUMNS:,} are learned from: select or reduce "
            "them first, with sklearn.feature_selection or TruncatedSVD"
        )
    if len(frame) == 1:
        raise DataError("the table has 1 sample; at least 2 rows are needed to train and to validate")
    named = has_names(frame)
    names = column_names(frame)
    frame = frame.set_axis(names, axis=1)
    columns: list[Column] = []
    dropped: dict[str, str] = {}
    for name in names:
        found = _infer_columns(frame[name], name)
        if isinstance(found, str):
            dropped[name] = found
        else:
            columns += found
    used = dict.fromkeys(column.name for column in columns)
    indexes = [name for name in used if name != time and _is_index(frame[name], name)]
    if len(indexes) < len(used):
        columns = [column for column in columns if column.name not in indexes]
        dropped |= dict.fromkeys(indexes, "row numbers")
    return Schema(tuple(names), named, tuple(columns), dropped)


def _is_index(values: pd.Series, name: str) -> bool:
    """Whether a column has the name of an index, and a whole number of its own in each row."""
    if not _ROW_NUMBERS.fullmatch(name) or values.dtype.kind not in "iu":
        return False
    return bool(values.is_unique and not values.hasnans)


def row_numbers(schema: Schema, frame: pd.DataFrame) -> list[str]:
    """The columns that count the rows of the training table one by one, where there are others beside them."""
    used = {column.name for column in schema.columns}
    if len(used) < 2 or len(frame) <= _MIN_ID_ROWS:
        return []
    columns = ((name, frame.iloc[:, i]) for i, name in enumerate(schema.names) if name in used)
    return [name for name, values in columns if _counts_rows(values)]


def _counts_rows(values: pd.Series) -> bool:
    if values.dtype.kind not in "iu" or values.hasnans:
        return False
    cells = values.to_numpy()
    return all((np.diff(cells[:n]) == 1).all() for n in (_MIN_ID_ROWS, len(cells)))  # most differ in the first ones


def without_twins(schema: Schema, inputs: Inputs) -> tuple[Schema, Inputs]:
    """The schema and the rows it encodes without columns that are the same as an earlier one in every row.

    Columns that hardly vary, such as two rare words of a text, may be the same by chance, and are kept.
    """
    numeric, numeric_twins = _twins([c for c in schema.columns if c.kind is not Kind.CATEGORY], inputs.numeric)
    categorical, categorical_twins = _twins([c for c in schema.columns if c.kind is Kind.CATEGORY], inputs.categorical)
    twins = {**numeric_twins, **categorical_twins}
    if not twins:
        return schema, inputs
    columns = tuple(column for column in schema.columns if column.label not in twins)
    used = {column.name for column in columns}  # a date may go, and a part of it stay
    dropped = {**schema.dropped, **{name: f"the same as column {first!r}" for name, first in twins.items()}}
    dropped = {name: reason for name, reason in dropped.items() if name in schema.names and name not in used}
    kept = replace(schema, columns=columns, dropped=dropped)
    rest = replace(
        inputs,
        numeric=inputs.numeric[:, numeric],
        categorical=inputs.categorical[:, categorical],
        cardinalities=kept.cardinalities,
    )
    return kept, rest


def _twins(columns: Sequence[Column], values: NDArray[Any]) -> tuple[list[int], dict[str, str]]:
    """The positions of the columns that are kept, and for the label of each other that of its twin among them."""
    first: dict[tuple[float, bytes], int] = {}
    kept: list[int] = []
    twins: dict[str, str] = {}
    for position, column in enumerate(columns):
        cells = np.ascontiguousarray(values[:, position])
        original = first.setdefault((column.origin, hashlib.sha256(cells.data).digest()), position)
        if original == position or len(cells) - np.unique(cells, return_counts=True)[1].max() < _MIN_TWIN_ROWS:
            kept.append(position)
        else:
            twins[column.label] = columns[original].label
    return kept, twins


def _infer_columns(values: pd.Series, name: str) -> list[Column] | str:
    """What a column of the table is learned from as, or the reason why it is of no use."""
    kind = _kind(values, name)
    if kind is Kind.ORDINAL:
        levels = tuple(map(level_of, values.cat.remove_unused_categories().cat.categories))
        if not levels:
            return "no value at all"
        if len(levels) == 1 and not values.hasnans:
            return "one value throughout"
        return [Column(name, kind, levels=levels)]
    form = ""
    if kind is Kind.CATEGORY:
        form = _form(values, name)
        if not form:
            return _infer_category(values, name)
        kind = Kind.NUMBER if form in NUMBERS else Kind.DATETIME
    read = Column(name, kind, form=form).read(values)  # words among numbers are warned of once, here
    words = _words(values[np.isnan(read)]) if form else ()
    present = read[np.isfinite(read)]
    if len(present) == 0:
        return "no value at all"
    if (present == present[0]).all() and len(present) == len(read):
        return "one value throughout"
    if n_infinite := int(np.isinf(read).sum()):
        warnings.warn(f"column {name!r} has {n_infinite} infinite values; they count as missing", stacklevel=4)
    column = Column(name, kind, float(np.median(np.clip(present, -LARGEST, LARGEST))), form=form, words=words)
    return [column, *_parts(present, column)]


def _form(values: pd.Series, name: str) -> str:
    """How the strings or times of a column are numbers or dates; "" where they are neither, or cells of other kinds."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return ""  # who made it a category meant one
    present = values.dropna()
    if len(present) and all(isinstance(value, datetime.time) and value.tzinfo is None for value in present):
        return TIME
    if not all(isinstance(value, str) for value in present):
        return ""
    codes, texts = factorize(values, name)
    return form_of(texts, np.bincount(codes[codes >= 0], minlength=len(texts)).tolist())


def _words(texts: pd.Series) -> tuple[str, ...]:
    """The different strings that do not stand for a missing value."""
    return tuple(dict.fromkeys(text.strip() for text in texts.dropna().unique() if not is_missing(text)))


def _parts(present: NDArray[np.float64], column: Column) -> list[Column]:
    """The parts of a date that vary: what comes back each day, week, month or year."""
    if column.kind is not Kind.DATETIME:
        return []
    varying = [part for part in PARTS if np.ptp(date_part(present, part)) > 0]
    return [replace(column, origin=0.0, part=part) for part in varying]


def _infer_category(values: pd.Series, name: str) -> list[Column] | str:
    codes, levels = factorize(values, name)
    counts: Counter[str] = Counter()
    for level, count in zip(levels, np.bincount(codes[codes >= 0], minlength=len(levels)).tolist(), strict=True):
        counts[level] += count
    n_missing = int((codes < 0).sum())
    if n_missing == len(values):
        return "no value at all"
    if len(counts) == 1 and n_missing == 0:
        return "one value throughout"
    n_present = len(values) - n_missing
    is_given = isinstance(values.dtype, pd.CategoricalDtype)
    share = len(counts) / n_present if n_present > _MIN_ID_ROWS and not is_given else 0.0
    if share > _TEXT_SHARE and (words := common_words(values)):
        return [Column(name, Kind.TEXT, part=word) for word in ("", *words)]
    if share > _ID_SHARE:
        if n_missing:
            return [Column(name, Kind.CATEGORY, levels=(MISSING,))]
        return f"{len(counts)} different values in {n_present} rows: {ID}"
    if n_missing:
        counts[MISSING] = n_missing
    return [Column(name, Kind.CATEGORY, levels=tuple(level for level, _ in counts.most_common(MAX_LEVELS)))]


def _kind(values: pd.Series, name: str) -> Kind:
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return Kind.ORDINAL if dtype.ordered else Kind.CATEGORY
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return Kind.DATETIME
    if pd.api.types.is_complex_dtype(dtype):
        refuse_complex(name)
    if pd.api.types.is_numeric_dtype(dtype) or dtype.kind in "bm" or isinstance(dtype, pd.IntervalDtype):
        return Kind.NUMBER
    return _kind_of_objects(values, name) if dtype.kind == "O" and _holds_objects(values) else Kind.CATEGORY


def _holds_objects(values: pd.Series) -> bool:
    """Whether the cells are Python objects of any type: those of a string dtype are strings or missing."""
    return not isinstance(values.dtype, (pd.StringDtype, pd.ArrowDtype))


def _kind_of_objects(values: pd.Series, name: str) -> Kind:
    """What Python objects are: numbers or dates where all of them are, else categories."""
    present = values[values.notna()]
    types = set(map(type, present))
    container = next((t for t in types if issubclass(t, (list, dict, set, np.ndarray))), None)
    if container is not None:
        # scikit-learn's estimator checks look for the words "must be a string or a real number".
        raise DataError(
            f"column {name!r} holds a {container.__name__} in a cell; argument must be a string or a real number: "
            "spread it over columns of its own"
        )
    if any(issubclass(t, (complex, np.complexfloating)) for t in types):
        refuse_complex(name)
    if types and all(issubclass(t, datetime.date) for t in types):
        return Kind.DATETIME
    if types and all(issubclass(t, (numbers.Number, np.number, np.bool_)) for t in types):
        if any(value != as_number(value) for value in present if not isinstance(value, np.generic)):
            warnings.warn(f"column {name!r} loses digits: its values are rounded to float64", stacklevel=5)
        return Kind.NUMBER
    if len(types) > 1:
        seen = sorted(t.__name__ for t in types)
        warnings.warn(f"column {name!r} holds values of several types, {seen}; they count as categories", stacklevel=5)
    return Kind.CATEGORY
