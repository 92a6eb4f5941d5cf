from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import raytabdl
from raytabdl import cli, tables
from raytabdl.commands.arguments import LEAST_SECONDS, remaining
from raytabdl.commands.fit import _is_classification
from raytabdl.exceptions import ClusterError, DataError, NoSuccessfulTrialError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.commands, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line with which a command was refused."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    *said, error = result.stderr.splitlines()
    assert error.startswith("Error: ")
    assert not any(line.startswith(("Error", "Traceback", "Usage")) for line in said)
    return error


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two informative columns and a target of two strings, as CSV."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=200)
    colour = rng.choice(["red", "blue"], size=200)
    kind = np.where(size + (colour == "red") > 0.5, "yes", "no")
    path = tmp_path / "table.csv"
    pd.DataFrame({"size": size, "colour": colour, "kind": kind}).to_csv(path, index=False)
    return path


# Cheap: what is answered without a fit.


def test_help_brings_no_heavy_package() -> None:
    code = (
        "import sys, raytabdl.cli as cli\n"
        "try: cli.commands(['fit', '--help'])\n"
        "except SystemExit: print([name for name in ('torch', 'ray', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--target" in done.stdout


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"raytabdl, version {raytabdl.__version__}\n"


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "abc", ""])
@pytest.mark.parametrize("command", ["fit", "demo"])
def test_a_time_limit_that_is_none_is_refused_by_name(seconds: str, command: str) -> None:
    error = refused(run(command, "--time-limit", seconds))
    assert "--time-limit" in error
    assert f"{seconds!r} is not a positive number of seconds" in error


def test_a_folder_that_holds_another_run_is_refused_before_the_table_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").touch()
    no_table = tmp_path / "table.csv"
    no_table.write_bytes(b"\xff\x00 nothing that could be read")
    error = refused(run("fit", no_table, "--target", "kind", "--out", folder))
    assert "--out" in error
    assert f"raytabdl resume {folder}" in error
    assert "--out" in refused(run("demo", "--out", folder))
    assert list(folder.iterdir()) == [folder / "run.json"]


def test_a_folder_with_anything_else_is_refused_too(table: Path) -> None:
    error = refused(run("fit", table, "--target", "kind", "--out", table.parent))
    assert "is not empty" in error
    assert "resume" not in error


def test_a_file_with_another_ending_is_refused(table: Path, tmp_path: Path) -> None:
    sheet = table.rename(tmp_path / "table.xlsx")
    error = refused(run("fit", sheet, "--target", "kind", "--out", tmp_path / "run"))
    assert "table.xlsx' ends in none of .csv, .csv.gz, .parquet, .pq, .arrow, .feather, .arff" in error
    (tmp_path / "run").mkdir()
    table.touch()
    assert "--out" in refused(run("predict", tmp_path / "run", table, "--out", tmp_path / "p.txt"))


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    error = refused(run("fit", tmp_path / "none.csv", "--target", "kind", "--out", tmp_path / "run"))
    assert "does not exist" in error


def test_an_unknown_target_is_answered_with_the_columns(table: Path, tmp_path: Path) -> None:
    error = refused(run("fit", table, "--target", "sort", "--out", tmp_path / "run"))
    assert "--target" in error
    assert "no column 'sort'; it has ['size', 'colour', 'kind']" in error


def test_an_unknown_metric_is_answered_with_those_of_the_task(table: Path, tmp_path: Path) -> None:
    error = refused(run("fit", table, "--target", "kind", "--metric", "rmse", "--out", tmp_path / "run"))
    assert "'log_loss'" in error
    assert "'mae'" not in error
    assert not (tmp_path / "run").exists()


def test_a_binary_task_needs_two_values(table: Path, tmp_path: Path) -> None:
    error = refused(run("fit", table, "--target", "size", "--task", "binary", "--out", tmp_path / "run"))
    assert "'size' has 200 distinct values" in error


@pytest.mark.parametrize("command", [("resume",), ("leaderboard",), ("results", "--out", "results.csv")])
def test_a_folder_without_a_run_is_refused(command: tuple[str, ...], tmp_path: Path) -> None:
    assert f"{tmp_path} holds no run" in refused(run(*command, tmp_path))


@pytest.mark.parametrize(
    ("error", "code"), [(DataError("a\nb"), 2), (NoSuccessfulTrialError("a\nb"), 1), (ClusterError("a\nb"), 1)]
)
def test_a_run_that_fails_ends_with_1_and_a_bad_table_with_2(
    error: Exception, code: int, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("raytabdl.commands.fit.read_table", fail)
    result = run("fit", table, "--target", "kind", "--out", table.parent / "run")
    assert (result.exit_code, result.stderr) == (code, "Error: a b\n")


def test_a_warning_is_one_line_and_said_once(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*arguments: object) -> None:
        warnings.warn("a\nb", stacklevel=1)
        warnings.warn("a\nb", stacklevel=1)
        raise DataError("c")

    monkeypatch.setattr("raytabdl.commands.fit.read_table", warn)
    result = run("fit", table, "--target", "kind", "--out", table.parent / "run")
    assert result.stderr == "warning: a b\nError: c\n"


# Tables.


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.pq", "t.arrow", "t.feather", "T.CSV"])
def test_a_table_comes_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, None], "c": ["x", "y"]})
    tables.write_table(frame, tmp_path / name)
    pd.testing.assert_frame_equal(tables.read_table(tmp_path / name), frame)


def test_an_ending_is_kept_to(tmp_path: Path) -> None:
    tables.write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.csv.gz")
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()) == b"a\n1\n"
    tables.write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.pq")
    assert (tmp_path / "t.pq").read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("twice.csv", b"a,b,a\n1,2,3\n", "duplicate column names: ['a']"),
        ("empty.csv", b"", "cannot be read as CSV"),
        ("long.csv", b"a,b\n1,2,3\n4,5,6\n", "cannot be read as CSV"),
        ("bytes.csv", b"a\n\xff\xfe\n", "cannot be read as CSV"),
        ("cut.csv.gz", gzip.compress(b"a\n1\n")[:-6], "cannot be read as CSV"),
        ("text.csv.gz", b"a\n1\n", "cannot be read as CSV"),
        ("text.parquet", b"a,b\n1,2\n", "cannot be read as parquet"),
        ("text.arrow", b"a,b\n1,2\n", "cannot be read as arrow"),
        ("text.arff", b"a,b\n1,2\n", "cannot be read as ARFF: Invalid layout"),
        ("word.arff", b"@relation r\n@attribute a real\n@data\nmany\n", "Invalid numerical value, at line 4"),
    ],
)
def test_a_file_that_is_not_what_its_ending_says_is_a_data_error(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = refused(run("fit", path, "--target", "a", "--out", tmp_path / "run"))
    assert name in error
    assert words in error


ARFF = """% a comment
@RELATION cars
@ATTRIBUTE 'engine size' REAL
@ATTRIBUTE colour {red, 'dark blue', green}
@ATTRIBUTE note STRING
@DATA
1.5, red, 'first, of many'
?, 'dark blue', ?
"""


def test_an_arff_file_has_the_names_the_kinds_and_the_values_that_it_declares(tmp_path: Path) -> None:
    (tmp_path / "t.arff").write_text(ARFF)
    frame = tables.read_table(tmp_path / "t.arff")
    assert list(frame) == ["engine size", "colour", "note"]
    assert frame["engine size"].tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    assert frame["colour"].tolist() == ["red", "dark blue"]
    assert frame["colour"].cat.categories.tolist() == ["red", "dark blue", "green"]
    assert frame["note"].isna().tolist() == [False, True]


def test_nothing_is_written_as_arff(tmp_path: Path) -> None:
    (tmp_path / "t.arff").write_text(ARFF)
    (tmp_path / "run").mkdir()
    error = refused(run("predict", tmp_path / "run", tmp_path / "t.arff", "--out", tmp_path / "p.arff"))
    assert "p.arff' ends in none of .csv, .csv.gz, .parquet, .pq, .arrow, .feather" in error


# The kind of a target.


def test_the_option_overrules_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    y = pd.Series([0, 1, 2], name="stars")
    assert _is_classification(y, "auto")
    assert capsys.readouterr().err == (
        "classification, since 'stars' holds 3 distinct whole numbers, at most 20; --task says otherwise\n"
    )
    assert not _is_classification(y, "regression")
    assert capsys.readouterr().err == ""


# Time.


def test_time_runs_from_the_start_of_the_process() -> None:
    code = "import time; time.sleep(0.7); import raytabdl.cli as cli; print(time.monotonic() - cli._process_start())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 0.7 <= float(done.stdout) < 10


def test_a_fit_always_has_some_time() -> None:
    now = time.monotonic()
    assert remaining(now - 10.0, 30.0) == pytest.approx(20.0, abs=0.5)
    assert remaining(now - 60.0, 30.0) == LEAST_SECONDS


# The whole line, without Ray: there is no time to start it.


def shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raytabdl", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(raytabdl.__file__).parents[1])}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_fit_predict_and_leaderboard(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fit = shell("fit", table, "--target", "kind", "--time-limit", 3, "--out", folder)
    assert fit.returncode == 0, fit.stderr
    assert fit.stdout == ""
    inferred, opening, *lines = fit.stderr.splitlines()
    assert inferred == "classification, since 'kind' holds values of the kind string; --task says otherwise"
    assert opening.startswith("fitting 200 rows, 2 columns (binary) for log_loss")
    assert any(line.endswith(f"run folder {folder}") for line in lines)
    limit = json.loads((folder / "run.json").read_text())["settings"]["time_limit"]
    assert LEAST_SECONDS <= limit < 3  # the start of Python and reading the table are taken off

    # In this process, where the heavy packages are loaded once. The target may stay in the table.
    predict = run("predict", folder, table, "--out", tmp_path / "p.csv")
    assert (predict.exit_code, predict.output) == (0, "")
    predictions = pd.read_csv(tmp_path / "p.csv")
    assert list(predictions) == ["prediction"]
    assert len(predictions) == 200
    assert set(predictions["prediction"]) <= {"yes", "no"}

    run("predict", folder, table, "--out", tmp_path / "p.parquet", "--proba")
    probabilities = pd.read_parquet(tmp_path / "p.parquet")
    assert list(probabilities) == ["no", "yes"]
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert (probabilities.idxmax(axis=1) == predictions["prediction"]).all()

    _, header, *rows = run("leaderboard", folder).stdout.splitlines()
    assert header.split()[:4] == ["trial", "model", "origin", "budget"]
    assert any(row.split()[:2] == ["quick-dummy", "dummy"] for row in rows)
    assert {row.split()[-2] for row in rows if row.strip()} == {"n/a"}  # parameters of the quick models
    board = json.loads(run("leaderboard", folder, "--json").stdout)
    assert board["metric"] == "log_loss"
    assert [row["loss"] for row in board["trials"]] == sorted(row["loss"] for row in board["trials"])
    for ending in ("csv", "parquet"):
        written = run("results", folder, "--out", tmp_path / f"results.{ending}")
        assert (written.exit_code, written.output) == (0, "")
    results = pd.read_csv(tmp_path / "results.csv")
    assert set(results["trial"]) == {row["trial"] for row in board["trials"]}
    assert pd.read_parquet(tmp_path / "results.parquet").shape == results.shape

    short = tmp_path / "short.csv"
    pd.read_csv(table).drop(columns="colour").to_csv(short, index=False)
    error = refused(run("predict", folder, short, "--out", tmp_path / "q.csv"))
    assert "columns missing from the table: ['colour']" in error


def test_weights_groups_and_time_order_are_columns_and_a_flag(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table).assign(heavy=np.arange(200) % 2, shop=np.arange(200) // 10)
    frame.to_csv(table, index=False)
    named = ("--weight", "heavy", "--group", "shop")
    fit = run("fit", table, "--target", "kind", *named, "--time-limit", 0.5, "--out", tmp_path / "run")
    assert fit.exit_code == 0, fit.output
    assert list(json.loads((tmp_path / "run" / "schema.json").read_text())["names"]) == ["size", "colour"]
    folds = np.load(tmp_path / "run" / "task" / "folds.npy").reshape(20, 5)
    assert (folds == folds[:, :1]).all()  # of each shop the 5 rows that weigh something
    fit = run("fit", table, "--target", "kind", "--time-order", "--time-limit", 0.5, "--out", tmp_path / "later")
    assert fit.exit_code == 0, fit.output
    assert np.load(tmp_path / "later" / "task" / "folds.npy").tolist() == [-1] * 160 + [0] * 40


def test_columns_that_do_not_exist_are_refused_by_the_option_that_names_them(table: Path, tmp_path: Path) -> None:
    for option in ("--weight", "--group"):
        error = refused(run("fit", table, "--target", "kind", option, "none", "--out", tmp_path / "run"))
        assert f"'{option}'" in error
        assert "no column 'none'" in error
    for both in (("--group", "colour", "--time-order"), ("--time-order", "--time", "size")):
        error = refused(run("fit", table, "--target", "kind", *both, "--out", tmp_path / "run"))
        assert "leave all but one out" in error


def test_a_column_of_time_says_what_is_latest(table: Path, tmp_path: Path) -> None:
    days = [f"{1 + i % 28:02d}.{1 + i // 28:02d}.2024" for i in range(200)]
    pd.read_csv(table).assign(day=days).iloc[::-1].to_csv(table, index=False)
    fit = run("fit", table, "--target", "kind", "--time", "day", "--time-limit", 0.5, "--out", tmp_path / "run")
    assert fit.exit_code == 0, fit.output
    assert np.load(tmp_path / "run" / "task" / "folds.npy").tolist() == [0] * 40 + [-1] * 160


def test_what_is_searched_is_said_by_a_preset_and_updates(table: Path, tmp_path: Path) -> None:
    updates = tmp_path / "updates.yaml"
    updates.write_text("network.mlp.n_layers: {high: 2}\n")
    options = ("--preset", "small", "--updates", updates, "--time-limit", 0.5)
    fit = run("fit", table, "--target", "kind", *options, "--out", tmp_path / "run")
    assert fit.exit_code == 0, fit.output
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (list(record["choices"]), record["preset"]) == (["mlp"], None)
    assert "--preset" in refused(run("fit", table, "--target", "kind", "--preset", "tiny", "--out", tmp_path / "other"))


def test_a_target_that_is_named_like_a_column_is_no_column_to_drop(tmp_path: Path) -> None:
    frame = pd.DataFrame({"price": np.arange(60.0) % 7, "size": np.arange(60.0)})
    model = raytabdl.TabularRegressor(0.5, run_folder=tmp_path / "run").fit(frame, frame["price"].shift(-1).fillna(0))
    frame.to_csv(tmp_path / "new.csv", index=False)
    done = run("predict", tmp_path / "run", tmp_path / "new.csv", "--out", tmp_path / "p.csv")
    assert done.exit_code == 0, done.output
    assert pd.read_csv(tmp_path / "p.csv")["prediction"].to_numpy() == pytest.approx(model.predict(frame))


def test_a_run_in_a_store_that_is_not_there_is_no_folder_here(table: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("fit", table, "--target", "kind", "--out"), ("resume",)):
        assert run(*command, "no-store://bucket/run").exit_code != 0
    assert not list(tmp_path.glob("no-store*"))


def test_a_regression_has_no_probabilities(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fit = run("fit", table, "--target", "size", "--time-limit", 0.5, "--out", folder)
    assert fit.exit_code == 0, fit.stderr
    assert fit.stderr.startswith("regression, since 'size' holds fractions")
    assert "has no probabilities" in refused(run("predict", folder, table, "--out", tmp_path / "p.csv", "--proba"))
    assert not (tmp_path / "p.csv").exists()
