from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import json
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from raytabdl.exceptions import CorruptModelError, DataError
from raytabdl.inputs import Target, TaskType
from raytabdl.labels import is_label, labels_from_json, labels_to_json
from raytabdl.run_folder import read_labels
from raytabdl.targets import encode_labels

NOON, HOUR = datetime.datetime(2020, 2, 29, 12), datetime.timedelta(hours=1)
KINDS = {
    "bytes": [b"\xff\x00x", b"a"],
    "str": ["\0\ud83d", "\U0001f600"],
    "bool": [True, False],
    "int": [-(2**70), 3],
    "float": [-0.0, 1.0],
    "decimal": [decimal.Decimal("0.10"), decimal.Decimal("1E+9")],
    "fraction": [fractions.Fraction(1, 3), fractions.Fraction(2, 3)],
    "date": [NOON.date(), (NOON + 30 * HOUR).date()],
    "datetime": [NOON, NOON + HOUR],
    "aware datetime": [NOON.replace(tzinfo=datetime.timezone(-HOUR)), NOON.replace(tzinfo=datetime.timezone.utc)],
    "time": [NOON.time(), datetime.time(13, 0, 0, 5)],
    "timedelta": [HOUR, -HOUR],
    "timestamp": [pd.Timestamp(NOON).as_unit("s"), pd.Timestamp("2020-01-01 00:00:00.000000001")],
    "timestamp of an hour that comes twice": list(pd.date_range("2020-10-25", periods=5, freq="h", tz="Europe/Berlin")),
    "pandas timedelta": [pd.Timedelta(1, "ns"), pd.Timedelta("1D")],
    "period": [pd.Period("2020", "M"), pd.Period("2020Q1")],
    "interval": [pd.Interval(0, 1.5, closed="left"), pd.Interval(pd.Timestamp(NOON), pd.Timestamp("2021"))],
    "tuple": [("a", 1, (b"b", NOON.date())), ()],
}


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_a_label_comes_back_as_it_was_also_its_type(values):
    classes = pd.Series(values, dtype=object).to_numpy()
    assert all(map(is_label, values))
    read = labels_from_json(json.loads(json.dumps(labels_to_json(classes))))
    assert read.dtype == object
    assert read.tolist() == values
    assert list(map(type, read)) == list(map(type, values))
    assert list(map(str, read)) == list(map(str, values))  # time zones too
    assert [getattr(value, "unit", None) for value in read] == [getattr(value, "unit", None) for value in values]


@pytest.mark.parametrize(
    "classes",
    [
        np.array([b"a", b"bc"]),
        np.array(["2020-01-01", "2021-01-01"], "M8[D]"),
        np.array(["2020-01-01", "2021-01-01"], "M8[ns]"),
        np.array([1, 2], "m8[s]"),
        np.array([2**64 - 1], np.uint64),
        np.array([True, False]),
        np.array([0.1], np.float32),
    ],
    ids=lambda classes: classes.dtype.str,
)
def test_an_array_comes_back_in_its_dtype(classes):
    read = labels_from_json(json.loads(json.dumps(labels_to_json(classes))))
    assert read.dtype == classes.dtype
    np.testing.assert_array_equal(read, classes)


@pytest.mark.parametrize("name", ["bytes", "date", "aware datetime", "timestamp", "decimal", "tuple", "timedelta"])
def test_a_target_of_such_labels_is_encoded_in_their_order(name):
    y = pd.Series(KINDS[name] * 3, dtype=object)
    codes, classes = encode_labels(y)
    assert classes.tolist() == sorted(set(y))
    assert classes[codes].tolist() == y.tolist()


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(pd.cut([1.0, 2, 3, 4], 2)),
        pd.Series(pd.period_range("2020", periods=4)),
        pd.date_range("2020", periods=4),
    ],
    ids=["intervals", "periods", "dates"],
)
def test_columns_of_pandas_are_classes(y):
    codes, classes = encode_labels(pd.concat([pd.Series(y)] * 2))
    assert classes[codes].tolist() == [value for _ in range(2) for value in np.asarray(y).tolist()]


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize("odd", [frozenset([1]), Colour.RED, 1j, ("a", Colour.RED), object, Point(1, 2)], ids=str)
def test_what_cannot_be_written_down_is_refused_with_the_mend(odd):
    assert not is_label(odd)
    y = pd.Series([odd, "a"] * 2, dtype=object)
    with pytest.raises(DataError, match="use their strings"):
        encode_labels(y)


@pytest.mark.parametrize(
    "record",
    [
        {"dtype": "O", "classes": ["a"]},
        {"dtype": "no dtype", "classes": ["a"]},
        {"dtype": "object", "classes": [{"os.system": "true"}]},
        {"dtype": "object", "classes": [{"date": "today"}]},
        {"dtype": "object", "classes": [{"timestamp": "x", "date": "y"}]},
        {"dtype": "<i8", "classes": ["one"]},
        {"dtype": "<i8"},
    ],
)
def test_labels_that_a_file_does_not_hold_are_refused_by_its_name(record, tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"task_type": "binary", "n_classes": 2, "classes": None, **record}))
    with pytest.raises(CorruptModelError, match=r"labels\.json holds no labels"):
        read_labels(path)


def test_labels_of_earlier_files_are_read(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text('{"task_type": "binary", "n_classes": 2, "dtype": "object", "classes": ["no", true]}')
    classes, target = read_labels(path)
    assert classes.tolist() == ["no", True]
    assert target == Target(TaskType.BINARY, 2)
