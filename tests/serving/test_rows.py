"""What a request must hold, and what it is answered with."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raytabdl.estimators import load
from raytabdl.labels import array_of_objects
from raytabdl.predictor import Predictor
from raytabdl.serving.rows import BadRequestError, answer, description, read_rows

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
ROW = {"size": 0.5, "year": 1999, "town": "Brno", "grade": "low", "is_new": True, "since": "2020-05-01"}


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return load(GOLDEN / "classifier" / "model").predictor_


def body(*rows: Any) -> bytes:
    return json.dumps({"rows": rows}).encode()


def refused(predictor: Predictor, content: bytes) -> BadRequestError:
    with pytest.raises(BadRequestError) as caught:
        read_rows(content, predictor.schema)
    return caught.value


def test_rows_of_json_are_predicted_as_those_of_a_frame(predictor: Predictor) -> None:
    frame = pd.read_csv(GOLDEN / "classifier" / "rows.csv")
    content = b'{"rows": ' + frame.to_json(orient="records").encode() + b"}"
    np.testing.assert_allclose(predictor.predict(read_rows(content, predictor.schema)), predictor.predict(frame))


def test_the_order_of_keys_and_further_ones_change_nothing(predictor: Predictor) -> None:
    other = {"more": [1], **dict(reversed(ROW.items()))}
    expected = predictor.predict(read_rows(body(ROW), predictor.schema))
    np.testing.assert_array_equal(predictor.predict(read_rows(body(other), predictor.schema)), expected)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"{}", b'{"rows": []}', b'{"rows": [3]}', b"[" * 100_000])
def test_a_body_that_holds_no_rows_is_a_bad_request(predictor: Predictor, content: bytes) -> None:
    error = refused(predictor, content)
    assert (error.status, error.columns) == (400, ())


def test_missing_columns_are_named_also_of_one_row(predictor: Predictor) -> None:
    without = {name: value for name, value in ROW.items() if name not in ("town", "size")}
    error = refused(predictor, body(ROW, without))
    assert (error.status, error.columns) == (422, ("size", "town"))
    assert "'size', 'town'" in str(error)


def test_a_row_of_nulls_is_a_row(predictor: Predictor) -> None:
    assert np.isfinite(predictor.predict(read_rows(body(dict.fromkeys(ROW)), predictor.schema))).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "small"),
        ("size", "0.5"),
        ("size", [0.5]),
        ("size", 10**400),
        ("is_new", "yes"),
        ("since", "soon"),
        ("since", 3),
        ("town", {"name": "Brno"}),
        ("grade", ["low"]),
    ],
)
def test_a_value_that_a_column_cannot_hold_names_the_column_and_the_value(
    predictor: Predictor, name: str, value: Any
) -> None:
    error = refused(predictor, body(ROW, {**ROW, name: value}))
    assert (error.status, error.columns) == (422, (name,))
    assert f"{name!r} must hold" in str(error)
    assert repr(value) in str(error)


def test_all_columns_that_are_to_blame_are_named(predictor: Predictor) -> None:
    assert refused(predictor, body({**ROW, "size": "x", "year": "y"})).columns == ("size", "year")


def test_an_answer_has_labels_and_their_probabilities(predictor: Predictor) -> None:
    predictions = predictor.predict(read_rows(body(ROW, dict.fromkeys(ROW)), predictor.schema))
    given = json.loads(json.dumps(answer(predictor, predictions)))
    assert set(given["predictions"]) <= {"few", "many", "some"}
    for row, label, own in zip(given["probabilities"], given["predictions"], predictions, strict=True):
        assert list(row) == ["few", "many", "some"]
        assert list(row.values()) == own.tolist()
        assert max(row, key=row.__getitem__) == label


@pytest.mark.parametrize(
    ("classes", "written"),
    [
        (["few", "many", "some"], ["few", "many", "some"]),
        ([False, 1, 2.5], [False, 1, 2.5]),
        (np.array([1, 2, 3]), [1, 2, 3]),
        ([datetime.date(2020, 5, day) for day in (1, 2, 3)], ["2020-05-01", "2020-05-02", "2020-05-03"]),
        ([Decimal("0.10"), Decimal("0.20"), Decimal("0.30")], ["0.10", "0.20", "0.30"]),
        ([b"few", b"\xff", "caf\u00e9".encode()], ["few", r"b'\xff'", "caf\u00e9"]),
        (np.array([b"a", b"b", b"c"]), ["a", "b", "c"]),
        (pd.date_range("2020-05-01", periods=3).to_numpy("M8[s]"), [f"2020-05-0{day}T00:00:00" for day in (1, 2, 3)]),
        (pd.to_timedelta([1, 2, 3], "D").to_numpy("m8[s]"), ["86400 seconds", "172800 seconds", "259200 seconds"]),
        (list(pd.date_range("2020-05-01", periods=3)), [f"2020-05-0{day} 00:00:00" for day in (1, 2, 3)]),
        ([("a", 1), ("b", 2), ("c", 3)], ["('a', 1)", "('b', 2)", "('c', 3)"]),
        ([1.0, 2.0, float("inf")], [1.0, 2.0, "inf"]),
    ],
    ids=lambda value: type(value[0]).__name__ if isinstance(value, np.ndarray) else None,
)
def test_labels_that_json_lacks_are_strings_wherever_they_stand(
    predictor: Predictor, classes: Any, written: list[Any]
) -> None:
    labels = classes if isinstance(classes, np.ndarray) else array_of_objects(classes)
    other = replace(predictor, classes=labels)
    given = json.loads(json.dumps(answer(other, np.eye(3)), allow_nan=False))
    assert given["predictions"] == written
    assert [type(label) for label in given["predictions"]] == [type(label) for label in written]
    assert [list(row) for row in given["probabilities"]] == [list(map(str, written))] * 3
    assert json.loads(json.dumps(description(other), allow_nan=False))["classes"] == written


def test_an_answer_of_a_regressor_has_values() -> None:
    regressor = load(GOLDEN / "regressor" / "model").predictor_
    assert answer(regressor, np.array([1.5, 2.0])) == {"predictions": [1.5, 2.0]}


def test_the_description_names_what_a_row_must_hold(predictor: Predictor) -> None:
    described = description(predictor)
    assert [column["name"] for column in described["columns"]] == list(ROW)
    assert {column["name"]: column["kind"] for column in described["columns"]}["since"] == "datetime"
    assert described["classes"] == ["few", "many", "some"]
    assert described["task"] == "multiclass"
