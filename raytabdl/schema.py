"""The columns of a table: what kind each is, and how its values become numbers and codes."""

from __future__ import annotations

import datetime
import math
import numbers
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.inputs import Inputs

MAX_LEVELS = 1_000
"""Levels kept of one column, the most frequent first; the others share code 0 with unseen ones."""

MISSING = "\0missing"
"""The level of a missing category where the training table has one; no CSV or parquet string starts with NUL."""

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
                # Of a column with too many levels the rare ones are unseen by design.
                if len(column.levels) < MAX_LEVELS and (unseen := int(((codes == 0) & values.notna()).sum())):
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
                plain[column.name] = _as_float(frame[column.name], column.kind, column.name)
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

    if hasattr(table, "__array__") and not hasattr(table, "columns"):
        return _frame_of_array(table)
    try:
        frame: pd.DataFrame = nw.from_native(table, eager_only=True).to_pandas()
        return frame
    except TypeError:
        pass
    raise DataError(f"X must be a table (pandas, polars, arrow, numpy, a list of rows), got {type(table).__name__}")


def _frame_of_array(table: Any) -> pd.DataFrame:
    try:
        array = np.asarray(table)
    except ValueError as error:
        raise DataError(f"X must have rows of one length: {error}") from error
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
    read = _as_float(values, kind, name)
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
    if len(counts) == len(values) > 20 and not isinstance(values.dtype, pd.CategoricalDtype):
        return "a different category in every row"
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
        _refuse_complex(name)
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
        _refuse_complex(name)
    if types and all(issubclass(t, datetime.date) for t in types):
        return Kind.DATETIME
    if types and all(issubclass(t, (numbers.Number, np.number, np.bool_)) for t in types):
        if any(value != _number(value) for value in present if not isinstance(value, np.generic)):
            warnings.warn(f"column {name!r} loses digits: its values are rounded to float64", stacklevel=5)
        return Kind.NUMBER
    if len(types) > 1:
        seen = sorted(t.__name__ for t in types)
        warnings.warn(f"column {name!r} holds values of several types, {seen}; they count as categories", stacklevel=5)
    return Kind.CATEGORY


def _refuse_complex(name: str) -> NoReturn:
    raise DataError(
        f"Complex data not supported: column {name!r}; pass the real and the imaginary parts as two columns"
    )


def _as_float(values: pd.Series, kind: Kind, name: str) -> NDArray[np.float64]:
    """Values as float64, NaN where missing.

    Datetimes and periods (their start) are days since 1970 in UTC, timedeltas seconds, intervals their middle.
    """
    if kind is Kind.DATETIME:
        return _days(values, name)
    dtype = values.dtype
    if pd.api.types.is_complex_dtype(dtype):
        _refuse_complex(name)
    if isinstance(dtype, pd.IntervalDtype):
        values = pd.Series(pd.arrays.IntervalArray(values).mid, index=values.index)
    elif dtype.kind == "m":
        return np.asarray(values.dt.total_seconds().to_numpy(np.float64, na_value=np.nan))
    elif dtype.kind == "M":
        _refuse_values(values, "numbers", name)
    if pd.api.types.is_numeric_dtype(values.dtype) or dtype.kind == "b":
        return np.asarray(values.to_numpy(np.float64, na_value=np.nan))
    if any(isinstance(value, str) for value in values.head(100)):
        warnings.warn(f"column {name!r} held numbers in training and holds strings here; they are read", stacklevel=5)
    present = values[values.notna()]
    read = np.array([_number(value) for value in present], np.float64)
    _refuse_values(present[np.isnan(read)], "numbers", name)
    result = np.full(len(values), np.nan)
    result[values.notna().to_numpy()] = read
    return result


def _number(value: Any) -> float:
    """The value as a float, infinite where it is too large, and NaN where it is no number."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, -1 if value < 0 else 1)
    except (TypeError, ValueError):
        return math.nan


def _days(values: pd.Series, name: str) -> NDArray[np.float64]:
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    if not pd.api.types.is_datetime64_any_dtype(values.dtype) or values.dtype.type is datetime.date:
        stamps = _stamps_of_objects(values, name)
    else:
        naive = values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
        # Microseconds reach from the year -290,000 to 290,000; nanoseconds, the default of pandas 2, end in 2262.
        stamps = naive.to_numpy("datetime64[us]", na_value=np.datetime64("NaT"))
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 86_400e6)


def _stamps_of_objects(values: pd.Series, name: str) -> NDArray[np.datetime64]:
    """Raises DataError where a value is no date, or only some have a timezone."""
    is_present = values.notna().to_numpy()
    present = values[is_present].astype(object)
    aware = [getattr(value, "tzinfo", None) is not None for value in present]
    if any(aware) and not all(aware):
        raise DataError(
            f"column {name!r} mixes {sum(aware)} dates with a timezone and {len(aware) - sum(aware)} without, the "
            f"first without at index {present.index[aware.index(False)]}; give all of them one, or none"
        )
    if any(isinstance(value, str) for value in present):
        read = pd.to_datetime(present, utc=True, errors="coerce", format="ISO8601").dt.tz_localize(None)
        stamps = read.to_numpy("datetime64[us]")
    else:
        stamps = np.array([_stamp(value) for value in present], "datetime64[us]")
    _refuse_values(present[np.isnat(stamps)], "dates", name)
    result = np.full(len(values), np.datetime64("NaT"), "datetime64[us]")
    result[is_present] = stamps
    return result


def _stamp(value: object) -> np.datetime64:
    """The date in UTC, NaT where the value is none."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return np.datetime64(value, "us") if isinstance(value, datetime.date) else np.datetime64("NaT")


def _refuse_values(bad: pd.Series, wanted: str, name: str) -> None:
    """Raises DataError where there are bad values."""
    if len(bad):
        raise DataError(
            f"column {name!r} held {wanted} in training and has {len(bad)} values that are none here, the first is "
            f"{bad.iloc[0]!r} at index {bad.index[0]}; mend them or make them missing"
        )


def _numbers(values: pd.Series, column: Column) -> NDArray[np.float32]:
    read = _as_float(values, column.kind, column.name)
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
    number = _number(value) if isinstance(value, (numbers.Number, np.bool_)) else math.nan
    return str(int(value)) if number.is_integer() else str(value)


def _codes(values: pd.Series, column: Column) -> NDArray[np.int32]:
    code_of = {level: code for code, level in enumerate(column.levels, start=1)}
    codes, keys = _factorize(values, column.name)
    table = np.array([*(code_of.get(key, 0) for key in keys), code_of.get(MISSING, 0)], dtype=np.int32)
    return table[codes]
