from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from raytabdl import cli, datasets
from raytabdl.runtime.lcbench_plan import CurveSettings, as_settings
from raytabdl.study_folder import StudyFolder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.commands, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line with which a command was refused."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    (error,) = result.stderr.splitlines()
    assert error.startswith("Error: ")
    return error


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two trainings on one data set."""
    log = {"time": [1.0, 2.0, 3.0], "Train/val_accuracy": [50.0, 60.0, 70.0]}
    worse = {"time": [1.0, 2.0, 3.0], "Train/val_accuracy": [50.0, 55.0, 56.0]}
    content = {
        "adult": {
            "0": {"config": {"num_layers": True}, "log": worse, "results": {}},
            "1": {"config": {"num_layers": 3}, "log": log, "results": {}},
        }
    }
    path = tmp_path / "data.json"
    path.write_text(json.dumps(content))
    return path


def test_info_shows_data_sets_and_tags(source: Path) -> None:
    said = run("lcbench", "info", source).stdout
    assert "1 data sets" in said
    (row,) = (line for line in said.splitlines() if line.split()[:1] == ["adult"])
    assert row.split() == ["adult", "126025", "2", "3"]
    assert "Tags: time, Train/val_accuracy" in said


def test_query_answers_with_the_best_or_the_one_that_was_asked_for(source: Path) -> None:
    best = json.loads(run("lcbench", "query", source, "adult", "val_accuracy").stdout)
    assert best == {"id": "1", "config": {"num_layers": 3}, "val_accuracy": [50.0, 60.0, 70.0]}
    first = json.loads(run("lcbench", "query", source, "adult", "time", "0").stdout)
    assert first == {"id": "0", "config": {"num_layers": 1}, "time": [1.0, 2.0, 3.0]}


def test_what_is_not_there_is_refused_in_one_line(source: Path) -> None:
    assert "did you mean 'adult'" in refused(run("lcbench", "query", source, "adults", "time"))
    assert "did you mean 'time'" in refused(run("lcbench", "query", source, "adult", "tine"))
    source.write_text(source.read_text()[:100])
    assert "cut short" in refused(run("lcbench", "info", source))
    assert "has no model.onnx" in refused(run("lcbench", "info", source.parent))


def test_download_says_where_it_went_wrong_and_keeps_what_is_there(tmp_path: Path) -> None:
    error = refused(run("lcbench", "download", "--url", "http://127.0.0.1:9/data_2k_lw.zip", "--out", tmp_path))
    assert "http://127.0.0.1:9/data_2k_lw.zip cannot be fetched" in error
    (tmp_path / "data_2k_lw.zip").touch()
    assert "is there already" in refused(run("lcbench", "download", "--out", tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [("heatmap",), ("regret",), ("curves", "adult"), ("budgets", "--epoch", 1, "--epoch", 2), ("portfolio",)],
)
def test_a_figure_is_written_in_the_format_of_its_ending(
    arguments: tuple[object, ...], source: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    name, *rest = arguments
    out = tmp_path / "figure.svg"
    result = run("plot", name, source, *rest, "--out", out)
    assert result.exit_code == 0, result.output
    assert "<svg" in out.read_text()[:1000]


def test_a_figure_of_too_few_configurations_is_refused(source: Path, tmp_path: Path) -> None:
    result = run("plot", "importance", source, "--epoch", 2, "--out", tmp_path / "figure.png")
    assert result.exit_code == 2
    *warned, error = result.stderr.splitlines()
    assert "at least 10 configurations" in warned[0]
    assert error.startswith("Error: at least one data set")


def test_importance_refuses_a_folder_without_a_run(tmp_path: Path) -> None:
    assert f"{tmp_path} holds no run" in refused(run("importance", tmp_path))


def test_a_run_in_which_every_training_failed_says_why(tmp_path: Path) -> None:
    table = f"{datasets.describe('car').path}:class"
    command = ("lcbench", "run", table, "--rows", 100, "--configs", 2, "--epochs", 3, "--out", tmp_path / "run")
    folder = StudyFolder(tmp_path / "run")
    with folder.begun(as_settings(CurveSettings("small", 3, 100, 0))):
        for name in ("0", "1"):
            failed = {"dataset": "car", "id": name, "failure": "Traceback\nMemoryError: too wide", "seconds": 0.1}
            folder.append("curves.jsonl", failed)
    result = run(*command)
    assert result.exit_code == 1
    assert "all 2 trainings failed: 2 x MemoryError: too wide" in result.stderr
    other = run(*command, "--seed", 1)
    assert other.exit_code == 2
    assert f"Error: {tmp_path / 'run'} was begun with seed 0, got 1" in other.stderr.splitlines()[-1]
