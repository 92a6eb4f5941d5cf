"""Tables and targets that are odd and yet learned from: for each, what "works" means is checked."""

from __future__ import annotations

import copy
import decimal
import fractions
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from raytabdl import TabularClassifier, TabularRegressor
from raytabdl.exceptions import DataError

N = 40
SECONDS = 11  # Ray is not started for so short a time, and the quick models end before it is up

RNG = np.random.default_rng(0)
AGE = RNG.normal(size=N)
TOWN = RNG.choice(["a", "b"], N)
YES = np.where(AGE > 0, "yes", "no")
EVERY_OTHER = np.arange(N) % 2 == 0


def table(**more: Any) -> pd.DataFrame:
    return pd.DataFrame({"age": AGE, "town": TOWN}).assign(**more)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def works(X: Any, y: Any, cls: type[Any] = TabularClassifier) -> Any:
    """Fits and predicts; the data are as before, and each row has a prediction of its own, whatever its company."""
    before = copy.deepcopy((X, y))
    fitted = cls(time_limit=SECONDS).fit(X, y)
    predicted = fitted.predict(X)
    assert_same(X, before[0])
    assert_same(y, before[1])
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    assert predicted.shape == (n_rows,)
    raw = predicted
    if cls is TabularClassifier:
        raw = fitted.predict_proba(X)
        assert raw.shape == (n_rows, len(fitted.classes_))
        assert ((raw >= 0) & (raw <= 1)).all()
        np.testing.assert_allclose(raw.sum(axis=1), 1.0, atol=1e-9)
        assert (predicted == fitted.classes_[raw.argmax(axis=1)]).all()
    assert np.isfinite(raw).all()
    if isinstance(X, pd.DataFrame):
        again = fitted.predict_proba if cls is TabularClassifier else fitted.predict
        np.testing.assert_allclose(again(X.iloc[::-1])[::-1], raw, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(again(X.iloc[[1]])[0], raw[1], rtol=1e-5, atol=1e-7)
    return fitted


def assert_same(now: Any, before: Any) -> None:
    if isinstance(now, pd.DataFrame):
        pd.testing.assert_frame_equal(now, before)
    elif isinstance(now, pd.Series):
        pd.testing.assert_series_equal(now, before)
    elif scipy.sparse.issparse(now):
        np.testing.assert_array_equal(now.toarray(), before.toarray())
    elif isinstance(now, (pl.DataFrame, pl.Series, pa.Table, pa.RecordBatch)):
        assert now.equals(before)
    elif isinstance(now, np.ndarray) and now.dtype.kind == "O":
        assert all((pd.isna(a) and pd.isna(b)) or a == b for a, b in zip(now.flat, before.flat, strict=True))
    else:
        np.testing.assert_array_equal(now, before)


MISSING_AT_THREE = [None if i == 3 else bool(i % 2) for i in range(N)]
STAMPS = pd.Series(pd.date_range("2020-01-30", periods=N)).where(EVERY_OTHER)  # NaT in every other row
NAMES = ['naïve {}[]:,"\n', "\U0001f600"]

FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "useless columns": lambda: table(nothing=np.nan, none=None, one=1, id=[f"row {i}" for i in range(N)]),
    "integers as names": lambda: table().set_axis([5, 9], axis=1),
    "names of two types": lambda: table().set_axis([7, "town"], axis=1),
    "odd names": lambda: table().set_axis(NAMES, axis=1),
    "empty name": lambda: table().set_axis(["", " "], axis=1),
    "names of two levels": lambda: table().set_axis(pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), axis=1),
    "mixed cells": lambda: table(mixed=[1, "a", None, b"x"] * 10),
    "numbers at the ends of float64": lambda: table(
        huge=np.where(EVERY_OTHER, 1e308, -1e308), tiny=np.where(EVERY_OTHER, 5e-324, -0.0)
    ),
    "narrow and wide numbers": lambda: table(
        half=AGE.astype(np.float16), long=AGE.astype(np.longdouble), top=np.where(EVERY_OTHER, 2**64 - 1, 0)
    ),
    "integers beyond 64 bits": lambda: table(big=pd.Series([10**30, 1] * (N // 2), dtype=object)),
    "decimals and fractions": lambda: table(
        price=[decimal.Decimal(i) / 4 for i in range(N)], part=[fractions.Fraction(i, 3) for i in range(N)]
    ),
    "nullable dtypes": lambda: table(
        i=pd.array(MISSING_AT_THREE, dtype="Int64"),
        f=pd.array(MISSING_AT_THREE, dtype="Float64"),
        b=pd.array(MISSING_AT_THREE, dtype="boolean"),
        s=pd.array([None if v is None else str(v) for v in MISSING_AT_THREE], dtype="string"),
    ),
    "arrow dtypes": lambda: table(flag=MISSING_AT_THREE, when=STAMPS).convert_dtypes(dtype_backend="pyarrow"),
    "dates": lambda: table(
        naive=STAMPS,
        aware=pd.date_range("2020", periods=N, tz="Europe/Berlin"),
        period=pd.period_range("2020", periods=N, freq="M"),
        objects=pd.Series([None, *pd.date_range("2020", periods=N - 1).date], dtype=object),
    ),
    "spans": lambda: table(took=pd.to_timedelta(range(N), unit="h"), between=pd.cut(AGE, 3).astype(object)),
    "text": lambda: table(text=["\0x", "\U0001f600", "", "é" * 1_000_000] * 10),
    "text that is never the same": lambda: table(note=[f"call {i} was about {i}" for i in range(N)]),
    "text that is missing in places": lambda: table(note=[f"call {i}" if i % 3 else None for i in range(N)]),
    "categories with unused levels": lambda: table(
        size=pd.Categorical(["s", "l"] * 20, categories=["s", "m", "l"], ordered=True),
        kind=pd.Categorical(TOWN, categories=["b", "a", "c"]),
    ),
    "twins": lambda: table(age_again=AGE, town_again=TOWN, other_words=np.where(TOWN == "a", "x", "y")),
    "an index of one value": lambda: table().set_axis([0] * N),
    "an index of dates": lambda: table().set_axis(pd.date_range("2020", periods=N)),
    "a shuffled index of two levels": lambda: table().set_axis(
        pd.MultiIndex.from_product([range(10), list("abcd")]).take(RNG.permutation(N))
    ),
    "sparse columns": lambda: pd.DataFrame.sparse.from_spmatrix(scipy.sparse.random(N, 5, 0.3, random_state=0)),
    "more columns than rows": lambda: pd.DataFrame(RNG.normal(size=(N, 500))),
    "booleans": lambda: table(flag=EVERY_OTHER, maybe=pd.Series(MISSING_AT_THREE, dtype=object)),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_works(name: str) -> None:
    works(FRAMES[name](), YES)


NUMBERS = np.column_stack([AGE, EVERY_OTHER])
DENSE = np.where(RNG.random((N, 4)) < 0.3, AGE[:, None], 0.0)
OTHER_MAKES: dict[str, Callable[[], Any]] = {
    "polars": lambda: pl.from_pandas(table(when=STAMPS, flag=EVERY_OTHER)).with_columns(
        pl.col("town").cast(pl.Categorical)
    ),
    "arrow table": lambda: pa.Table.from_pandas(table(when=STAMPS)),
    "arrow batch": lambda: pa.RecordBatch.from_pandas(table(when=STAMPS)),
    "array of objects": lambda: table().to_numpy(object),
    "list of lists": lambda: table().to_numpy(object).tolist(),
    "list of records": lambda: table().to_dict("records"),
    "array with names": lambda: table()[["age"]].assign(n=range(N)).to_records(index=False),
    "masked array": lambda: np.ma.masked_array(NUMBERS, mask=np.column_stack([EVERY_OTHER, ~EVERY_OTHER])),
    "read-only array": lambda: read_only(NUMBERS),
    "array by columns": lambda: np.asfortranarray(NUMBERS),
    "sparse rows": lambda: scipy.sparse.csr_matrix(DENSE),
    "sparse array by columns": lambda: scipy.sparse.csc_array(DENSE),
}


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", OTHER_MAKES)
def test_a_table_of_another_make_works(name: str) -> None:
    works(OTHER_MAKES[name](), YES)


def test_a_mapped_file_works(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", NUMBERS)
    works(np.load(tmp_path / "X.npy", mmap_mode="r"), YES)


def test_polars_and_sparse_tables_are_what_pandas_and_dense_ones_are() -> None:
    fitted = works(table(), YES)
    np.testing.assert_allclose(fitted.predict_proba(pl.from_pandas(table())), fitted.predict_proba(table()))
    fitted = works(DENSE, YES)
    np.testing.assert_allclose(fitted.predict_proba(scipy.sparse.coo_array(DENSE)), fitted.predict_proba(DENSE))


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.feather"])
def test_a_file_stands_for_its_table_and_a_name_for_its_target(name: str, tmp_path: Path) -> None:
    path, frame = tmp_path / name, table(answer=YES)
    {".csv": frame.to_csv, ".parquet": frame.to_parquet, ".feather": frame.to_feather}[path.suffix](path)
    fitted = TabularClassifier(time_limit=SECONDS).fit(path, "answer")
    assert fitted.feature_names_in_.tolist()[-2:] == ["age", "town"]
    expected = fitted.predict(table(**({"Unnamed: 0": range(N)} if name == "t.csv" else {})))
    with pytest.warns(UserWarning, match=r"ignored: \['answer'\]"):
        assert (fitted.predict(str(path)) == expected).all()
    with pytest.raises(DataError, match=r"the table does not have, 'reply'; it has .*'answer'\]"):
        TabularClassifier(time_limit=SECONDS).fit(path, "reply")


def test_a_file_and_a_name_are_scored_as_their_table_and_target(tmp_path: Path) -> None:
    path, weights = tmp_path / "t.parquet", np.arange(N) % 3
    table(answer=YES, value=AGE**2, weight=weights).to_parquet(path)
    for cls, target, y in ((TabularClassifier, "answer", YES), (TabularRegressor, "value", AGE**2)):
        X = table(**({"value": AGE**2} if target == "answer" else {"answer": YES}))
        fitted = cls(time_limit=1).fit(path, target, sample_weight="weight")
        assert fitted.score(path, target, sample_weight="weight") == fitted.score(X, y, weights)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it does not know the weights
            assert fitted.score(str(path), target) == fitted.score(X, y)
            assert fitted.evaluate(path, target) == pytest.approx(fitted.evaluate(X, y), nan_ok=True)
        with pytest.raises(DataError, match="the table does not have, 'reply'"):
            fitted.score(path, "reply")


# Targets.

FEW = table().head(6)
CLASSES: dict[str, tuple[pd.DataFrame, Any]] = {
    "two rows": (FEW.head(2), ["a", "b"]),
    "five rows": (FEW.head(5), list("ababa")),
    "as many classes as rows": (FEW, list("abcdef")),
    "fewer rows than twice the classes": (FEW, list("aabbcd")),
    "a class of one row": (table(), ["rare", *YES[1:]]),
    "a level that no row has": (table(), pd.Series(pd.Categorical(YES, ["never", "no", "yes"]))),
    "intervals": (table(), pd.Series(pd.cut(AGE, 3))),
    "pairs": (table(), pd.Series(list(zip(TOWN, EVERY_OTHER.tolist(), strict=True)))),
    "60 classes": (pd.DataFrame({"x": np.arange(120.0) // 2}), np.arange(120) // 2),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CLASSES)
def test_classes_work(name: str) -> None:
    X, y = CLASSES[name]
    assert set(works(X, y).classes_) == set(y)


VALUES: dict[str, tuple[pd.DataFrame, Any]] = {
    "two rows": (FEW.head(2), [1.0, 2.0]),
    "five rows": (FEW.head(5), np.arange(5)),
    "near 1e12": (table(), 1e12 + AGE),
    "heavy tails": (table(), np.random.default_rng(0).standard_cauchy(N) * 1e12),
    "tiny": (table(), AGE * 1e-200),
    "1e149": (table(), AGE * 1e149),
    "integers": (table(), pd.Series(range(N), dtype="Int64")),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", VALUES)
def test_values_work(name: str) -> None:
    X, y = VALUES[name]
    predicted = works(X, y, TabularRegressor).predict(X)
    assert (predicted >= np.min(y)).all() and (predicted <= np.max(y)).all()


def test_a_large_offset_of_the_target_costs_no_digits() -> None:
    predicted = works(table(), 1e12 + AGE, TabularRegressor).predict(table())
    assert np.corrcoef(predicted - 1e12, AGE)[0, 1] > 0.8


# What is said of them.


def test_so_few_rows_that_a_score_says_little_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="4 rows in 4 folds: a model is validated on as few as 1 of them"):
        works(FEW.head(4), [1.0, 2.0, 3.0, 5.0], TabularRegressor)


@pytest.mark.parametrize("index", [range(5, N + 5), np.arange(N)[::-1]], ids=["others", "another order"])
def test_rows_are_matched_by_position_and_other_indexes_are_warned_of(index: Any) -> None:
    y = pd.Series(YES, index=index)
    with pytest.warns(UserWarning, match=r"indexes of X and y differ \(\[0, 1, 2\] and .* by position"):
        differing = TabularClassifier(time_limit=SECONDS).fit(table(), y)
    same = TabularClassifier(time_limit=SECONDS).fit(table(), YES)
    np.testing.assert_array_equal(differing.predict_proba(table()), same.predict_proba(table()))


def test_a_fit_with_warnings_as_errors_is_strict() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="'age' has 1 infinite values"):
            TabularClassifier(time_limit=SECONDS).fit(table(age=np.where(np.arange(N) == 3, np.inf, AGE)), YES)
