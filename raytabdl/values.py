"""The values of a column as numbers."""

from __future__ import annotations

import datetime
import math
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.texts import NUMBERS, TIME, is_missing, read_dates, read_numbers


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
        _refuse_values(values, np.ones(len(values), bool), "numbers", name)
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return values.to_numpy(np.float64)
    if pd.api.types.is_numeric_dtype(values.dtype) or dtype.kind == "b":
        return np.asarray(values.to_numpy(np.float64, na_value=np.nan))
    cells = values.to_numpy(object)
    if any(isinstance(value, str) for value in cells[:100]):
        warnings.warn(f"column {name!r} held numbers in training and holds strings here; they are read", stacklevel=5)
    is_present = pd.notna(cells)
    result = np.full(len(cells), np.nan)
    result[is_present] = [as_number(value) for value in cells[is_present]]
    is_bad = is_present & np.isnan(result)
    is_bad[is_bad] = [not (isinstance(value, str) and is_missing(value)) for value in cells[is_bad]]
    _refuse_values(values, is_bad, "numbers", name)
    return result


def of_texts(values: pd.Series, form: str, name: str, words: Sequence[str] = ()) -> NDArray[np.float64]:
    """What strings of a form are: numbers, times of a day in hours, or dates as days since 1970, NaN where missing.

    A later table may hold the numbers, times or dates themselves. What is neither counts as missing, with a warning
    unless it is one of the ``words`` that stood among them in training.
    """
    dtype = values.dtype
    if pd.api.types.is_numeric_dtype(dtype) and form in NUMBERS:
        return floats(values, name)
    if pd.api.types.is_datetime64_any_dtype(dtype) and form not in NUMBERS:
        return days(values, name)
    codes, uniques = pd.factorize(values.astype(object), use_na_sentinel=True)
    texts = [str(value).strip() for value in uniques]
    if form in NUMBERS:
        read = read_numbers(texts, form)
        for i, value in enumerate(uniques):
            if not isinstance(value, (str, datetime.time)):  # a number has no separators to read
                read[i] = as_number(value)
    else:
        read = _days_of_stamps(read_dates(texts, form))
    is_bad = np.isnan(read) & ~np.array([is_missing(text) for text in texts], bool)
    if form not in NUMBERS and is_bad.any():  # who sends rows to a model writes dates as JSON has them
        read[is_bad] = _days_of_stamps(read_dates([texts[i] for i in np.flatnonzero(is_bad)], "ISO8601"))
        is_bad &= np.isnan(read)
    is_bad &= ~np.array([text in words for text in texts], bool)
    if is_bad.any():
        n_bad = int(is_bad[codes[codes >= 0]].sum())
        wanted = "times of a day" if form == TIME else "numbers" if form in NUMBERS else "dates"
        warnings.warn(
            f"column {name!r} has {n_bad} values that are no {wanted}, among them {texts[is_bad.argmax()]!r}; they "
            "count as missing",
            stacklevel=5,
        )
    return np.append(read, np.nan)[codes]


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
    return _days_of_stamps(stamps)


def _days_of_stamps(stamps: NDArray[np.datetime64]) -> NDArray[np.float64]:
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 86_400e6)


PARTS = ("month", "day", "weekday", "hour")


def date_part(days: NDArray[np.float64], part: str) -> NDArray[np.float64]:
    """The month (1 to 12), the day of the month, the weekday (0 is Monday) or the hour with its fraction.

    ``days`` count from 1970 by the Gregorian calendar. Years are taken to begin with March, which puts the leap day at
    the end: then months have 153 days in each five.

    >>> [float(date_part(np.array([19_782.75]), part)[0]) for part in PARTS]  # 29 February 2024, a Thursday, at six
    [2.0, 29.0, 3.0, 18.0]
    """
    whole = np.floor(days)
    if part == "hour":
        return np.asarray(24.0 * (days - whole))
    if part == "weekday":
        return np.asarray(np.mod(whole + 3, 7))  # the first day was a Thursday
    of_era = np.mod(whole + 719_468, 146_097)  # since the first of March of a year that 400 divides
    year = np.floor((of_era - np.floor(of_era / 1_460) + np.floor(of_era / 36_524) - np.floor(of_era / 146_096)) / 365)
    of_year = of_era - (365 * year + np.floor(year / 4) - np.floor(year / 100))
    month = np.floor((5 * of_year + 2) / 153)
    if part == "day":
        return np.asarray(of_year - np.floor((153 * month + 2) / 5) + 1)
    return np.asarray(np.mod(month + 2, 12) + 1)


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
    _refuse_values(present, np.isnat(stamps), "dates", name)
    result = np.full(len(values), np.datetime64("NaT"), "datetime64[us]")
    result[is_present] = stamps
    return result


def _stamp(value: object) -> np.datetime64:
    """The date in UTC, NaT where the value is none."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return np.datetime64(value, "us") if isinstance(value, datetime.date) else np.datetime64("NaT")


def _refuse_values(values: pd.Series, is_bad: NDArray[np.bool_], wanted: str, name: str) -> None:
    """Raises DataError where there are bad values."""
    if is_bad.any():
        bad = values[is_bad]
        raise DataError(
            f"column {name!r} held {wanted} in training and has {len(bad)} values that are none here, the first is "
            f"{bad.iloc[0]!r} at index {bad.index[0]}; mend them or make them missing"
        )
