from __future__ import annotations

import json
import math

import pytest

from raytabdl.exceptions import RunFolderError
from raytabdl.history import Change, History, Result, Seconds, Status, Trial, read_history


def result(trial_id, budget, loss, time=0.0, **fields):
    return Result(trial_id, budget, loss, loss, {"log_loss": loss}, Seconds(training=1.0), time, **fields)


RECORDS = [
    Trial(
        "0000", {"model": "mlp", "network.mlp.n_layers": 3, "network.mlp.optimizer.adamw.lr": 1e-3}, "portfolio", 0, 7
    ),
    Trial("0001", {"model": "lightgbm"}, "model", 1, 8),
    result("0000", 1, 0.5, 1.0),
    Change("0000", Status.PAUSED, 2.0),
    result("0001", 1, 0.3, 3.0, member="0001@1"),
    Change("0001", Status.FAILED, 4.0, "Traceback ...\nFloatingPointError: the loss must stay finite"),
    result("0000", 3, 0.4, 5.0, member="0000@3", n_parameters=1234),
]


def written(path, records=RECORDS):
    history = History(path)
    for record in records:
        history.append(record)
    return history


def test_a_history_reads_back_as_it_was_written(tmp_path):
    history = written(tmp_path / "trials.jsonl")
    assert read_history(history.path) == history


def test_the_file_is_standard_json_even_where_a_loss_is_infinite(tmp_path):
    history = written(tmp_path / "trials.jsonl", [RECORDS[0], result("0000", 1, math.inf)])
    for line in history.path.read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    read = read_history(history.path).results[0]
    assert read.loss == read.rung_loss == math.inf
    assert math.isnan(read.scores["log_loss"])


def test_a_last_line_that_was_cut_short_is_left_out_and_overwritten(tmp_path):
    history = written(tmp_path / "trials.jsonl")
    content = history.path.read_bytes()
    for cut in (1, 20):
        history.path.write_bytes(content[:-cut])
        resumed = read_history(history.path)
        assert resumed.results == history.results[:-1]
        resumed.append(RECORDS[-1])
        assert history.path.read_bytes() == content


def test_a_line_that_is_broken_in_the_middle_raises(tmp_path):
    history = written(tmp_path / "trials.jsonl")
    lines = history.path.read_text().splitlines(keepends=True)
    history.path.write_text("".join([*lines[:2], lines[2][:20] + "\n", *lines[3:]]))
    with pytest.raises(RunFolderError, match=r"trials\.jsonl, line 3, is not readable"):
        read_history(history.path)


def test_a_trial_whose_files_would_lie_elsewhere_is_refused(tmp_path):
    history = History(tmp_path / "trials.jsonl")
    history.append(Trial("../0000", {"model": "mlp"}, "model", 0, 0))
    with pytest.raises(RunFolderError, match=r"'\.\./0000', which leads out of its folder"):
        read_history(history.path)


def test_a_missing_file_is_an_empty_history(tmp_path):
    assert read_history(tmp_path / "trials.jsonl") == History(tmp_path / "trials.jsonl")


def test_the_file_is_closed_to_other_users(tmp_path):
    assert written(tmp_path / "trials.jsonl").path.stat().st_mode & 0o777 == 0o600


def test_a_trial_stands_where_its_last_change_put_it():
    history = written(None)
    assert history.statuses == {"0000": Status.PAUSED, "0001": Status.FAILED}
    assert history.count(Status.FAILED) == 1


def test_the_incumbent_is_the_lowest_finite_loss_and_the_trajectory_how_it_was_reached():
    lost = [result("0000", 1, math.nan), result("0001", 1, -math.inf)]
    on_another_fold = [Trial("0000.1", {"model": "mlp"}, "bag", -1, 7, fold=1), result("0000.1", 1, 0.1)]
    history = written(None, [*RECORDS, *lost, *on_another_fold])
    assert history.incumbent() == RECORDS[4]
    assert history.trajectory() == [(1.0, 0.5), (3.0, 0.3)]
    assert History().incumbent() is None


def test_the_reasons_of_failures_are_counted_by_their_last_line():
    failures = [("a", "x\nValueError: 1"), ("b", "y\nValueError: 2"), ("c", "z\nValueError: 2\n"), ("d", "")]
    history = written(None, [Change(name, Status.FAILED, 0.0, reason) for name, reason in failures])
    assert list(history.reasons().items()) == [("ValueError: 2", 2), ("ValueError: 1", 1), ("no reason given", 1)]


def test_the_ends_of_trials_are_counted_in_the_words_of_auto_sklearn():
    history = History()
    ends = [Status.COMPLETED, Status.STOPPED, Status.PAUSED, Status.MEMOUT, Status.FAILED, Status.MEMOUT]
    for index, status in enumerate([*ends, Status.RUNNING, Status.TIMEOUT]):
        history.append(Trial(f"{index:04d}", {"model": "mlp"}, "bohb", 0, 0))
        history.append(Change(f"{index:04d}", status, 1.0, "why"))
    history.append(Trial("quick-svm", {"model": "svm"}, "quick", -1, 0))
    history.append(Change("quick-svm", Status.FAILED, 1.0, "why"))
    assert history.outcomes() == {"success": 3, "timeout": 1, "memout": 2, "crash": 1}
    assert set(history.failures) == {"0003", "0004", "0005", "0007", "quick-svm"}
    assert History().outcomes() == {}
