"""What holds for any table: generated columns of every kind, names, indexes, targets, few rows and many gaps."""

from __future__ import annotations

import copy
import datetime
import decimal
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raytabdl import TabularClassifier, TabularRegressor
from raytabdl.targets import encode_labels, encode_values, infer_target
from raytabdl.task import make_task

YEAR = datetime.timedelta(365)
DATES = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))

# The cells of a column, and what makes a column of a list of them.
COLUMNS: list[tuple[st.SearchStrategy[Any], Any]] = [
    (st.floats(allow_nan=False), lambda cells: pd.Series(cells, dtype="float64")),
    (st.floats(width=16, allow_infinity=False), lambda cells: pd.Series(cells, dtype="float32")),
    (st.integers(-(2**63), 2**63 - 1), lambda cells: pd.array(cells, dtype="Int64")),
    (st.integers(0, 2**64 - 1), lambda cells: pd.Series(cells, dtype=object)),
    (st.booleans(), lambda cells: pd.array(cells, dtype="boolean")),
    (st.booleans(), lambda cells: pd.Series(cells, dtype=object)),
    (st.text(max_size=4), lambda cells: pd.Series(cells, dtype=object)),
    (st.sampled_from("abc"), lambda cells: pd.array(cells, dtype="string")),
    (st.sampled_from("abc"), lambda cells: pd.Categorical(cells, categories=list("dcba"), ordered=True)),
    (st.sampled_from(["x", 1, 2.5, b"y"]), lambda cells: pd.Series(cells, dtype=object)),
    (DATES, lambda cells: pd.Series(cells, dtype="datetime64[us]")),
    (DATES, lambda cells: pd.Series(cells, dtype="datetime64[us]").dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata")),
    (st.dates(), lambda cells: pd.Series(cells, dtype=object)),
    (st.timedeltas(-YEAR, YEAR), lambda cells: pd.Series(cells, dtype="m8[us]")),
    (st.decimals(allow_nan=False, allow_infinity=False, places=2), lambda cells: pd.Series(cells, dtype=object)),
    (st.integers(-5, 5), lambda cells: pd.array(cells, dtype=pd.ArrowDtype(pa.int8()))),
    (st.text("ab", max_size=1), lambda cells: pd.array(cells, dtype=pd.ArrowDtype(pa.string()))),
    (st.none(), lambda cells: pd.Series(cells, dtype=object)),
]  # fmt: skip
NAMES = st.one_of(st.text(max_size=5), st.integers(-3, 3), st.tuples(st.text(max_size=2), st.integers(0, 9)))
INDEXES = [
    pd.RangeIndex,
    lambda n: pd.Index([7] * n),
    lambda n: pd.Index([f"row {i}" for i in range(n)])[::-1],
    lambda n: pd.date_range("2020", periods=n, tz="UTC"),
    lambda n: pd.MultiIndex.from_arrays([range(n), ["a"] * n]),
]


@st.composite
def frames(draw: Any, min_rows: int = 2) -> pd.DataFrame:
    n = draw(st.integers(min_rows, 16))
    kinds = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4))
    series = []
    for cells, column in kinds:
        values = draw(st.lists(st.one_of(cells, cells, cells, st.none()), min_size=n, max_size=n))
        series.append(pd.Series(column(values)))
    frame = pd.concat(series, axis=1)
    names = draw(st.lists(NAMES, min_size=len(kinds), max_size=len(kinds), unique_by=as_text))
    frame.columns = pd.Index(names, tupleize_cols=False)
    return frame.set_axis(draw(st.sampled_from(INDEXES))(n), axis=0)


def as_text(name: object) -> str:
    return "__".join(map(str, name)) if isinstance(name, tuple) else str(name)


@st.composite
def labels(draw: Any, n: int) -> Any:
    """At least two classes of one kind."""
    pool = draw(
        st.sampled_from([
            ["no", "yes", ""], [True, False], [0, 1, -(2**40)], [0.0, 1.0], [b"\0x", b"y"], [("a", 1), ("b", 2)],
            [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)], [decimal.Decimal("0.1"), decimal.Decimal(2)],
            list(pd.interval_range(0, 3)), list(pd.date_range("2020", periods=2, tz="Europe/Berlin")),
        ])
    )  # fmt: skip
    others = draw(st.lists(st.sampled_from(pool), min_size=n - 2, max_size=n - 2))
    kind = draw(st.sampled_from([object, None, "category"]))
    return pd.Series([pool[0], pool[1], *others], dtype=kind)


@settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(frames(), st.data())
@pytest.mark.filterwarnings("ignore")
def test_any_frame_becomes_finite_numbers_and_known_codes(frame: pd.DataFrame, data: st.DataObject) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = data.draw(labels(len(frame)))
        before = copy.deepcopy((frame, y))
        codes, found = encode_labels(y)
        task = make_task(frame, codes, infer_target(found), 5, np.random.default_rng(0))
        inputs = task.inputs
        assert [found[code] for code in codes] == list(y)
        assert not np.isinf(inputs.numeric).any()
        assert (np.abs(inputs.numeric[~np.isnan(inputs.numeric)]) < 1e31).all()
        assert ((inputs.categorical >= 0) & (inputs.categorical < np.array(inputs.cardinalities, int))).all()
        assert set(task.schema.dropped) | {column.name for column in task.schema.columns} == set(task.schema.names)
        # Each row is encoded as it is alone; a dtype that a row alone loses changes nothing.
        order = np.random.default_rng(0).permutation(len(frame))
        for rows in (order, order[:1], order[:0]):
            part = task.schema.encode(frame.iloc[rows])
            np.testing.assert_array_equal(part.numeric, inputs.numeric[rows])
            np.testing.assert_array_equal(part.categorical, inputs.categorical[rows])
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_series_equal(y, before[1])


@settings(max_examples=14, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(frames(min_rows=4), st.data())
def test_any_frame_is_learned_from(
    tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    before = copy.deepcopy(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = data.draw(labels(len(frame)))
        clf = TabularClassifier(time_limit=11, run_folder=folder / "run").fit(frame, y)
        probabilities, predicted = clf.predict_proba(frame), clf.predict(frame)
        assert probabilities.shape == (len(frame), len(set(y)))
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)
        assert set(predicted) <= set(y)
        clf.save(folder / "model")
        loaded = TabularClassifier.load(folder / "model")
        np.testing.assert_array_equal(loaded.predict_proba(frame), probabilities)
        assert loaded.classes_.tolist() == clf.classes_.tolist() == sorted(set(y))
        one = frame.iloc[[2]]
        np.testing.assert_allclose(clf.predict_proba(one)[0], probabilities[2], rtol=1e-5, atol=1e-7)
    pd.testing.assert_frame_equal(frame, before)


@settings(max_examples=6, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(frames(min_rows=4), st.data())
def test_any_values_are_predicted_near_their_range(
    tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame, data: st.DataObject
) -> None:
    size = st.floats(-1e150, 1e150)
    y = np.array(data.draw(st.lists(size, min_size=len(frame), max_size=len(frame))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reg = TabularRegressor(time_limit=11, run_folder=tmp_path_factory.mktemp("runs") / "run").fit(frame, y)
        predicted = reg.predict(frame)
    assert np.isfinite(predicted).all()
    margin = 0.5 * (y.max() - y.min())
    assert ((predicted >= y.min() - margin) & (predicted <= y.max() + margin)).all()


@settings(max_examples=40, derandomize=True)
@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=20))
def test_any_target_is_kept_to_the_last_digit(values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for y in (values, np.array(values), pd.Series(values, dtype="Float64"), pl.Series(values), pa.array(values)):
            assert encode_values(y).tolist() == values
