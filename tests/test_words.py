"""Free text as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raytabdl.report.validation import _groups
from raytabdl.schema import Kind, Schema, infer_schema
from raytabdl.words import MOST_WORDS, common_words, word_counts

N = 200


def reviews(n: int = N, seed: int = 0) -> pd.Series:
    """Each is different, and every second one is of something that was good."""
    rng = np.random.default_rng(seed)
    verdict = np.where(np.arange(n) % 2, "good", "bad")
    return pd.Series([f"Parcel {rng.integers(1e9)} was {word}, very {word} indeed" for word in verdict])


def test_words_that_many_texts_have_and_not_most_of_them_are_counted() -> None:
    assert set(common_words(reviews())) == {"good", "bad"}  # "parcel" is in all, each number in one


def test_names_and_ids_are_no_text() -> None:
    assert common_words(pd.Series([f"customer {i}" for i in range(N)])) == ()
    assert common_words(pd.Series([None] * N, dtype=object)) == ()
    assert common_words(pd.Series([("a", "b", "c", i) for i in range(N)])) == ()
    assert common_words(pd.Series([f"{i} {i + 1} {i + 2} {i + 3}" for i in range(0, 4 * N, 4)])) == ()


def test_digits_alone_are_no_words_that_make_a_text() -> None:
    rooms = pd.Series([f"room {i} {i + 1} {i + 2} {'north' if i % 3 else 'south'}" for i in range(100, 100 + N)])
    assert common_words(rooms) == ()
    assert set(common_words(rooms + " wing")) == {"south"}  # north is in most


@pytest.mark.parametrize(("n_different", "kind"), [(0.55, Kind.TEXT), (0.75, Kind.TEXT), (0.45, Kind.CATEGORY)])
def test_text_is_looked_for_where_more_than_half_of_the_values_are_different(n_different: float, kind: Kind) -> None:
    texts = reviews().iloc[np.arange(N) % round(n_different * N)]
    assert {column.kind for column in infer_schema(pd.DataFrame({"x": texts})).columns} == {kind}


def test_names_and_phrases_that_come_back_are_categories() -> None:
    rng = np.random.default_rng(0)
    towns = [f"{first} {last}" for first in ("San", "New", "Fort", "Lake") for last in ("Alba", "Bree", "Dale", "Elm")]
    phrases = [f"very {word} quality {noun}" for word in ("good", "poor", "fair") for noun in ("item", "lot", "set")]
    for names, n in ((towns, N), (phrases, N), (towns, 25), (phrases, 25)):
        frame = pd.DataFrame({"x": rng.choice(names, n)})
        assert [column.kind for column in infer_schema(frame).columns] == [Kind.CATEGORY]
    names = pd.DataFrame({"x": [f"{towns[i % 16]} {i}" for i in rng.integers(N, size=N)]})  # most are different
    assert [column.kind for column in infer_schema(names).columns] == [Kind.CATEGORY]


def test_there_are_not_more_words_than_that_and_the_most_frequent_ones() -> None:
    rng = np.random.default_rng(0)
    share = np.linspace(0.45, 0.05, 150)
    texts = pd.Series([" ".join(f"w{j:03d}" for j in np.flatnonzero(rng.random(150) < share)) for _ in range(2_000)])
    words = common_words(texts)
    assert len(words) == MOST_WORDS
    assert set(words[:40]) <= {f"w{j:03d}" for j in range(60)}


@pytest.mark.parametrize("dtype", ["str", "string", "object", "string[pyarrow]"])
def test_letters_of_any_alphabet_are_of_words_whatever_the_dtype(dtype: str) -> None:
    texts = pd.Series(["schöne Grüße aus Köln", "привет из города", None], dtype=dtype)
    np.testing.assert_allclose(word_counts(texts, ["grüße"])[:2], np.log1p([[4, 1], [3, 0]]), rtol=1e-6)


def test_without_words_the_length_is_left() -> None:
    np.testing.assert_allclose(word_counts(pd.Series(["one two"]), []), np.log1p([[2]]), rtol=1e-6)


def test_counts_are_logarithms_and_what_is_missing_stays_so() -> None:
    counts = word_counts(pd.Series(["Good, good day", None, ""]), ["good", "bad"])
    np.testing.assert_allclose(counts[0], np.log1p([3, 2, 0]), rtol=1e-6)
    assert np.isnan(counts[1]).all()
    assert (counts[2] == 0).all()


@pytest.mark.parametrize("n_missing", [0, 4])
def test_a_column_of_text_is_learned_from_by_its_words(n_missing: int) -> None:
    texts = reviews()
    texts.iloc[:n_missing] = None
    frame = pd.DataFrame({"review": texts, "x": np.arange(N) % 7})
    schema = infer_schema(frame)
    assert {(c.name, c.kind, c.part) for c in schema.columns[:-1]} == {
        ("review", Kind.TEXT, part) for part in ("", "good", "bad")
    }
    encoded = schema.encode(frame).numeric
    good = next(i for i, column in enumerate(schema.columns) if column.part == "good")
    np.testing.assert_array_equal(encoded[n_missing:, good] > 0, np.arange(N)[n_missing:] % 2 == 1)
    assert np.isnan(encoded[:, good]).sum() == n_missing
    again = Schema.from_json(schema.to_json())
    np.testing.assert_array_equal(again.encode(frame.iloc[[5]]).numeric, encoded[[5]])
    assert _groups(schema) == {"review": [0, 1, 2], "x": [3]}
