import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
import psutil
import pytest

from benchmarks.compare import standings, watch
from benchmarks.compare.cells import Key, Record
from benchmarks.compare.report import check_was_run, of_version
from benchmarks.compare.scores import UnusablePredictionsError, score
from benchmarks.compare.tables import N_FOLDS, load, split
from raytabdl import datasets

ROOT = Path(__file__).parents[2]

ONE_CELL = """
import sys
from benchmarks.compare.cells import Key, Limits, run_cell
from benchmarks.compare.systems import System
from benchmarks.compare.tables import load
table, adapter, option, value, grace_s = sys.argv[1:]
system = System("a system", adapter, (), None, {option: value})
print(run_cell(Key("a system", table, 0, 1.0), system, load(table), Limits(1.0, float(grace_s))).to_json())
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder like the one of the comparison's tables, with two small ones."""
    folder = tmp_path_factory.mktemp("data")
    manifest = []
    for name, task in (("car", "multiclass"), ("airfoil_self_noise", "regression")):
        X, y = datasets.load(name)
        X.assign(target=y.to_numpy()).to_parquet(folder / f"{name}.parquet")
        manifest.append({"name": name, "task": task, "target": "target"})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def run(data, table, adapter, option, value, *, grace_s=60.0):
    """The record of a cell of 1 second, run in a process of its own: it kills all its children at the end."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_CELL, table, adapter, option, value, str(grace_s)],
        cwd=ROOT,
        env={**os.environ, "RAYTABDL_DATA": str(data), "TMPDIR": str(data)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("table", ["car", "airfoil_self_noise"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("crash", "exit code 1: MemoryError: out of something"),
        ("nan", "predictions are NaN or infinite"),
        ("shape", "predictions have the shape"),
    ],
)
def test_a_system_that_goes_wrong_has_no_score_and_a_reason(data, table, fault, reason):
    record = run(data, table, "faulty.py", "fault", fault)
    assert record["scores"] == {}
    assert reason in record["error"]


def test_a_system_that_hangs_is_killed_with_all_that_it_started(data):
    began = time.monotonic()
    record = run(data, "car", "faulty.py", "fault", "hang", grace_s=1.0)
    assert record["error"] == "killed, 2 s after its fit began"
    assert time.monotonic() - began < 60
    assert record["scores"] == {}
    commands = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert not any("import time; time.sleep(3600)" in command for command in commands)


ORPHANS = """
import json, os, signal, sys
from dataclasses import asdict
from pathlib import Path
from benchmarks.compare.watch import run
child = "import time; end = time.process_time() + 2\\nwhile time.process_time() < end: pass"
parent = "import signal, subprocess, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
parent += f"subprocess.run([sys.executable, '-c', {child!r}])"
folder = Path(sys.argv[1])
usage = run([sys.executable, "-c", parent], dict(os.environ), folder / "out", lambda: float("inf"), folder)
print(json.dumps(asdict(usage)))
"""


def test_the_time_of_processes_that_nobody_waits_for_is_counted(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ORPHANS, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    usage = json.loads(done.stdout)
    assert 1.4 < usage["cpu_seconds"] < 4


def test_what_are_no_probabilities_has_no_score(data):
    assert "sum to 8 to 8, not 1" in run(data, "car", "faulty.py", "fault", "unscaled")["error"]


def test_a_cell_that_is_run_twice_has_the_same_split_and_scores(data):
    first, second = (run(data, "car", "baselines.py", "model", "hgb") for _ in range(2))
    assert first["scores"] == second["scores"] != {}
    assert first["split"] == second["split"]
    assert first["cpu_seconds"] > 0.1 and first["peak_bytes"] > 50e6


@pytest.mark.parametrize("name", ["car", "airfoil_self_noise"])
def test_each_row_is_held_out_in_one_fold(data, monkeypatch, name):
    monkeypatch.setenv("RAYTABDL_DATA", str(data))
    table = load(name)
    splits = [split(table, fold) for fold in range(N_FOLDS)]
    assert sorted(row for part in splits for row in part.y_test.index) == list(range(len(table.frame)))
    for part in splits:
        assert not set(part.y_train.index) & set(part.y_test.index)
        assert "target" not in part.X_test
    assert len({part.checksum() for part in splits}) == N_FOLDS


def test_scores_do_not_depend_on_the_order_of_the_classes():
    y = pd.Series(list("abcabc"))
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    in_order = score("multiclass", y, y, probabilities, list("abc"))
    assert score("multiclass", y, y, probabilities[:, [2, 0, 1]], list("cab")) == in_order
    assert in_order["log_loss"] == pytest.approx(-np.log(probabilities[np.arange(6), [0, 1, 2, 0, 1, 2]]).mean())


def test_a_probability_of_zero_for_the_true_class_is_not_clipped_further_than_float64():
    y = pd.Series(["a", "b"])
    assert score("binary", y, y, np.array([[0.0, 1.0], [0.0, 1.0]]), ["a", "b"])["log_loss"] > 18


def test_a_class_that_a_system_does_not_know_is_a_failure():
    y = pd.Series(["a", "b", "c"])
    with pytest.raises(UnusablePredictionsError, match="classes are"):
        score("multiclass", y, y, np.full((3, 2), 0.5), ["a", "b"])


@pytest.fixture
def table_errors():
    return pd.DataFrame(
        {"raytabdl": [1.0, 2.0, np.nan], "peer": [2.0, 1.0, 1.0], "twin": [2.0, 3.0, 1.0], "dummy": [5.0, 5.0, 5.0]},
        index=["t1", "t2", "t3"],
    )


def test_ranks_share_ties_and_put_a_failure_last(table_errors):
    assert standings.ranks(table_errors).to_numpy().tolist() == [[1, 2.5, 2.5], [2, 1, 3], [3, 1.5, 1.5]]


def test_the_best_has_the_normalised_score_1_and_a_failure_0(table_errors):
    assert standings.normalised(table_errors).to_numpy().tolist() == [[1, 0.75, 0.75], [0.75, 1, 0.5], [0, 1, 1]]


def test_improvability_is_what_the_best_has_less_of_the_error(table_errors):
    assert standings.improvability(table_errors)["raytabdl"].tolist() == [0, 0.5, 1]


def test_a_duel_counts_wins_ties_and_losses(table_errors):
    ours = standings.duel(table_errors, "raytabdl", "peer")
    theirs = standings.duel(table_errors, "peer", "raytabdl")
    assert (ours.wins, ours.ties, ours.losses) == (1, 0, 2) == (theirs.losses, theirs.ties, theirs.wins)
    assert ours.p == theirs.p
    assert standings.duel(table_errors, "peer", "peer").p == 1


def test_the_critical_difference_is_that_of_demsar():
    # Table 5(a) of Demšar 2006: q is 2.343 for 3 and 2.728 for 5 classifiers.
    assert standings.critical_difference(3, 10) == pytest.approx(2.343 * np.sqrt(3 * 4 / 60), rel=1e-3)
    assert standings.critical_difference(5, 30) == pytest.approx(2.728 * np.sqrt(5 * 6 / 180), rel=1e-3)


def test_a_clique_holds_all_that_are_less_than_the_difference_apart():
    mean_ranks = {"c": 3.0, "a": 1.0, "b": 1.8, "d": 3.5}
    assert standings.cliques(mean_ranks, 1.3) == [["a", "b"], ["b", "c"], ["c", "d"]]


def test_the_report_takes_a_version_of_ours_by_how_it_begins_and_refuses_one_that_was_not_run():
    keys = [Key("raytabdl", "a", 0, 60.0), Key("hgb", "a", 0, 60.0)]
    records = [Record(keys[0], "aa11", "m"), Record(keys[1], "1.9", "m"), Record(keys[0], "bb22", "m")]
    assert [r.version for r in of_version(records, None)] == ["1.9", "bb22"]
    assert {r.version for r in of_version(records, "aa")} == {"1.9", "aa11"}
    with pytest.raises(click.BadParameter, match=r"cc was not run.*'bb22', 'aa11'"):
        check_was_run(records, "cc")


def test_the_report_is_of_the_newest_version_that_was_run_on_many_tables_where_none_is_named():
    runs = {"aa11": "abcd", "bb22": "ab", "cc33": "b"}
    records = [Record(Key("raytabdl", table, 0, 60.0), v, "m") for v, tables in runs.items() for table in tables]
    assert {r.version for r in of_version(records, None)} == {"bb22"}


def test_what_the_host_of_a_virtual_machine_gives_to_others_is_no_idle_time():
    seconds = watch.busy_seconds("cpu 100 20 30 5000 40 5 5 60 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert seconds == pytest.approx(220 / os.sysconf("SC_CLK_TCK"))
