from __future__ import annotations

import datetime
import decimal
import fractions
import json
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from raytabdl.exceptions import DataError
from raytabdl.frames import to_frame
from raytabdl.schema import MAX_LEVELS, Kind, Schema, infer_schema, without_twins
from raytabdl.schema.levels import MISSING

N = 6
DATES = pd.date_range("2020-01-01", periods=N)

NUMBERS = {
    "int": [1, 2, 3, 4, 5, 6],
    "bool": [True, False, True, True, False, False],
    "bool with missing": pd.Series([True, None, False, True, True, True], dtype=object),
    "float16": np.arange(N, dtype=np.float16),
    "longdouble": np.arange(N, dtype=np.longdouble),
    "uint64 max": np.array([2**64 - 1, 0, 1, 2, 3, 4], dtype=np.uint64),
    "1e308": [1e308, -1e308, 0, 1, 2, 3],
    "subnormal": [5e-324, -0.0, 0.0, 1e-310, 1, 2],
    "timedelta": pd.to_timedelta(range(N), unit="h"),
    "interval": pd.arrays.IntervalArray.from_breaks(range(N + 1)),
    "sparse": pd.arrays.SparseArray([0, 0, 1, 2, 0, 0]),
    "Int64 with NA": pd.array([1, 0, None, 1, 1, 0], dtype="Int64"),
    "Float64 with NA": pd.array([1, 0, None, 1, 1, 0], dtype="Float64"),
    "boolean with NA": pd.array([1, 0, None, 1, 1, 0], dtype="boolean"),
    "arrow int": pd.array([1, 2, None, 3, 4, 5], dtype=pd.ArrowDtype(pa.int64())),
    "arrow bool": pd.array([True, None, False] * 2, dtype=pd.ArrowDtype(pa.bool_())),
    "arrow decimal": pd.Series([decimal.Decimal(i) for i in range(N)], dtype=pd.ArrowDtype(pa.decimal128(10, 2))),
    "arrow duration": pd.Series(pd.to_timedelta(range(N), unit="s"), dtype=pd.ArrowDtype(pa.duration("us"))),
    "decimal": [decimal.Decimal(f"{i}.5") for i in range(N)],
    "fraction": [fractions.Fraction(i, 3) for i in range(N)],
    "ordered category": pd.Categorical(list("abcabc"), categories=list("dcba"), ordered=True),
}
DATETIMES = {
    "naive": DATES,
    "timezone": DATES.tz_localize("Europe/Berlin"),
    "objects": pd.Series(DATES.to_pydatetime(), dtype=object),
    "dates": pd.Series([date.date() for date in DATES], dtype=object),
    "period": pd.period_range("2020", periods=N, freq="M"),
    "beyond nanoseconds": np.array(["9999-12-31", "0001-01-01", "2020-01-01", "NaT", "2020", "2021"], dtype="M8[us]"),
    "arrow timestamp": pd.Series(list(DATES), dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))),
    "arrow date": pd.Series([date.date() for date in DATES], dtype=pd.ArrowDtype(pa.date32())),
}
CATEGORIES = {
    "str": ["a", "b", None, "a", "", "\0\U0001f600"],
    "string with NA": pd.array(["a", "b", None, "a", "a", "b"], dtype="string"),
    "arrow string": pd.array([*"abcaa", None], dtype=pd.ArrowDtype(pa.string())),
    "arrow dictionary": pd.Series(list("abcabc"), dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
    "category": pd.Categorical([1, 2, 1, 2, None, 1], categories=[1, 2, 3]),
    "mixed": pd.Series([1, "a", b"a", None, 2.5, "1"], dtype=object),
    "tuple": pd.Series([(1, 2), (1, 3)] * 3, dtype=object),
}


def frame_of(values):
    return pd.DataFrame({"x": values, "other": range(N)})


def kind_of(values):
    return next(column.kind for column in infer_schema(frame_of(values)).columns if column.name == "x")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("values", [pytest.param(v, id=k) for k, v in {**NUMBERS, **DATETIMES, **CATEGORIES}.items()])
def test_any_column_is_encoded_without_changing_the_table(values):
    frame = frame_of(values)
    before = frame.copy(deep=True)
    schema = infer_schema(frame)
    inputs = schema.encode(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert not np.isinf(inputs.numeric).any()
    assert (inputs.categorical < np.array(inputs.cardinalities, dtype=int)).all()
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    one = schema.encode(frame.iloc[[2]])
    np.testing.assert_array_equal(one.numeric, inputs.numeric[[2]])
    np.testing.assert_array_equal(one.categorical, inputs.categorical[[2]])
    assert len(schema.encode(frame.iloc[:0])) == 0


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("values", [pytest.param(v, id=k) for k, v in {**NUMBERS, **DATETIMES, **CATEGORIES}.items()])
def test_a_row_is_encoded_alone_as_among_many(values):
    frame = frame_of(values)
    schema = infer_schema(frame)
    many = schema.encode(frame.iloc[np.tile(np.arange(N), 10)])
    for row in range(N):
        alone = schema.encode(frame.iloc[[row]])
        np.testing.assert_array_equal(alone.numeric[0], many.numeric[row])
        np.testing.assert_array_equal(alone.categorical[0], many.categorical[row])


SIZES, TOWNS, SHARES = [0.0, 1, 2, 3, 4, 5], ["a", "b", None, "1", "true", "0.5"], np.float32([0.1, 0.2, 0.3] * 2)
ODD_CELLS = [
    *(("size", cell, np.nan) for cell in (None, pd.NA, np.nan, pd.NaT, "", " nan", "?", np.inf)),
    *(("size", cell, 3.0) for cell in (3, 3.0, np.int8(3), "3", " 3.0 ", decimal.Decimal(3), np.float32(3))),
    *(("size", cell, 1.0) for cell in (True, np.True_, fractions.Fraction(1))),
    *(("town", cell, MISSING) for cell in (None, pd.NA, np.nan, pd.NaT, decimal.Decimal("NaN"))),
    *(("town", cell, "") for cell in ("unseen", "", "A", "a ", "nan", 2, 0.1, b"a", (1, 2), datetime.date(2020, 1, 1))),
    *(("town", cell, "1") for cell in ("1", 1, 1.0, np.int8(1), np.float32(1), decimal.Decimal(1))),
    *(("town", cell, "true") for cell in ("true",)),
    *(("town", cell, "0.5") for cell in (0.5, np.float32(0.5), decimal.Decimal("0.5"))),
    *(("share", cell, str(float(np.float32(0.1)))) for cell in (float(np.float32(0.1)), str(float(np.float32(0.1))))),
    *(("share", cell, "") for cell in (0.1, "0.1", None)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("n_others", [0, 40])
@pytest.mark.parametrize(("name", "cell", "expected"), ODD_CELLS)
def test_an_odd_cell_is_the_same_alone_and_among_others(name, cell, expected, n_others):
    frame = pd.DataFrame({"size": SIZES, "town": TOWNS, "share": pd.Categorical(SHARES)})
    schema = infer_schema(frame)
    others = {"size": [2.0], "town": ["b"], "share": [0.25]}
    cells = {key: [cell if key == name else None, *other * n_others] for key, other in others.items()}
    inputs = schema.encode(pd.DataFrame({key: pd.Series(own, dtype=object) for key, own in cells.items()}))
    column = next(column for column in schema.columns if column.name == name)
    if column.kind is Kind.NUMBER:
        np.testing.assert_array_equal(inputs.numeric[0, 0] + column.origin, expected)
    else:
        code = inputs.categorical[0, ["town", "share"].index(name)]
        assert ["", *column.levels][code] == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64, str])
def test_the_categories_of_a_row_are_levels_whatever_their_dtype(dtype):
    """A float32 is written with the digits of a float64, by which its level is known."""
    frame = frame_of(pd.Categorical(SHARES.astype(dtype)))
    schema = infer_schema(frame)
    codes = [schema.encode(frame.iloc[[row]]).categorical[0, 0] for row in range(N)]
    assert codes == schema.encode(frame.iloc[np.tile(np.arange(N), 10)]).categorical[:N, 0].tolist() == [1, 2, 3] * 2


@pytest.mark.parametrize("n_rows", [1, 40])
@pytest.mark.parametrize("cell", [["a"], {"a": 1}, np.arange(2)])
def test_a_container_in_a_cell_is_refused_also_alone(n_rows, cell):
    schema = infer_schema(pd.DataFrame({"town": list("aabb"), "size": range(4)}))
    rows = pd.DataFrame({"town": pd.Series([cell] * n_rows, dtype=object), "size": 1})
    with pytest.raises(DataError, match="'town' of dtype object holds values that are neither numbers nor categories"):
        schema.encode(rows)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [*NUMBERS, *DATETIMES, *CATEGORIES])
def test_a_column_is_what_it_holds(name):
    values = {**NUMBERS, **DATETIMES, **CATEGORIES}[name]
    expected = Kind.NUMBER if name in NUMBERS else Kind.DATETIME if name in DATETIMES else Kind.CATEGORY
    assert kind_of(values) is (Kind.ORDINAL if name == "ordered category" else expected)


@pytest.mark.parametrize("name", ["Int64 with NA", "bool with missing", "boolean with NA", "arrow int", "arrow bool"])
def test_a_missing_number_is_nan(name):
    numeric = infer_schema(frame_of(NUMBERS[name])).encode(frame_of(NUMBERS[name])).numeric
    assert np.isnan(numeric).sum() == pd.isna(pd.Series(NUMBERS[name])).sum() > 0


def test_large_offsets_lose_no_digits_and_large_integers_keep_their_sign():
    frame = pd.DataFrame({"x": [1e15, 1e15 + 1, 1e15 + 2], "u": np.array([2**64 - 1, 0, 1], np.uint64)})
    numeric = infer_schema(frame).encode(frame).numeric
    assert numeric[:, 0].tolist() == [-1, 0, 1]
    assert numeric[0, 1] > 1e19


@pytest.mark.parametrize("huge", [10**30, 10**400], ids=["1e30", "1e400"])
@pytest.mark.filterwarnings("ignore:column 'x' has 1 infinite")
def test_integers_beyond_float64_are_used_with_a_warning(huge):
    frame = frame_of(pd.Series([huge, 1, 2, 3, 4, 5], dtype=object))
    with pytest.warns(UserWarning, match="'x' loses digits"):
        assert infer_schema(frame).columns[0].kind is Kind.NUMBER


def test_infinite_values_are_missing_with_a_warning():
    frame = frame_of([np.inf, 1, 2, -np.inf, 4, 5])
    with pytest.warns(UserWarning, match="'x' has 2 infinite values"):
        schema = infer_schema(frame)
    assert np.isnan(schema.encode(frame).numeric[:, 0]).tolist() == [True, False, False, True, False, False]


def test_a_timezone_is_its_instant_and_a_day_is_one():
    naive, aware = DATES.tz_localize("UTC"), DATES.tz_localize("UTC").tz_convert("Asia/Tokyo")
    schema = infer_schema(frame_of(naive))
    numeric = schema.encode(frame_of(aware)).numeric
    np.testing.assert_array_equal(numeric, schema.encode(frame_of(naive)).numeric)
    assert np.diff(numeric[:, 0]).tolist() == [1] * (N - 1)


def test_dates_may_come_back_as_text():
    schema = infer_schema(frame_of(DATES))
    text = frame_of([str(date.date()) for date in DATES])
    np.testing.assert_array_equal(schema.encode(text).numeric, schema.encode(frame_of(DATES)).numeric)


def test_an_ordered_category_is_its_position():
    frame = frame_of(NUMBERS["ordered category"])
    numeric = infer_schema(frame).encode(frame).numeric[:, 0]
    assert numeric.tolist() == [3, 2, 1, 3, 2, 1]


BAD = {
    "complex": ([1j, 2, 3, 4, 5, 6], "Complex data not supported.*'x'"),
    "complex objects": (pd.Series([1j, 2, 3, 4, 5, 6], dtype=object), "Complex data not supported.*'x'"),
    "list": ([[1]] * N, "'x' holds a list in a cell"),
    "array": ([np.ones(2)] * N, "'x' holds a ndarray in a cell"),
    "arrow list": (pd.Series([[1]] * N, dtype=pd.ArrowDtype(pa.list_(pa.int64()))), "'x' of dtype list"),
    "naive and aware": (
        pd.Series([datetime.datetime(2020, 1, 1, tzinfo=z) for z in (datetime.timezone.utc, None)] * 3, dtype=object),
        "'x' mixes 3 dates with a timezone and 3 without, the first without at index 1",
    ),
}


@pytest.mark.parametrize(("values", "message"), BAD.values(), ids=BAD)
def test_a_column_that_cannot_be_used_is_named(values, message):
    with pytest.raises(DataError, match=message):
        infer_schema(frame_of(values))


UNUSED = {
    "all NaN": ([np.nan] * N, "no value at all"),
    "all None": ([None] * N, "no value at all"),
    "constant": ([1] * N, "one value throughout"),
    "constant text": (["a"] * N, "one value throughout"),
    "constant ordered": (pd.Categorical(["a"] * N, ordered=True), "one value throughout"),
}


@pytest.mark.parametrize(("values", "reason"), UNUSED.values(), ids=UNUSED)
def test_a_column_of_no_use_is_dropped_with_the_reason(values, reason):
    schema = infer_schema(frame_of(values))
    assert schema.dropped == {"x": reason}
    assert schema.encode(pd.DataFrame({"other": [1]})).numeric.shape == (1, 1)


def test_ids_are_dropped_and_one_value_with_gaps_is_not():
    frame = pd.DataFrame({"id": [f"id-{i}" for i in range(30)], "flag": [1.0, None] * 15})
    schema = infer_schema(frame)
    assert schema.dropped == {"id": "30 different values in 30 rows: ids or free text"}
    assert [column.name for column in schema.columns] == ["flag"]


@pytest.mark.parametrize("dtype", ["float", "str", "category", pd.CategoricalDtype(["1"], ordered=True)])
def test_of_one_value_with_gaps_it_is_learned_where_it_is_whatever_the_kind(dtype):
    values = pd.Series(["1"] * 30).astype(dtype).where(np.arange(30) % 3 > 0)
    frame = pd.DataFrame({"x": values, "n": range(30)})
    schema = infer_schema(frame)
    inputs = schema.encode(frame)
    assert schema.dropped == {}
    cells = inputs.categorical[:, 0] if len(inputs.cardinalities) else inputs.numeric[:, 0]
    assert len({str(cell) for cell in cells[::3]}) == 1
    assert str(cells[0]) not in {str(cell) for cell in cells[np.arange(30) % 3 > 0]}


@pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 0.1", "index", "level_0", "__index_level_0__", ""])
def test_the_index_of_another_table_is_no_column_to_learn_from(name):
    rows = np.random.default_rng(0).permutation(40) + 7  # as in a part of a table
    frame = pd.DataFrame({name: rows, "x": np.arange(40.0) % 7})
    schema = infer_schema(frame)
    assert schema.dropped == {name: "row numbers"}
    assert [column.name for column in schema.columns] == ["x"]
    assert len(schema.encode(frame[["x"]])) == 40  # it is not asked for again
    assert infer_schema(frame, time=name).dropped == {}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"index": np.arange(40)}),  # there is nothing else
        pd.DataFrame({"index": np.arange(40), "one": 1}),
        pd.DataFrame({"index": np.arange(40) // 2, "x": np.arange(40.0) % 7}),
        pd.DataFrame({"index": np.arange(40) / 2, "x": np.arange(40.0) % 7}),
        pd.DataFrame({"index": pd.Categorical(np.arange(40)), "x": np.arange(40.0) % 7}),
        pd.DataFrame({"id": np.arange(40), "x": np.arange(40.0) % 7}),
        pd.DataFrame(np.column_stack([np.arange(40), np.arange(40) % 7])),
    ],
    ids=["alone", "beside nothing", "not in each row", "fractions", "a category", "another name", "no name"],
)
def test_other_numbers_of_rows_are_learned_from(frame):
    schema = infer_schema(frame)
    assert schema.columns[0].name == str(frame.columns[0])
    assert "row numbers" not in schema.dropped.values()


def test_of_text_that_is_hardly_ever_the_same_only_what_is_missing_is_learned():
    """Free text, one in twenty rows of which has the same words as another."""
    text = [f"call number {i} from a customer" for i in range(38)] + ["no call"] * 2
    dropped = infer_schema(pd.DataFrame({"text": text, "n": range(40)}))
    assert dropped.dropped == {"text": "39 different values in 40 rows: ids or free text"}
    frame = pd.DataFrame({"text": [*text, *[None] * 5], "n": range(45)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that other words are new is no news
        schema = infer_schema(frame)
        codes = schema.encode(frame).categorical[:, 0]
    assert codes.tolist() == [0] * 40 + [1] * 5


def test_a_text_column_with_words_that_come_back_is_a_category():
    cabins = pd.DataFrame({"cabin": [f"C{i // 2}" for i in range(60)], "seat": pd.Categorical(range(60))})
    schema = infer_schema(cabins)
    assert schema.dropped == {}
    assert schema.cardinalities == (31, 61)  # what is declared to be a category is one


def test_a_long_text_is_known_by_its_hash():
    """The levels are written into the model: a megabyte each would make a gigabyte of it."""
    texts = ["a" * 1_000_000, "a" * 999_999 + "b", "short"]
    schema = infer_schema(pd.DataFrame({"text": texts * 10}))
    assert max(map(len, schema.columns[0].levels)) < 300
    assert sorted(schema.encode(pd.DataFrame({"text": texts})).categorical[:, 0]) == [1, 2, 3]


def test_columns_that_are_the_same_in_every_row_are_learned_from_once():
    frame = pd.DataFrame({
        "a": [1.5, np.nan, 3] * 30, "b": list("xyx") * 30, "a again": [1.5, np.nan, 3] * 30,
        "b in words": ["ex", "why", "ex"] * 30, "a shifted": [2.5, np.nan, 4] * 30, "b reversed": list("yxy") * 30,
        "c": list("xyy") * 30,
    })  # fmt: skip
    schema = infer_schema(frame)
    kept, inputs = without_twins(schema, schema.encode(frame))
    assert [column.name for column in kept.columns] == ["a", "b", "a shifted", "c"]
    assert kept.dropped == {
        "a again": "the same as column 'a'", "b in words": "the same as column 'b'",
        "b reversed": "the same as column 'b'",
    }  # fmt: skip
    assert (inputs.numeric.shape, inputs.categorical.shape, inputs.cardinalities) == ((90, 2), (90, 2), (3, 3))
    again = kept.encode(frame)
    np.testing.assert_array_equal(again.numeric, inputs.numeric)
    np.testing.assert_array_equal(again.categorical, inputs.categorical)
    assert len(kept.encode(frame[["a", "b", "a shifted", "c"]])) == 90  # twins are not asked for again


@pytest.mark.parametrize(("n_rows_with_the_words", "n_kept"), [(19, 2), (20, 1)])
def test_rare_words_that_occur_together_by_chance_stay_two_columns(n_rows_with_the_words, n_kept):
    word = (np.arange(500) < n_rows_with_the_words).astype(float)
    schema = infer_schema(to_frame(np.column_stack([word, word])))
    kept, inputs = without_twins(schema, schema.encode(np.column_stack([word, word])))
    assert len(kept.columns) == inputs.numeric.shape[1] == n_kept


def test_an_ordered_category_keeps_its_order_whatever_the_categories_of_a_later_table():
    sizes = pd.Categorical(list("sml" * 2), categories=list("sml"), ordered=True)
    schema = infer_schema(frame_of(sizes))
    later = pd.Categorical(["l", "s", "xl", None], categories=["xl", "l", "s"], ordered=True)
    with pytest.warns(UserWarning, match=r"\{'x': 1\}"):
        numeric = schema.encode(pd.DataFrame({"x": later, "other": 1})).numeric[:, 0]
    np.testing.assert_array_equal(numeric, [3, 1, np.nan, np.nan])


def test_numbers_between_float64_and_what_was_given_are_warned_of():
    for values in ([decimal.Decimal("0.1"), 2, 3, 4, 5, 6], [2**60 + 1, 2, 3, 4, 5, 6]):
        with pytest.warns(UserWarning, match="'x' loses digits"):
            infer_schema(frame_of(pd.Series(values, dtype=object)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        infer_schema(frame_of(pd.Series([decimal.Decimal("0.5"), 2, 3, 4, 5, 6], dtype=object)))


def test_a_missing_date_is_missing():
    frame = frame_of(pd.Series(DATES).where(np.arange(N) != 2))
    assert np.isnan(infer_schema(frame).encode(frame).numeric[:, 0]).tolist() == [i == 2 for i in range(N)]


def test_what_a_mask_covers_is_missing():
    masked = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]], mask=[[0, 1], [0, 0], [1, 0]])
    assert to_frame(masked).isna().to_numpy().tolist() == masked.mask.tolist()


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_array])
def test_a_sparse_table_is_its_dense_one(make):
    dense = np.array([[0, 1.5], [2, 0], [0, 0]])
    np.testing.assert_array_equal(to_frame(make(dense)).to_numpy(), dense)


def test_a_sparse_table_that_is_too_large_says_how_large_it_would_be():
    huge = scipy.sparse.coo_array(([1.0, 2.0], ([0, 5], [0, 5])), shape=(100_000, 100_000))
    with pytest.raises(DataError, match=r"100,000 x 100,000 with a density of 2e-10 takes 80\.0 GB.*TruncatedSVD"):
        to_frame(huge)


def test_a_million_columns_are_refused_at_once():
    with pytest.raises(DataError, match=r"1,000,000 columns, and at most 100,000.*TruncatedSVD"):
        infer_schema(to_frame(np.zeros((2, 1_000_000))))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"a": []}), "0 sample"),
        (pd.DataFrame(index=range(3)), "0 feature"),
        (pd.DataFrame({"a": [1]}), "at least 2 rows"),
        (pd.DataFrame([[1, 2]] * 2, columns=["a", "a"]), r"duplicate column names.*\['a'\]"),
        (pd.DataFrame([[1, 2]] * 2, columns=[1, "1"]), r"duplicate column names.*\['1'\]"),
    ],
)
def test_a_table_that_cannot_be_learned_from_says_why(table, message):
    with pytest.raises(DataError, match=message):
        infer_schema(table)


@pytest.mark.parametrize("table", [np.arange(3), np.ones((2, 2, 2)), [1, 2]])
def test_a_table_has_two_dimensions(table):
    with pytest.raises(DataError, match="Expected 2D array"):
        to_frame(table)


def test_names_of_several_levels_are_joined_and_other_names_kept_as_text():
    frame = pd.DataFrame([[1, 2], [3, 4]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]))
    assert infer_schema(frame).names == ("a__1", "b__2")
    assert infer_schema(pd.DataFrame([[1, 2], [3, 4]], columns=[7, 'x"\n{é'])).names == ("7", 'x"\n{é')


@pytest.mark.parametrize("make", [pa.Table.from_pandas, lambda f: f.to_numpy(), lambda f: f.to_numpy().tolist()])
def test_other_tables_hold_the_same_values(make):
    frame = pd.DataFrame({"a": [1.5, 2.5, None], "b": [3.0, 4.0, 5.0]})
    np.testing.assert_array_equal(infer_schema(to_frame(make(frame))).encode(make(frame)).numeric, [
        [-0.5, -1], [0.5, 0], [np.nan, 1]
    ])  # fmt: skip


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.filterwarnings("error")
def test_rows_are_encoded_as_what_was_made_of_their_codes(named):
    rng = np.random.default_rng(0)
    n = 60
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n) + 1e6,
            "town": rng.choice(["a", "b", None], n),
            "grade": pd.Categorical(rng.choice(["low", "high"], n), categories=["low", "high"], ordered=True),
            "built": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "same": 1.0,
        }
    )
    frame.loc[::7, ["size", "built"]] = None
    frame = frame if named else frame.set_axis(range(5), axis=1)
    schema = infer_schema(frame)
    inputs = schema.encode(frame)
    again = schema.encode(schema.decode(inputs))
    np.testing.assert_array_equal(again.numeric, inputs.numeric)
    np.testing.assert_array_equal(again.categorical, inputs.categorical)


def test_what_strings_are_read_as_is_missing_where_rows_are_made_of_codes():
    words = ["red car", "blue car", "red bike", "green boat", "blue boat"]
    frame = pd.DataFrame(
        {
            "price": [f"{i},000 $" for i in range(60)],
            "text": [f"{words[i % 5]} number{i}" for i in range(60)],
            "size": np.arange(60.0),
        }
    )
    schema = infer_schema(frame)
    made = schema.decode(schema.encode(frame))
    assert list(made) == ["price", "text", "size"]
    assert made[["price", "text"]].isna().all(axis=None)
    assert len(schema.encode(made)) == 60


def test_columns_are_matched_by_name_and_unknown_ones_ignored_with_a_warning():
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": list("xyx")})
    schema = infer_schema(frame)
    with pytest.warns(UserWarning, match=r"ignored: \['new'\]"):
        inputs = schema.encode(frame.assign(new=0)[["new", "b", "a"]])
    np.testing.assert_array_equal(inputs.numeric, schema.encode(frame).numeric)
    with pytest.raises(DataError, match=r"columns missing from the table: \['b'\]"):
        schema.encode(frame[["a"]])


def test_columns_without_names_are_matched_by_position():
    array = np.arange(6.0).reshape(3, 2)
    schema = infer_schema(to_frame(array))
    np.testing.assert_array_equal(schema.encode(pd.DataFrame(array)[[1, 0]]).numeric, schema.encode(array).numeric)
    with pytest.raises(DataError, match=r"X has 3 features, but .* is expecting 2 features"):
        schema.encode(np.ones((2, 3)))


def test_garbage_among_numbers_is_named_with_its_row():
    schema = infer_schema(frame_of(range(N)))
    bad = pd.DataFrame({"x": ["1", "two", "three"], "other": 1}, index=["p", "q", "r"])
    with (
        pytest.warns(UserWarning, match="'x' held numbers in training and holds strings"),
        pytest.raises(DataError, match=r"'x' held numbers in training and has 2 values .*'two' at index q"),
    ):
        schema.encode(bad)


@pytest.mark.parametrize("bad", [[[1]], [1j], [DATES[0]]])
def test_a_number_that_became_something_else_is_an_error(bad):
    schema = infer_schema(frame_of(range(N)))
    with pytest.raises(DataError, match="'x'"):
        schema.encode(pd.DataFrame({"x": pd.Series(bad), "other": 1}))


@pytest.mark.parametrize("bad", [["soon"], [5], [1.5]])
def test_a_date_that_became_something_else_is_an_error(bad):
    with pytest.raises(DataError, match="'x' held dates in training and has 1 values"):
        infer_schema(frame_of(DATES)).encode(pd.DataFrame({"x": bad, "other": 1}))


def test_numbers_that_came_as_text_are_read():
    schema = infer_schema(frame_of(range(N)))
    with pytest.warns(UserWarning, match="strings"):
        numeric = schema.encode(pd.DataFrame({"x": ["2.5", None], "other": 1})).numeric[:, 0]
    assert numeric[0] == 0
    assert np.isnan(numeric[1])


def test_unseen_categories_share_a_code_and_are_counted():
    schema = infer_schema(frame_of(["a", "b", "a", "b", "a", "a"]))
    with pytest.warns(UserWarning, match=r"\{'x': 2\}"):
        codes = schema.encode(pd.DataFrame({"x": ["new", "b", "newer", None], "other": 1})).categorical[:, 0]
    assert codes.tolist() == [0, 2, 0, 0]


def test_a_category_outlives_a_change_of_its_dtype():
    schema = infer_schema(frame_of(pd.Categorical([1, 2, 1, 2, 3, 1])))
    for values in ([1, 2, 3], [1.0, 2.0, 3.0], ["1", "2", "3"], pd.Categorical([1, 2, 3], categories=[3, 2, 1])):
        assert schema.encode(pd.DataFrame({"x": values, "other": 1})).categorical[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("written", "later"),
    [
        (["0.0", "1.0", "2.5", "unknown"], [0.0, 1.0, 2.5, np.nan]),
        (["False", "True", "unknown"], [False, True]),
        (["FALSE", "TRUE", "unknown"], [False, True]),
        (["false", "true", "unknown"], pd.array([False, True], dtype="boolean")),
        (["0", "1", "unknown"], [0.0, 1.0]),
    ],
)
@pytest.mark.parametrize("ordered", [False, True])
def test_levels_that_were_strings_are_met_by_what_pandas_makes_of_a_file_without_the_odd_word(written, later, ordered):
    levels = pd.CategoricalDtype(written, ordered=ordered)
    schema = infer_schema(pd.DataFrame({"x": pd.Series(written * 5, dtype=levels)}))
    later = pd.DataFrame({"x": later})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inputs = schema.encode(later)
    known = int(later["x"].notna().sum())
    cells = inputs.numeric[:known, 0] if ordered else inputs.categorical[:known, 0]
    assert cells.tolist() == list(range(1, known + 1))
    assert schema.plain(later)["x"][:known].tolist() == written[:known]


def test_only_the_most_frequent_levels_are_kept():
    values = [f"v{i}" for i in range(MAX_LEVELS + 50)] * 2 + ["common"] * 3
    schema = infer_schema(pd.DataFrame({"x": values}))
    assert schema.columns[0].levels[0] == "common"
    assert schema.cardinalities == (MAX_LEVELS + 1,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that rare levels share a code is no news
        assert (schema.encode(pd.DataFrame({"x": values})).categorical == 0).sum() > 50


@settings(max_examples=25)
@given(st.lists(st.one_of(st.none(), st.floats(width=32), st.text(max_size=3), st.booleans()), min_size=2, max_size=30))
def test_any_column_of_objects_is_encoded_row_by_row(values):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object), "other": range(len(values))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = infer_schema(frame)
        inputs = schema.encode(frame)
        order = np.random.default_rng(0).permutation(len(values))
        shuffled = schema.encode(frame.iloc[order])
    np.testing.assert_array_equal(shuffled.numeric, inputs.numeric[order])
    np.testing.assert_array_equal(shuffled.categorical, inputs.categorical[order])


def test_words_for_a_missing_value_are_missing_where_numbers_came_as_text():
    schema = infer_schema(pd.DataFrame({"a": np.arange(5.0)}))
    with pytest.warns(UserWarning, match="holds strings here"):
        inputs = schema.encode(pd.DataFrame({"a": ["1.0", "nan", "", "?", "N/A"]}))
    np.testing.assert_array_equal(np.isnan(inputs.numeric[:, 0]), [False, True, True, True, True])


def test_a_model_of_columns_without_names_takes_those_that_it_looks_at_by_their_positions_as_names():
    X = np.column_stack([np.arange(40.0), np.ones(40), np.arange(40.0) ** 2])
    schema = infer_schema(pd.DataFrame(X))
    used = pd.DataFrame({"2": X[:3, 2], "0": X[:3, 0]})
    np.testing.assert_array_equal(schema.encode(used).numeric, schema.encode(X[:3]).numeric)
