from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner, Result
from sklearn import metrics

from raytabdl import TabularClassifier, TabularRegressor, cli
from raytabdl.exceptions import DataError
from raytabdl.metrics import CLASSIFICATION, REGRESSION


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.commands, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = rng.normal(size=300)
    return pd.DataFrame({"size": size, "kind": np.where(size + rng.normal(size=300) > 0, "yes", "no")})


@pytest.fixture(scope="module")
def folder(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluate") / "run"
    TabularClassifier(time_limit=0.5, run_folder=path).fit(frame[["size"]], frame["kind"])
    return path


def test_all_metrics_of_the_task_are_those_of_the_predictions(
    folder: Path, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = run("evaluate", folder, tmp_path / "t.csv", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"] == 300
    assert list(told["scores"]) == list(CLASSIFICATION)
    clf = TabularClassifier.load(folder)
    assert told["scores"]["accuracy"] == pytest.approx(clf.score(frame[["size"]], frame["kind"]))
    expected = metrics.log_loss(frame["kind"], clf.predict_proba(frame[["size"]]))
    assert told["scores"]["log_loss"] == pytest.approx(expected, rel=1e-5)
    assert "roc_auc" in run("evaluate", folder, tmp_path / "t.csv").stdout


def test_a_regression_is_scored_by_its_metrics_and_what_is_not_defined_is_null(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    TabularRegressor(time_limit=0.5, run_folder=tmp_path / "run").fit(frame[["kind"]], 5 * frame["size"])
    frame.assign(size=5 * frame["size"]).to_parquet(tmp_path / "t.parquet")
    told = json.loads(run("evaluate", tmp_path / "run", tmp_path / "t.parquet", "--json").stdout)
    assert list(told["scores"]) == list(REGRESSION)
    assert told["scores"]["msle"] is None  # log(1 + y) of a y below -1
    assert told["scores"]["rmse"] == pytest.approx(np.sqrt(told["scores"]["mse"]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": ["perhaps"] * 3 + ["no"] * 297}, "'kind' has 3 targets of classes that training did not see"),
        ({"kind": [None] * 2 + ["no"] * 298}, "'kind' has 2 missing targets"),
    ],
)
def test_a_target_that_cannot_be_scored_is_named(
    change: dict[str, list[str]], words: str, folder: Path, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.assign(**change).to_csv(tmp_path / "t.csv", index=False)
    done = run("evaluate", folder, tmp_path / "t.csv")
    assert done.exit_code == 2
    assert words in done.stderr


def test_the_column_of_the_truth_must_be_there(folder: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.rename(columns={"kind": "sort"}).to_csv(tmp_path / "t.csv", index=False)
    refused = run("evaluate", folder, tmp_path / "t.csv")
    assert refused.exit_code == 2
    assert "no column 'kind'; it has ['size', 'sort']" in refused.stderr
    assert run("evaluate", folder, tmp_path / "t.csv", "--target", "sort").exit_code == 0


def test_a_table_without_rows_has_no_score(folder: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.head(0).to_csv(tmp_path / "t.csv", index=False)
    done = run("evaluate", folder, tmp_path / "t.csv")
    assert done.exit_code == 2
    assert "0 rows" in done.stderr


def test_an_estimator_tells_the_same_of_a_frame_a_list_and_a_file(
    folder: Path, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = json.loads(run("evaluate", folder, tmp_path / "t.csv", "--json").stdout)["scores"]
    clf = TabularClassifier.load(folder)
    X = frame[["size"]]
    targets = (
        frame["kind"],
        list(frame["kind"]),
        frame[["kind"]],
        frame[["kind"]].to_numpy(),
        pl.Series(frame["kind"]),
    )
    for rows, y in (*((X, y) for y in targets), (tmp_path / "t.csv", "kind")):
        assert clf.evaluate(rows, y) == pytest.approx(told)


def test_labels_that_a_file_has_made_numbers_of_are_known_by_their_text(tmp_path: Path) -> None:
    X = pd.DataFrame({"x": np.arange(60.0)})
    clf = TabularClassifier(0.5, run_folder=tmp_path / "run").fit(X, np.where(X["x"] > 30, "1", "0"))
    assert clf.evaluate(X, (X["x"] > 30).astype(int))["accuracy"] == clf.score(X, np.where(X["x"] > 30, "1", "0"))
    with pytest.raises(DataError, match=r"did not see, '2'; it saw \['0', '1'\]"):
        clf.evaluate(X, ["2", *["0"] * 59])
