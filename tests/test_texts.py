"""Columns of strings that hold numbers or dates."""

from __future__ import annotations

import datetime
import json
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.schema import Kind, Schema, infer_schema, without_twins
from raytabdl.texts import DATES, form_of, read_numbers
from raytabdl.values import PARTS, date_part, of_texts

N = 40
NUMBERS = [f"{i * 1.5}" for i in range(N)]
DAYS = pd.date_range("2023-12-20", periods=N, freq="31h")


def schema_of(values: object) -> tuple[list[tuple[str, str, str]], np.ndarray]:
    """The columns that a column becomes (kind, part, form), and its numbers without their origins."""
    frame = pd.DataFrame({"x": values})
    schema = infer_schema(frame)
    encoded = schema.encode(frame).numeric.astype(np.float64)
    numeric = [column for column in schema.columns if column.kind is not Kind.CATEGORY]
    return (
        [(column.kind.value, column.part, column.form) for column in schema.columns],
        encoded + np.array([column.origin for column in numeric]),
    )


def test_numbers_in_strings_are_numbers_and_words_among_them_are_missing() -> None:
    texts = [" 1.5 ", "?", *NUMBERS[2:-2], "N/A", ""]
    columns, numbers = schema_of(texts)
    assert columns == [("number", "", "number")]
    np.testing.assert_allclose(numbers[2:-2, 0], np.arange(2, N - 2) * 1.5, rtol=1e-6)
    assert np.isnan(numbers[[1, -2, -1], 0]).all() and numbers[0, 0] == pytest.approx(1.5)


@pytest.mark.parametrize(
    "texts",
    [
        [f"{i:05d}" for i in range(N)],  # codes
        [str(i % 7) for i in range(N)],  # the names of a few categories
        ["unknown", *NUMBERS[1:]],  # where it is not said how rare the word is
        [f"1.2.{i}" for i in range(N)],  # versions
        [f"{i}-{i + 10}" for i in range(N)],
        [f"{i % 24}:{i % 10}" for i in range(N)],  # ratios
        [f"{i % 24}:{i + 30}" for i in range(N)],  # scores
        [f"{i}:{i:02d}" for i in range(N)],
        [f"{i}:30" for i in range(20)],  # few times are the names of shifts
        ["noon", *(f"{i % 24}:{i:02d}" for i in range(N))],
        [f"{i}/{i}/2" for i in range(1, 13)],
        ["1/32/24", "13/13/24", "5/5/24"],
        [f"25-{i:02d}-24" for i in range(1, 13)],
        ["Monday 3", "Tuesday 4"] * (N // 2),
        [f"4711-{i:02d}" for i in range(1, 13)],  # pandas takes them for months
        ["1999.5", "1200.10", "2000.25"],
        ["0" * 100_000 + str(i) for i in range(N)],
    ],
)
def test_other_strings_stay_what_they_are(texts: list[str]) -> None:
    assert form_of(list(dict.fromkeys(texts))) == ""


def with_words(words: list[str], numbers: list[str]) -> pd.Series:
    return pd.Series([*words, *numbers]).sample(frac=1, random_state=0, ignore_index=True)


MANY = [f"{x:.4f}" for x in np.random.default_rng(0).normal(size=1_990)]


@pytest.mark.parametrize("words", [["Refused"] * 10, ["<0.1", "TBD", "n.d.", "see note", "x" * 60] * 2])
def test_a_few_words_among_many_numbers_are_missing_and_said_to_be_once(words: list[str]) -> None:
    texts = with_words(words, MANY)
    frame = pd.DataFrame({"x": texts})
    with pytest.warns(UserWarning, match="'x' has 10 values that are no numbers, among them") as said:
        schema = infer_schema(frame)
    assert len(said) == 1
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what stood there in training is no news
        numeric = again.encode(frame).numeric[:, 0]
    assert [column.kind for column in again.columns] == [Kind.NUMBER]
    np.testing.assert_array_equal(np.isnan(numeric), texts.isin(words))
    np.testing.assert_array_equal(again.plain(frame)["x"], pd.to_numeric(texts, errors="coerce"))
    with pytest.warns(UserWarning, match="'x' has 1 values that are no numbers, among them 'other'"):
        again.encode(pd.DataFrame({"x": ["1", words[0], "other"]}))


@pytest.mark.parametrize(
    "texts",
    [
        with_words(["Refused"] * 110, MANY),  # of more than a twentieth of the rows they are no exception
        with_words(list("abcdef"), MANY),
        with_words(["unknown"] * 2, [str(i % 20) for i in range(200)]),  # the names of a few categories
        with_words(["unknown"] * 2, [f"{i:05d}" for i in range(200)]),  # codes
    ],
    ids=["many rows", "many words", "few numbers", "codes"],
)
def test_numbers_with_more_words_and_few_numbers_stay_strings(texts: pd.Series) -> None:
    columns, _ = schema_of(pd.concat([texts, texts]))
    assert columns == [("category", "", "")]


def test_of_two_forms_it_is_the_one_that_reads_more() -> None:
    texts = with_words(["1,250.00", "2,000.00", "?"], [f"{i}.5" for i in range(200)])
    columns, numbers = schema_of(texts)
    assert columns == [("number", "", "1,234.5")]
    assert np.isnan(numbers).sum() == 1
    with pytest.warns(UserWarning, match="'x' has 1 values that are no numbers, among them 'free'"):
        columns, numbers = schema_of(with_words(["1.250,00 €", "2.000,00 €", "free"], [f"{i},5 €" for i in range(200)]))
    assert columns == [("number", "", "1.234,5")]
    assert np.isnan(numbers).sum() == 1


def test_who_made_it_a_category_meant_one() -> None:
    columns, _ = schema_of(pd.Series(NUMBERS, dtype="category"))
    assert columns == [("category", "", "")]


@pytest.mark.parametrize("form", DATES)
def test_dates_are_read_in_the_form_in_which_all_of_them_are_written(form: str) -> None:
    texts = list(DAYS.astype(str) if form == "ISO8601" else DAYS.strftime(form))
    read = pd.to_datetime(texts, format=form_of(list(dict.fromkeys(texts))))
    assert read.equals(pd.to_datetime(texts, format=form))


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["01/05/2024 10:30:00 PM", "01/05/2024 12:30:00 AM"], "%m/%d/%Y %I:%M:%S %p"),
        (["13/05/2024 10:30 pm", "01/05/2024 12:30 am"], "%d/%m/%Y %I:%M %p"),
        (["September 25, 2021", "May 1, 2021"], "%B %d, %Y"),
        (["Sep 25, 2021", "May 1, 2021"], "%b %d, %Y"),
        (["25 September 2021", "1 May 2021"], "%d %B %Y"),
        (["1/5/24", "12/25/69"], "%m/%d/%y"),
        (["1/5/24", "25/12/23"], "%d/%m/%y"),
        (["1/5/24 9:05", "25/12/23 23:05"], "%d/%m/%y %H:%M"),
        (["05-Jan-24", "29-Feb-24"], "%d-%b-%y"),
    ],
)
def test_dates_in_the_words_and_clocks_of_people_are_dates(texts: list[str], form: str) -> None:
    assert form_of(texts) == form
    columns, numbers = schema_of(texts * 30)
    assert columns[0] == ("datetime", "", form)
    since = [datetime.datetime.strptime(text, form) - datetime.datetime(1970, 1, 1) for text in texts]
    np.testing.assert_allclose(numbers[:2, 0], [time / datetime.timedelta(days=1) for time in since], atol=1e-3)
    if "%p" in form:
        assert numbers[:2, -1].tolist() == [22.5, 0.5]


CLOCK = [datetime.time(i % 24, 7 * i % 60, i) for i in range(N)]
HOURS = np.array([time.hour + time.minute / 60 + time.second / 3600 for time in CLOCK])


@pytest.mark.parametrize(
    "times",
    [
        pd.Series([*CLOCK, None], dtype=object),
        pd.Series([*CLOCK, None], dtype=pd.ArrowDtype(pa.time64("us"))),
        [*(time.strftime("%H:%M:%S") for time in CLOCK), "?"],
        [*(f"{time.hour}:{time.minute:02d}:{time.second:02d}.000" for time in CLOCK), None],
    ],
    ids=["times", "arrow", "strings", "fractions of seconds"],
)
def test_times_of_a_day_are_numbers_of_hours_also_in_a_later_table_of_another_kind(times: object) -> None:
    columns, numbers = schema_of(times)
    assert columns == [("number", "", "12:30")]
    np.testing.assert_allclose(numbers[:, 0], [*HOURS, np.nan], atol=1e-5)
    schema = infer_schema(pd.DataFrame({"x": times, "y": range(N + 1)}))
    schema = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cell in ("18:30", datetime.time(18, 30), 18.5):
            later = pd.DataFrame({"x": [cell, None], "y": 0})
            np.testing.assert_array_equal(schema.plain(later)["x"], [18.5, np.nan])
    with pytest.warns(UserWarning, match="'x' has 1 values that are no times of a day, among them '25:00'"):
        assert np.isnan(schema.plain(pd.DataFrame({"x": ["25:00", "9:05"], "y": 0}))["x"]).tolist() == [True, False]


def test_few_times_are_numbers_where_the_cells_are_times() -> None:
    columns, numbers = schema_of([datetime.time(8), datetime.time(16, 30)] * 20)
    assert columns == [("number", "", "12:30")]
    assert numbers[:2, 0].tolist() == [8, 16.5]
    aware = pd.Series([datetime.time(8, tzinfo=datetime.timezone.utc), datetime.time(9)] * 20, dtype=object)
    assert schema_of(aware)[0] == [("category", "", "")]


def test_a_date_in_strings_is_the_date() -> None:
    form = "%d.%m.%Y"
    of_texts, from_texts = schema_of(DAYS.strftime(form))
    of_dates, from_dates = schema_of(DAYS.normalize())
    assert [column[:2] for column in of_texts] == [column[:2] for column in of_dates]
    assert {column[2] for column in of_texts} == {form}
    np.testing.assert_array_equal(from_texts, from_dates)


def test_a_date_has_the_parts_that_vary() -> None:
    columns, numbers = schema_of(DAYS)
    assert [part for _, part, _ in columns] == ["", "month", "day", "weekday", "hour"]
    for position, part in enumerate(("month", "day", "day_of_week"), start=1):
        np.testing.assert_array_equal(numbers[:, position], getattr(DAYS, part))
    np.testing.assert_array_equal(numbers[:, 4], DAYS.hour)
    mondays = pd.date_range("2024-01-01", periods=4, freq="7D")
    assert [part for _, part, _ in schema_of(list(mondays) * 5)[0]] == ["", "day"]


@given(st.datetimes(datetime.datetime(1600, 1, 1), datetime.datetime(2400, 1, 1)))
def test_the_parts_are_those_of_the_calendar(moment: datetime.datetime) -> None:
    days = np.array([(moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1)])
    found = [date_part(days, part)[0] for part in PARTS]
    whole = datetime.datetime(1970, 1, 1) + datetime.timedelta(days=float(np.floor(days[0])))
    assert found[:3] == [whole.month, whole.day, whole.weekday()]
    assert found[3] == pytest.approx(24 * (days[0] - np.floor(days[0])))


def test_a_later_table_may_hold_the_values_themselves_or_dates_as_json_has_them() -> None:
    frame = pd.DataFrame({"n": NUMBERS, "d": DAYS.strftime("%m/%d/%Y")})
    schema = infer_schema(frame)
    plain = pd.DataFrame({"n": np.arange(N) * 1.5, "d": DAYS.normalize()})
    in_json = pd.DataFrame({"n": NUMBERS, "d": DAYS.strftime("%Y-%m-%d")})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for other in (plain, in_json):
            np.testing.assert_array_equal(schema.encode(other).numeric, schema.encode(frame).numeric)


def test_what_is_neither_counts_as_missing_and_is_counted() -> None:
    frame = pd.DataFrame({"n": NUMBERS, "d": DAYS.strftime("%m/%d/%Y")})
    schema = infer_schema(frame)
    bad = frame.assign(n=["many", "?", "many", *NUMBERS[3:]], d=["soon", *frame["d"][1:]])
    with pytest.warns(UserWarning) as said:
        numeric = schema.encode(bad).numeric
    told = " ".join(str(warning.message) for warning in said)
    assert "'n' has 2 values that are no numbers, among them 'many'" in told
    assert "'d' has 1 values that are no dates, among them 'soon'" in told
    assert np.isnan(numeric).any(axis=1).tolist() == [True] * 3 + [False] * (N - 3)


def test_a_date_that_repeats_another_leaves_its_parts_once() -> None:
    many = pd.date_range("2023-12-20", periods=200, freq="31h")
    frame = pd.DataFrame({"first": many, "second": many})
    schema, inputs = without_twins(infer_schema(frame), infer_schema(frame).encode(frame))
    assert {column.name for column in schema.columns} == {"first"}
    assert dict(schema.dropped) == {"second": "the same as column 'first'"}
    np.testing.assert_array_equal(schema.encode(frame).numeric, inputs.numeric)


@pytest.mark.parametrize(
    ("written", "form", "later"),
    [
        (lambda x: f"{x:,.2f}", "1,234.5", "1,000"),
        (lambda x: f"${x:,.2f}", "1,234.5", "$1,000.00"),
        (lambda x: f"{x:.2f} €".replace(".", ","), "1.234,5", "1.000 €"),
        (lambda x: f"{x:.1f} %".replace(".", ","), "1.234,5", "1000,0%"),
    ],
)
def test_numbers_with_separators_and_signs_are_numbers(written, form: str, later: str) -> None:
    values = np.round(np.linspace(-5_000.5, 2_000_000.5, 60), 1)
    assert form_of([written(x) for x in values]) == form
    assert read_numbers([written(x) for x in values], form) == pytest.approx(values)
    assert read_numbers([later, "1.2.3", "1,2,3", "x"], form)[0] == 1_000
    assert np.isnan(read_numbers(["1.2.3", "1,2,3", "x", "$"], form)).all()


def test_versions_addresses_and_codes_are_no_numbers() -> None:
    for write in ("1.{0}.1", "10.0.0.{0}", "192.168.100.1{0}", "600.123.4{0}", "250,401,7{0}", "{0}.345.678"):
        assert form_of([write.format(i) for i in range(40, 80)]) == "", write


def test_three_decimals_are_no_thousands() -> None:
    texts = [f"{i % 4},{i}5" for i in range(10, 50)]
    assert form_of(texts) == "1.234,5"
    assert read_numbers(["0,125", "1e5", "0,5"], "1.234,5") == pytest.approx([0.125, 1e5, 0.5])


def test_a_number_among_strings_with_separators_is_itself() -> None:
    column = pd.Series([12.125, "1.250,5", -0.125], dtype=object)
    assert of_texts(column, "1.234,5", "x") == pytest.approx([12.125, 1250.5, -0.125])
