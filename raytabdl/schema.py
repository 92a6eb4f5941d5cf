"""The columns of a table: what kind each is, and how its values become numbers and codes."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.inputs import Inputs

MAX_LEVELS = 1_000
"""Levels kept of one column, the most frequent first; the others share code 0 with unseen ones."""

MISSING = "\0missing"
"""The level of a missing category where the training table has one; no CSV or parquet string starts with NUL."""

_LARGEST = 1e30  # float32 ends at 3.4e38; sums and squares of scaled values must stay below it


class Kind(Enum):
    """What a column holds."""

    NUMBER = "number"
    DATETIME = "datetime"
    CATEGORY = "category"


@dataclass(frozen=True)
class Column:
    """One column of the training table.

    ``origin`` is subtracted from numbers before they become float32, so that large offsets (years,
    timestamps, ids) lose no precision; ``levels`` are the known categories, whose codes start at 1.
    """

    name: str
    kind: Kind
    origin: float = 0.0
    levels: tuple[str, ...] = ()


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

        Columns are matched by name; unknown ones are ignored with a warning. Raises DataError where a
        column is missing or a number cannot be read.
        """
        frame = self._aligned(to_frame(table))
        n_rows = len(frame)
        numeric, categorical = [], []
        for column in self.columns:
            values = frame[column.name]
            if column.kind is Kind.CATEGORY:
                categorical.append(_codes(values, column))
            else:
                numeric.append(_numbers(values, column))
        return Inputs(
            np.stack(numeric, axis=1) if numeric else np.empty((n_rows, 0), np.float32),
            np.stack(categorical, axis=1) if categorical else np.empty((n_rows, 0), np.int32),
            self.cardinalities,
        )

    def _aligned(self, frame: pd.DataFrame) -> pd.DataFrame:
        if not self.named or not has_names(frame):
            if frame.shape[1] != len(self.names):
                raise DataError(
                    f"X has {frame.shape[1]} features, but the model is expecting {len(self.names)} features as input"
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
            warnings.warn(f"columns that the model does not know are ignored: {extra}", UserWarning, stacklevel=3)
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

    Columns without a value, with one value throughout, and categories that differ in every row (ids) are
    dropped, with the reason.
    """
    if len(frame) == 0:
        # scikit-learn's estimator checks look for the first words.
        raise DataError("Found array with 0 sample(s): the table has 0 rows, at least 2 are needed")
    if frame.shape[1] == 0:
        raise DataError(
            f"0 feature(s) (shape=({len(frame)}, 0)) while a minimum of 1 is required: the table has no columns"
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


def to_frame(table: Any) -> pd.DataFrame:
    """A pandas frame of any table: pandas, polars, arrow, numpy, or a list of rows."""
    if isinstance(table, pd.DataFrame):
        return table
    if hasattr(table, "toarray"):
        # scikit-learn's estimator checks look for the first word.
        raise DataError(f"sparse input is not supported, got {type(table).__name__}; pass X.toarray()")
    if isinstance(table, (np.ndarray, list, tuple)):
        return _frame_of_array(table)
    import narwhals as nw

    try:
        return nw.from_native(table, eager_only=True).to_pandas()
    except TypeError:
        pass
    if hasattr(table, "__array__") or hasattr(table, "__array_interface__"):
        return _frame_of_array(table)
    raise DataError(f"X must be a table (pandas, polars, arrow, numpy, a list of rows), got {type(table).__name__}")


def _frame_of_array(table: Any) -> pd.DataFrame:
    array = np.asarray(table)
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
    return not isinstance(frame.columns, pd.RangeIndex)


def column_names(frame: pd.DataFrame) -> list[str]:
    """The names as strings; levels of a MultiIndex are joined by two underscores."""
    labels = frame.columns
    names = ["__".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in labels]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"duplicate column names: {twice}; rename or drop all but one of each")
    return names


def _infer_column(values: pd.Series, name: str) -> Column | str:
    """The column, or the reason why it is of no use."""
    kind = _kind(values, name)
    if kind is Kind.CATEGORY:
        keys = _level_keys(values, name)
        counts = keys.value_counts()
        if len(counts) == 0 or (len(counts) == 1 and counts.index[0] == MISSING):
            return "no value at all"
        if len(counts) == 1:
            return "one value throughout"
        if len(counts) == len(keys) and len(keys) > 20 and not isinstance(values.dtype, pd.CategoricalDtype):
            return "a different category in every row"
        return Column(name, kind, levels=tuple(counts.index[:MAX_LEVELS]))
    numbers_ = _as_float(values, kind, name)
    present = numbers_[np.isfinite(numbers_)]
    if len(present) == 0:
        return "no value at all"
    if (present == present[0]).all() and len(present) == len(numbers_):
        return "one value throughout"
    if np.isinf(numbers_).any():
        warnings.warn(
            f"column {name!r} has {int(np.isinf(numbers_).sum())} infinite values; they count as missing",
            UserWarning,
            stacklevel=4,
        )
    return Column(name, kind, origin=float(np.median(np.clip(present, -_LARGEST, _LARGEST))))


def _kind(values: pd.Series, name: str) -> Kind:
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return Kind.CATEGORY
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return Kind.DATETIME
    if pd.api.types.is_complex_dtype(dtype):
        raise DataError(f"Complex data not supported: column {name!r}; pass the real and the imaginary parts apart")
    if pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        return Kind.NUMBER
    if dtype == object:
        present = values[values.notna()]
        odd = next((v for v in present if isinstance(v, (list, dict, set, np.ndarray))), None)
        if odd is not None:
            # scikit-learn's estimator checks look for the words "must be a string or a real number".
            raise DataError(
                f"column {name!r} holds a {type(odd).__name__} in a cell; argument must be a string or a real number: "
                "spread it over columns of its own"
            )
        if any(isinstance(v, complex) for v in present):
            raise DataError(f"Complex data not supported: column {name!r}")
        if len(present) and all(isinstance(v, numbers.Number) or hasattr(v, "as_tuple") for v in present):
            return Kind.NUMBER
    return Kind.CATEGORY


def _as_float(values: pd.Series, kind: Kind, name: str) -> NDArray[np.float64]:
    """Values as float64, NaN where missing; datetimes in days since 1970 (UTC), timedeltas in seconds."""
    if kind is Kind.DATETIME:
        stamps = pd.to_datetime(values, utc=True, errors="coerce")
        days = (stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
        return days.to_numpy(np.float64, na_value=np.nan)
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        return values.dt.total_seconds().to_numpy(np.float64)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(np.float64, na_value=np.nan)
    read = pd.to_numeric(values.astype(object).where(values.notna(), None), errors="coerce").astype("float64")
    unread = read.isna() & values.notna()
    if unread.any():
        first = values[unread].iloc[0]
        raise DataError(
            f"column {name!r} held numbers in training and has {int(unread.sum())} values that are none here, "
            f"the first is {first!r} at index {values.index[unread][0]!r}"
        )
    return read.to_numpy(np.float64)


def _numbers(values: pd.Series, column: Column) -> NDArray[np.float32]:
    read = _as_float(values, column.kind, column.name)
    read = np.where(np.isinf(read), np.nan, np.clip(read, -_LARGEST, _LARGEST))
    return (read - column.origin).astype(np.float32)


def _level_keys(values: pd.Series, name: str) -> pd.Series:
    """The level of each row as a string, so that it outlives JSON, CSV and a change of dtype."""
    try:
        codes, uniques = pd.factorize(values, use_na_sentinel=True)
    except TypeError as error:
        raise DataError(f"column {name!r} holds values that are neither numbers nor categories: {error}") from error
    keys = np.array([*map(_key, uniques), MISSING], dtype=object)
    return pd.Series(keys[codes], index=values.index)


def _key(value: object) -> str:
    """1, 1.0 and "1" are one level: a missing value turns integers into floats without the user's knowing."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, numbers.Real) and float(value).is_integer() and abs(float(value)) < 2**53:
        return str(int(value))
    return str(value)


def _codes(values: pd.Series, column: Column) -> NDArray[np.int32]:
    index: dict[str, int] = {level: code for code, level in enumerate(column.levels, start=1)}
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    known: Iterable[int] = (index.get(_key(value), 0) for value in uniques)
    table = np.array([*known, index.get(MISSING, 0)], dtype=np.int32)
    return table[codes]
