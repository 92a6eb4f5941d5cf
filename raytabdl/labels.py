"""Class labels as JSON, from which they come back as they were: the same values of the same types."""

from __future__ import annotations

import datetime
import decimal
import fractions
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class _Codec:
    """How labels of a type that JSON lacks are written, as something that JSON has, and read."""

    cls: type
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


_CODECS = {
    "bytes": _Codec(bytes, lambda value: value.decode("latin-1"), lambda text: text.encode("latin-1")),
    "decimal": _Codec(decimal.Decimal, str, decimal.Decimal),
    "fraction": _Codec(fractions.Fraction, str, fractions.Fraction),
    "timestamp": _Codec(
        pd.Timestamp,
        lambda value: [str(value), value.unit, value.tz and str(value.tz)],
        lambda parts: pd.Timestamp(parts[0], tz="UTC").as_unit(parts[1]).tz_convert(parts[2]),
    ),
    "datetime": _Codec(datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "date": _Codec(datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": _Codec(datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "pandas timedelta": _Codec(
        pd.Timedelta, lambda value: [value.value, value.unit], lambda parts: pd.Timedelta(parts[0]).as_unit(parts[1])
    ),
    "timedelta": _Codec(
        datetime.timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: datetime.timedelta(*parts),
    ),
    "period": _Codec(
        pd.Period,
        lambda value: [value.ordinal, value.freqstr],
        lambda parts: pd.Period(ordinal=parts[0], freq=parts[1]),
    ),
    "interval": _Codec(
        pd.Interval,
        lambda value: [_to_json(value.left), _to_json(value.right), value.closed],
        lambda parts: pd.Interval(_from_json(parts[0]), _from_json(parts[1]), parts[2]),
    ),
    "tuple": _Codec(tuple, lambda value: list(map(_to_json, value)), lambda parts: tuple(map(_from_json, parts))),
}
"""By the word in the file. A type that is a kind of another one stands before it."""


def is_label(value: object) -> bool:
    """Whether a label can be written down: strings, booleans, numbers, and what ``_CODECS`` lists."""
    if isinstance(value, tuple):
        return type(value) is tuple and all(map(is_label, value))
    if isinstance(value, pd.Interval):
        return is_label(value.left) and is_label(value.right)
    return isinstance(value, (str, bool, int, float, np.bool_, np.number, *(codec.cls for codec in _CODECS.values())))


def array_of_objects(values: Sequence[Any]) -> NDArray[Any]:
    """One-dimensional also where the values are tuples."""
    array = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        array[position] = value
    return array


def labels_to_json(classes: NDArray[Any]) -> dict[str, Any]:
    """The classes and the dtype that they come back in."""
    if classes.dtype == object:
        return {"dtype": "object", "classes": list(map(_to_json, classes))}
    if classes.dtype.kind in "mM":
        return {"dtype": classes.dtype.str, "classes": classes.view(np.int64).tolist()}
    return {"dtype": classes.dtype.str, "classes": list(map(_to_json, classes.tolist()))}


def labels_from_json(record: Mapping[str, Any]) -> NDArray[Any]:
    """Raises ValueError, TypeError or KeyError where the record is none of ``labels_to_json``."""
    if record["dtype"] == "object":
        return array_of_objects(list(map(_from_json, record["classes"])))
    dtype = np.dtype(record["dtype"])
    if dtype.hasobject:
        raise ValueError(f"no labels have the dtype {record['dtype']!r}")
    if dtype.kind in "mM":
        return np.array(record["classes"], np.int64).view(dtype)
    return np.array(list(map(_from_json, record["classes"])), dtype=dtype)


def _to_json(value: Any) -> Any:
    """A plain value as it is, another one as {its word: what its codec writes}."""
    for word, codec in _CODECS.items():
        if isinstance(value, codec.cls):
            return {word: codec.write(value)}
    return value.item() if isinstance(value, np.generic) else value


def _from_json(written: Any) -> Any:
    if not isinstance(written, dict):
        return written
    ((word, value),) = written.items()
    return _CODECS[word].read(value)
