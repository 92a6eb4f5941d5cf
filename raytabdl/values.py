"""The values of a column as numbers."""

from __future__ import annotations

import datetime
import math
import warnings
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError


def refuse_complex(name: str) -> NoReturn:
    raise DataError(
        f"Complex data not supported: column {name!r}; pass the real and the imaginary parts as two columns"
    )


def floats(values: pd.Series, name: str) -> NDArray[np.float64]:
    """Numbers as float64, NaN where missing: timedeltas are seconds, intervals their middle."""
    dtype = values.dtype
    if pd.api.types.is_complex_dtype(dtype):
        refuse_complex(name)
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
    read = np.array([as_number(value) for value in present], np.float64)
    _refuse_values(present[np.isnan(read)], "numbers", name)
    result = np.full(len(values), np.nan)
    result[values.notna().to_numpy()] = read
    return result


def as_number(value: Any) -> float:
    """The value as a float, infinite where it is too large, and NaN where it is no number."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, -1 if value < 0 else 1)
    except (TypeError, ValueError):
        return math.nan


def days(values: pd.Series, name: str) -> NDArray[np.float64]:
    """Dates and periods (their start) as days since 1970 in UTC, NaN where missing."""
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
