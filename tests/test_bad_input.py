"""Tables, targets and settings that nothing can be learned from: refused before any work, with what is to be done."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import get_scorer

from raytabdl import TabularClassifier, TabularRegressor
from raytabdl.exceptions import DataError, RunFolderError, SettingError

N_ROWS = 40


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.normal(size=N_ROWS), "town": rng.choice(["a", "b"], N_ROWS)})


def labels() -> pd.Series:
    return pd.Series(np.where(table()["age"] > 0, "yes", "no"), name="label")


def values() -> pd.Series:
    return table()["age"] * 2.0


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> TabularClassifier:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return TabularClassifier(time_limit=1, run_folder=folder).fit(table(), labels())


def with_row(y: pd.Series, value: Any) -> pd.Series:
    y = y.astype(object) if isinstance(value, str) or value is None else y.copy()
    y.iloc[3] = value
    return y


def with_cell(value: Any) -> pd.DataFrame:
    X = table()
    X["odd"] = pd.Series([1.0, 2.0] * (N_ROWS // 2), dtype=object)
    X.at[3, "odd"] = value
    return X


# Catalogue A and B: what fit is given. The texts name the column, how many rows, the first of them, or the mend.
TABLES = [
    ("empty", table().head(0), labels().head(0), ["0 sample"]),
    ("no columns", table()[[]], labels(), ["no columns"]),
    ("duplicate column names", table().set_axis(["age", "age"], axis=1), labels(), ["duplicate", "'age'", "rename"]),
    ("1 and '1' as names", table().set_axis([1, "1"], axis=1), labels(), ["duplicate", "'1'"]),
    ("a list in a cell", with_cell([1, 2]), labels(), ["'odd'", "list"]),
    ("a dict in a cell", with_cell({"a": 1}), labels(), ["'odd'", "dict"]),
    ("complex numbers", table().assign(wave=1 + 2j), labels(), ["Complex data not supported", "'wave'"]),
    ("more rows than targets", table(), labels().head(30), ["40 rows", "30 targets"]),
    ("fewer rows than targets", table().head(30), labels(), ["30 rows", "40 targets"]),
    ("one dimension", np.arange(40.0), labels(), ["Expected 2D array", "reshape"]),
    ("three dimensions", np.zeros((40, 2, 2)), labels(), ["Expected 2D array"]),
    ("no file", "table.csv", labels(), ["table.csv cannot be read as CSV", "No such file"]),
    ("a file that is no table", "table.xlsx", labels(), ["table.xlsx", "must end in one of .csv"]),
    ("no table", {1, 2}, labels(), ["X must be a table", "got set"]),
    ("a table that is not there yet", pl.LazyFrame(table()), labels(), ["LazyFrame", "collect()"]),
    ("rows of several lengths", [[1, 2], [3]] * 20, labels(), ["rows of one length"]),
    (
        "dates with and without a zone",
        table().assign(when=pd.Series([pd.Timestamp("2020"), pd.Timestamp("2020", tz="UTC")] * 20, dtype=object)),
        labels(),
        ["'when'", "mixes 20 dates with a timezone and 20 without", "index 0"],
    ),
]
LABELS = [
    ("no target", None, ["y"]),
    ("one class", pd.Series(["yes"] * N_ROWS), ["one class", "'yes'", "2 classes"]),
    ("NaN among labels", with_row(labels(), np.nan), ["NaN", "1 missing", "index 3", "drop"]),
    ("None among labels", with_row(labels(), None), ["NaN", "1 missing", "index 3"]),
    ("labels of two types", with_row(labels(), "1").where(labels() == "no", 1), ["sorted", "types differ"]),
    ("two targets", pd.DataFrame({"a": labels(), "b": labels()}), ["1d array", "several targets"]),
    ("fractions as classes", values(), ["continuous"]),
    ("a name that no column has", "label", ["name of a column", "'label'", "['age', 'town']"]),
    ("labels that are sets", pd.Series([frozenset("a"), frozenset("b")] * 20), ["frozenset", "use their strings"]),
]
VALUES = [
    ("NaN in the target", with_row(values(), np.nan), ["NaN", "1 missing", "index 3", "drop"]),
    ("an infinite target", with_row(values(), np.inf), ["infinity", "1 row", "position 3", "drop"]),
    ("strings as values", labels(), ["numbers", "regression"]),
    ("values beyond squares", with_row(values(), 1e200), ["1 values", "1e+200", "position 3", "divide y"]),
    ("complex targets", values().to_numpy() + 1j, ["Complex data not supported"]),
]


@pytest.mark.parametrize(("X", "y", "texts"), [case[1:] for case in TABLES], ids=[case[0] for case in TABLES])
def test_a_table_that_cannot_be_learned_from(X: Any, y: Any, texts: list[str]) -> None:
    refuses(TabularClassifier(time_limit=1), X, y, texts)


@pytest.mark.parametrize(("y", "texts"), [case[1:] for case in LABELS], ids=[case[0] for case in LABELS])
def test_labels_that_cannot_be_learned(y: Any, texts: list[str]) -> None:
    refuses(TabularClassifier(time_limit=1), table(), y, texts)


@pytest.mark.parametrize(("y", "texts"), [case[1:] for case in VALUES], ids=[case[0] for case in VALUES])
def test_values_that_cannot_be_learned(y: Any, texts: list[str]) -> None:
    refuses(TabularRegressor(time_limit=1), table(), y, texts)


@pytest.mark.filterwarnings("ignore:y is .* in every row")
def test_one_row_is_too_few() -> None:
    refuses(TabularRegressor(time_limit=1), table().head(1), values().head(1), ["1 sample", "at least 2 rows"])


def refuses(estimator: TabularClassifier | TabularRegressor, X: Any, y: Any, texts: list[str]) -> None:
    """A DataError with all of the texts, and no run folder that would be in the way of the next try."""
    with pytest.raises(DataError) as caught:
        estimator.fit(X, y)
    assert isinstance(caught.value, ValueError)
    assert [text for text in texts if text not in str(caught.value)] == [], caught.value
    assert not Path("raytabdl_runs").exists()


def test_infinite_features_count_as_missing_with_a_warning() -> None:
    X = table()
    X.loc[3, "age"] = np.inf
    X.loc[4, "age"] = -np.inf
    before = X.copy()
    with pytest.warns(UserWarning, match="'age' has 2 infinite values"):
        clf = TabularClassifier(time_limit=1).fit(X, labels())
    assert np.isfinite(clf.predict_proba(X)).all()
    pd.testing.assert_frame_equal(X, before)


def test_a_table_without_a_usable_column_gives_the_prior_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="no usable features"):
        clf = TabularClassifier(time_limit=1).fit(pd.DataFrame({"one": [1] * N_ROWS}), labels())
    probabilities = clf.predict_proba(pd.DataFrame({"one": [1, 2]}))
    np.testing.assert_allclose(probabilities[0], probabilities[1])


@pytest.mark.filterwarnings("ignore:y is 2.5 in every row")
def test_a_constant_target_is_predicted() -> None:
    reg = TabularRegressor(time_limit=1).fit(table(), np.full(N_ROWS, 2.5))
    np.testing.assert_allclose(reg.predict(table()), 2.5, rtol=1e-6)


# Catalogue C: what predict is given.


def test_a_column_that_is_missing_is_named(fitted: TabularClassifier) -> None:
    with pytest.raises(DataError, match=r"missing from the table: \['town'\].*fitted with \['age', 'town'\]"):
        fitted.predict(table()[["age"]])


def test_unknown_columns_are_ignored_with_a_warning(fitted: TabularClassifier) -> None:
    X = table()[["town", "age"]].assign(extra=1)
    with pytest.warns(UserWarning, match=r"ignored: \['extra'\]"):
        np.testing.assert_array_equal(fitted.predict_proba(X), fitted.predict_proba(table()))


def test_garbage_among_numbers_is_named(fitted: TabularClassifier) -> None:
    X = table().astype({"age": object})
    X.loc[[3, 5], "age"] = "old"
    with pytest.warns(UserWarning, match="'age' held numbers"), pytest.raises(DataError, match=r"'age'.* 2 .*'old' at"):
        fitted.predict(X)


def test_numbers_as_strings_are_read_with_a_warning(fitted: TabularClassifier) -> None:
    with pytest.warns(UserWarning, match="'age' held numbers"):
        predicted = fitted.predict_proba(table().astype({"age": str}))
    np.testing.assert_allclose(predicted, fitted.predict_proba(table()))


def test_unseen_categories_are_counted_in_a_warning(fitted: TabularClassifier) -> None:
    with pytest.warns(UserWarning, match="'town': 40"):
        probabilities = fitted.predict_proba(table().assign(town="elsewhere"))
    assert np.isfinite(probabilities).all()


def test_a_table_of_missing_values_is_predicted(fitted: TabularClassifier) -> None:
    X = pd.DataFrame({"age": [np.nan, np.nan], "town": [None, None]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(fitted.predict_proba(X)).all()


def test_too_few_unnamed_columns_are_counted(fitted: TabularClassifier) -> None:
    with pytest.raises(DataError, match="X has 1 features, but raytabdl is expecting 2 features"):
        fitted.predict(table()[["age"]].to_numpy())


# Settings.

BAD_SETTINGS: list[tuple[str, list[Any]]] = [
    ("time_limit", [0, -1, -0.5, float("nan"), float("inf"), "abc", "60", True, [60], np.float64("nan")]),
    ("n_trials", [0, -3, 2.0, "5", True]),
    ("n_workers", [0, -1, 1.5, "2", False]),
    ("ensemble_size", [0, -1, 2.5, None, "all", True]),
    ("seed", [-1, 0.5, None, "0", True, np.random.default_rng(0)]),
    ("gpus_per_trial", [-1, float("nan"), float("inf"), "1", True]),
    ("trial_time_limit", [0, -1, float("nan"), float("inf"), "60", True]),
    ("trial_memory", [0, 0.4, -1, float("nan"), float("inf"), "2 GB", True]),
    ("trial_seconds", [0, -1, float("nan"), float("inf"), "60", True]),
    ("metric", ["acuracy", "rmse", 3, ["log_loss"]]),
    ("choices", ["mlp", {"networks": ()}]),
    ("portfolio", ["portfolio.json", []]),
    ("run_folder", [3, ["run"]]),
    ("progress", ["yes", 1]),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, bad in BAD_SETTINGS for value in bad],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:20],
)
def test_a_setting_that_cannot_be(name: str, value: Any) -> None:
    estimator = TabularClassifier(**{"time_limit": 1, name: value})  # the constructor takes everything
    with pytest.raises(SettingError, match=name) as caught:
        estimator.fit(table(), labels())
    assert isinstance(caught.value, ValueError)
    assert repr(value) in str(caught.value)
    assert not Path("raytabdl_runs").exists()


def test_some_limit_is_needed() -> None:
    with pytest.raises(SettingError, match="time_limit and n_trials are both None"):
        TabularClassifier(time_limit=None).fit(table(), labels())


@pytest.mark.parametrize(("cls", "known"), [(TabularClassifier, "balanced_accuracy"), (TabularRegressor, "rmse")])
def test_an_unknown_metric_is_answered_with_the_known_ones(cls: type[Any], known: str) -> None:
    with pytest.raises(SettingError, match=f"metric must be one of .*{known}.* got 'auc'"):
        cls(time_limit=1, metric="auc").fit(table(), values())


@pytest.mark.filterwarnings("ignore:all rows that models are compared by are of one class")
def test_a_metric_that_cannot_measure_the_validation_rows_is_refused_before_any_training() -> None:
    no = labels() == "no"
    clf = TabularClassifier(time_limit=1, metric=get_scorer("neg_log_loss"))
    with pytest.raises(SettingError, match=r"log_loss cannot measure .* fold 0 .* lack 1 of 2 classes: .*one label"):
        clf.fit(table(), labels(), X_valid=table()[no], y_valid=labels()[no])


def test_numpy_numbers_are_numbers() -> None:
    clf = TabularClassifier(time_limit=np.float32(1), seed=np.int64(1), ensemble_size=np.int32(5))
    assert clf.fit(table(), labels()).predict(table()).shape == (N_ROWS,)


# Run folders.


def test_a_folder_with_another_run_is_refused_before_any_work(fitted: TabularClassifier) -> None:
    folder = fitted.folder_.path
    before = sorted(folder.rglob("*"))
    with pytest.raises(RunFolderError, match=f"{folder} is not an empty folder.*raytabdl resume {folder}") as caught:
        TabularClassifier(time_limit=1, run_folder=folder).fit("no table", None)
    assert isinstance(caught.value, OSError)
    assert sorted(folder.rglob("*")) == before


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"not an empty folder; choose another one .*, delete it$"):
        TabularClassifier(time_limit=1, run_folder=tmp_path).fit(table(), labels())


def test_a_file_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(RunFolderError, match="run is not an empty folder"):
        TabularClassifier(time_limit=1, run_folder=tmp_path / "run").fit(table(), labels())
    with pytest.raises(RunFolderError, match="cannot be written"):
        TabularClassifier(time_limit=1, run_folder=tmp_path / "run" / "below").fit(table(), labels())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no file system here that nobody can write to")
def test_a_parent_that_cannot_be_written() -> None:
    with pytest.raises(RunFolderError, match="/proc/run cannot be written"):
        TabularClassifier(time_limit=1, run_folder="/proc/run").fit(table(), labels())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_parent_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunFolderError, match="cannot be written"):
        TabularClassifier(time_limit=1, run_folder=tmp_path / "run").fit(table(), labels())
    tmp_path.chmod(0o700)


def test_an_empty_folder_and_an_odd_name_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "a run of müller \U0001f600"
    folder.mkdir()
    clf = TabularClassifier(time_limit=1, run_folder=str(folder)).fit(table(), labels())
    assert len(clf.leaderboard()) > 0


def test_data_that_was_refused_leaves_the_folder_free(tmp_path: Path) -> None:
    clf = TabularClassifier(time_limit=1, run_folder=tmp_path / "run")
    with pytest.raises(DataError):
        clf.fit(table().head(0), labels().head(0))
    clf.fit(table(), labels())
