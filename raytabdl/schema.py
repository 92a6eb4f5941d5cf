"""The columns of a table: what kind each is, and how its values become numbers and codes."""

from __future__ import annotations

import datetime
import hashlib
import math
import numbers
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.inputs import Inputs
from raytabdl.tables import read_table
from raytabdl.values import as_number, days, floats, refuse_complex

MAX_LEVELS = 1_000
"""Levels kept of one column, the most frequent first; the others share code 0 with unseen ones."""

MISSING = "\0missing"
"""The level of a missing category where the training table has one; no CSV or parquet string starts with NUL."""

MAX_COLUMNS = 100_000
"""Columns of a table: reading 100,000 takes seconds, a million as long as many a fit."""

MAX_DENSE_BYTES = 2 << 30
"""What a sparse table may take once its zeros are written out."""

_MAX_LEVEL_LENGTH = 256
_ID_SHARE = 0.9
"""A column of text with more different values than this share of its rows tells rows apart, not kinds of rows."""

_MIN_ID_ROWS = 20

_MIN_TWIN_ROWS = 20
"""The rows without the most frequent value that columns must share to be the same for more than chance."""

LARGEST = 1e30  # float32 ends at 3.4e38; sums and squares of scaled values must stay below it


class Kind(Enum):
    """What a column holds."""

    NUMBER = "number"
    DATETIME = "datetime"
    ORDINAL = "ordinal"
    CATEGORY = "category"


@dataclass(frozen=True)
class Column:
    """One column of the training table.

    ``origin`` is subtracted from numbers before they become float32, so that large offsets (years,
    timestamps, ids) lose no precision; ``levels`` are the known categories, whose codes start at 1. The levels
    of an ordered category are in its order, and the position in it is its number.
    """

    name: str
    kind: Kind
    origin: float = 0.0
    levels: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether values that are no level are nothing new: the rare ones, or all that were not missing."""
        return len(self.levels) >= MAX_LEVELS or self.levels == (MISSING,)


@dataclass(frozen=True)
class Schema:
    """The columns that are learned from, in the order of the training table.

    ``named`` is False for a table without column names, whose columns are matched by position. ``dropped``
    maps each column that is not used to the reason.
    """

    names: tuple[str, ...]
    named: bool
    columns: tuple[Column, ...]
    dropped: Mapping[str, str]

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """The number of codes of each categorical column, the unseen level among them."""
        return tuple(1 + len(column.levels) for column in self.columns if column.kind is Kind.CATEGORY)

    def encode(self, table: Any) -> Inputs:
        """The rows of a table as numbers and codes.

        Columns are matched by name; unknown columns are ignored and unseen categories share code 0, both with a
        warning. Raises DataError where a column is missing or a number cannot be read.
        """
        frame = self._aligned(to_frame(table))
        n_rows = len(frame)
        numeric, categorical = [], []
        n_unseen: dict[str, int] = {}  # by column
        for column in self.columns:
            values = frame[column.name]
            if column.kind is Kind.CATEGORY or column.kind is Kind.ORDINAL:
                codes = _codes(values, column)
                if not column.is_open and (unseen := int(((codes == 0) & values.notna()).sum())):
                    n_unseen[column.name] = unseen
            if column.kind is Kind.CATEGORY:
                categorical.append(codes)
            elif column.kind is Kind.ORDINAL:
                numeric.append(np.where(codes == 0, np.nan, codes).astype(np.float32))
            else:
                numeric.append(_numbers(values, column))
        if n_unseen:
            warnings.warn(f"categories that training did not see, in rows by column: {n_unseen}", stacklevel=2)
        return Inputs(
            np.stack(numeric, axis=1) if numeric else np.empty((n_rows, 0), np.float32),
            np.stack(categorical, axis=1) if categorical else np.empty((n_rows, 0), np.int32),
            self.cardinalities,
        )

    def plain(self, table: Any) -> dict[str, NDArray[Any]]:
        """The columns that are learned from as what other languages have: float64, NaN where missing, or strings.

        Dates are days since 1970 in UTC. A missing category is "".
        """
        frame = self._aligned(to_frame(table))
        plain: dict[str, NDArray[Any]] = {}
        for column in self.columns:
            if column.kind in (Kind.CATEGORY, Kind.ORDINAL):
                codes, keys = _factorize(frame[column.name], column.name)
                plain[column.name] = np.array([*keys, ""], dtype=object)[codes]  # code -1 is missing
            else:
                plain[column.name] = _read(frame[column.name], column.kind, column.name)
        return plain

    def _aligned(self, frame: pd.DataFrame) -> pd.DataFrame:
        by_name = has_names(frame) and (self.named or set(column_names(frame)) == set(self.names))
        if not by_name:
            if frame.shape[1] != len(self.names):
                raise DataError(
                    f"X has {frame.shape[1]} features, but raytabdl is expecting {len(self.names)} features as input"
                )
            return frame.set_axis(list(self.names), axis=1)
        frame = frame.set_axis(column_names(frame), axis=1)
        missing = [name for name in self.names if name not in frame.columns and name not in self.dropped]
        if missing:
            raise DataError(
                f"columns missing from the table: {missing}; the model was fitted with {list(self.names)}, "
                f"this table has {list(frame.columns)}"
            )
        extra = [name for name in frame.columns if name not in self.names]
        if extra:
            warnings.warn(f"columns that the model does not know are ignored: {extra}", stacklevel=3)
        return frame

    def to_json(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "named": self.named,
            "dropped": dict(self.dropped),
            "columns": [
                {"name": c.name, "kind": c.kind.value, "origin": c.origin, "levels": list(c.levels)}
                for c in self.columns
            ],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Schema:
        columns = (Column(c["name"], Kind(c["kind"]), c["origin"], tuple(c["levels"])) for c in record["columns"])
        return cls(tuple(record["names"]), record["named"], tuple(columns), dict(record["dropped"]))


def infer_schema(frame: pd.DataFrame) -> Schema:
    """The schema of a training table.

    Columns without a value, with one value throughout, and categories that differ in nearly every row (ids, free
    text) are dropped, with the reason; of the latter it is learned where values are missing, if some are.
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
        column = _infer_column(frame[name], name)
        if isinstance(column, str):
            dropped[name] = column
        else:
            columns.append(column)
    return Schema(tuple(names), named, tuple(columns), dropped)


def without_twins(schema: Schema, inputs: Inputs) -> tuple[Schema, Inputs]:
    """The schema and the rows it encodes without columns that are the same as an earlier one in every row.

    Columns that hardly vary, such as two rare words of a text, may be the same by chance, and are kept.
    """
    numeric, numeric_twins = _twins([c for c in schema.columns if c.kind is not Kind.CATEGORY], inputs.numeric)
    categorical, categorical_twins = _twins([c for c in schema.columns if c.kind is Kind.CATEGORY], inputs.categorical)
    twins = {**numeric_twins, **categorical_twins}
    if not twins:
        return schema, inputs
    columns = tuple(column for column in schema.columns if column.name not in twins)
    dropped = {**schema.dropped, **{name: f"the same as column {first!r}" for name, first in twins.items()}}
    kept = replace(schema, columns=columns, dropped=dropped)
    rest = replace(
        inputs,
        numeric=inputs.numeric[:, numeric],
        categorical=inputs.categorical[:, categorical],
        cardinalities=kept.cardinalities,
    )
    return kept, rest


def _twins(columns: Sequence[Column], values: NDArray[Any]) -> tuple[list[int], dict[str, str]]:
    """The positions of the columns that are kept, and for the name of each other that of its twin among them."""
    first: dict[tuple[float, bytes], int] = {}
    kept: list[int] = []
    twins: dict[str, str] = {}
    for position, column in enumerate(columns):
        cells = np.ascontiguousarray(values[:, position])
        original = first.setdefault((column.origin, hashlib.sha256(cells.data).digest()), position)
        if original == position or len(cells) - np.unique(cells, return_counts=True)[1].max() < _MIN_TWIN_ROWS:
            kept.append(position)
        else:
            twins[column.name] = columns[original].name
    return kept, twins


def to_frame(table: Any) -> pd.DataFrame:
    """A pandas frame of any table: pandas, polars, arrow, numpy, scipy sparse, a list of rows, the path of a file."""
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, (str, PathLike)):
        return read_table(Path(table))
    if hasattr(table, "toarray"):
        return _frame_of_sparse(table)
    if isinstance(table, (np.ndarray, list, tuple)):
        return _frame_of_array(table)
    import narwhals as nw

    if hasattr(table, "__array__") and not hasattr(table, "columns"):
        return _frame_of_array(table)
    try:
        frame: pd.DataFrame = nw.from_native(table, eager_only=True).to_pandas()
        return frame
    except TypeError:
        pass
    if hasattr(table, "to_pandas"):  # a batch of arrow, a data set of Ray
        return to_frame(table.to_pandas())
    way_out = "; call its collect()" if hasattr(table, "collect") else ""
    raise DataError(
        "X must be a table (pandas, polars, arrow, numpy, scipy sparse, a list of rows, a path), "
        f"got {type(table).__name__}{way_out}"
    )


def _frame_of_sparse(table: Any) -> pd.DataFrame:
    """Raises DataError where the zeros would take too much memory."""
    if len(table.shape) == 2:
        n_rows, n_columns = table.shape
        needed = n_rows * n_columns * 8
        if needed > MAX_DENSE_BYTES:
            raise DataError(
                f"a sparse X of {n_rows:,} x {n_columns:,} with a density of {table.nnz / (n_rows * n_columns):.2g} "
                f"takes {needed / 1e9:.1f} GB once it is dense, more than {MAX_DENSE_BYTES / 1e9:.1f} GB: reduce its "
                "columns first, with TruncatedSVD or sklearn.feature_selection"
            )
    return _frame_of_array(table.toarray())


def _frame_of_array(table: Any) -> pd.DataFrame:
    if isinstance(table, (list, tuple)) and table and isinstance(table[0], Mapping):
        return pd.DataFrame(list(table))
    try:
        array = np.asanyarray(table)  # a masked array keeps its mask
    except ValueError as error:
        raise DataError(f"X must have rows of one length: {error}") from error
    if array.dtype.names:
        return pd.DataFrame(array)
    if array.dtype.kind in "US" and not isinstance(table, np.ndarray):
        array = np.asarray(table, dtype=object)  # numpy has made strings of the numbers and of what is missing
    if array.ndim != 2:
        raise DataError(
            f"Expected 2D array, got {array.ndim}D array with shape {array.shape}. Reshape your data either using "
            "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it contains a "
            "single sample."
        )
    if np.iscomplexobj(array):
        raise DataError("Complex data not supported: pass the real and the imaginary parts as two columns")
    return pd.DataFrame(array)


def has_names(frame: pd.DataFrame) -> bool:
    """Whether the columns have names of their own, not just positions."""
    # Columns in another order may be a range too, down to 0.
    return not (isinstance(frame.columns, pd.RangeIndex) and frame.columns.start == 0 and frame.columns.step == 1)


def column_names(frame: pd.DataFrame) -> list[str]:
    """The names as strings; levels of a MultiIndex are joined by two underscores."""
    names = ["__".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in frame.columns]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"duplicate column names (as strings): {twice}; rename or drop all but one of each")
    return names


def _infer_column(values: pd.Series, name: str) -> Column | str:
    """The column, or the reason why it is of no use."""
    kind = _kind(values, name)
    if kind is Kind.ORDINAL:
        levels = tuple(map(_key, values.cat.remove_unused_categories().cat.categories))
        if len(levels) < 2:
            return "one value throughout" if levels else "no value at all"
        return Column(name, kind, levels=levels)
    if kind is Kind.CATEGORY:
        return _infer_category(values, name)
    read = _read(values, kind, name)
    present = read[np.isfinite(read)]
    if len(present) == 0:
        return "no value at all"
    if (present == present[0]).all() and len(present) == len(read):
        return "one value throughout"
    if n_infinite := int(np.isinf(read).sum()):
        warnings.warn(f"column {name!r} has {n_infinite} infinite values; they count as missing", stacklevel=4)
    return Column(name, kind, origin=float(np.median(np.clip(present, -LARGEST, LARGEST))))


def _infer_category(values: pd.Series, name: str) -> Column | str:
    codes, keys = _factorize(values, name)
    counts: Counter[str] = Counter()
    for key, count in zip(keys, np.bincount(codes[codes >= 0], minlength=len(keys)).tolist(), strict=True):
        counts[key] += count
    n_missing = int((codes < 0).sum())
    if n_missing == len(values):
        return "no value at all"
    if len(counts) == 1 and n_missing == 0:
        return "one value throughout"
    n_present = len(values) - n_missing
    is_given = isinstance(values.dtype, pd.CategoricalDtype)
    if n_present > _MIN_ID_ROWS and len(counts) > _ID_SHARE * n_present and not is_given:
        if n_missing:
            return Column(name, Kind.CATEGORY, levels=(MISSING,))
        return f"{len(counts)} different values in {n_present} rows: ids or free text"
    if n_missing:
        counts[MISSING] = n_missing
    return Column(name, Kind.CATEGORY, levels=tuple(key for key, _ in counts.most_common(MAX_LEVELS)))


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


def _read(values: pd.Series, kind: Kind, name: str) -> NDArray[np.float64]:
    return days(values, name) if kind is Kind.DATETIME else floats(values, name)


def _numbers(values: pd.Series, column: Column) -> NDArray[np.float32]:
    read = _read(values, column.kind, column.name)
    read = np.where(np.isinf(read), np.nan, np.clip(read, -LARGEST, LARGEST))
    return np.asarray(read - column.origin, np.float32)


def _factorize(values: pd.Series, name: str) -> tuple[NDArray[np.intp], Sequence[str]]:
    """The code of each row, -1 where missing, and the level of each code: a string, which outlives JSON, CSV and a
    change of dtype. Two codes may share a level.
    """
    try:
        codes, uniques = pd.factorize(values, use_na_sentinel=True)
    except (TypeError, NotImplementedError) as error:
        raise DataError(
            f"column {name!r} of dtype {values.dtype} holds values that are neither numbers nor categories ({error}): "
            "spread them over columns of their own"
        ) from error
    return codes, [_key(value) for value in uniques]


def _key(value: Any) -> str:
    """1, 1.0, True and "1" are one level: the numbers are equal to pandas; gaps make floats of integers."""
    number = as_number(value) if isinstance(value, (numbers.Number, np.bool_)) else math.nan
    text = str(int(value)) if number.is_integer() else str(value)
    if len(text) <= _MAX_LEVEL_LENGTH:
        return text
    return f"{text[:64]}... {hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def _codes(values: pd.Series, column: Column) -> NDArray[np.int32]:
    code_of = {level: code for code, level in enumerate(column.levels, start=1)}
    codes, keys = _factorize(values, column.name)
    table = np.array([*(code_of.get(key, 0) for key in keys), code_of.get(MISSING, 0)], dtype=np.int32)
    return table[codes]
