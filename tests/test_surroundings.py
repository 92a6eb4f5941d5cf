"""Where a fit is called from, and what goes wrong around it: event loops, forks, full disks, missing libraries."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

from raytabdl import TabularClassifier
from raytabdl.clock import Clock
from raytabdl.exceptions import RunFolderError, SettingError
from raytabdl.metrics import Metric

N = 60
SECONDS = 11  # Ray is not started for so short a time, and the quick models end before it is up


def table() -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(size=N), "town": rng.choice(["a", "b"], N)})
    return X, np.where(X["age"] > 0, "yes", "no")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def clf(tmp_path_factory: pytest.TempPathFactory) -> TabularClassifier:
    return TabularClassifier(SECONDS, run_folder=tmp_path_factory.mktemp("runs") / "run").fit(*table())


# Where it is called.


def test_a_fit_in_an_event_loop_works_as_in_a_notebook() -> None:
    handlers = signal.getsignal(signal.SIGINT)

    async def cell() -> float:
        return float(TabularClassifier(time_limit=1).fit(*table()).score(*table()))

    assert asyncio.run(cell()) > 0.5
    assert signal.getsignal(signal.SIGINT) is handlers


@pytest.mark.slow
def test_a_fit_in_processes_of_joblib_works() -> None:
    scores = cross_val_score(TabularClassifier(SECONDS), *table(), cv=2, n_jobs=2, error_score="raise")
    assert (scores > 0.5).all()


@pytest.mark.ray
@pytest.mark.slow
def test_a_fit_in_a_task_of_ray_uses_that_ray(ray_cluster: None, tmp_path: Path) -> None:
    import ray

    @ray.remote(num_cpus=1)
    def inside(folder: Path) -> tuple[list[str], bool]:
        from raytabdl.presets import preset

        fitted = TabularClassifier(
            90, n_trials=1, n_workers=1, choices=preset("medium").only(["random_forest"]), run_folder=folder
        ).fit(*table())
        return list(fitted.leaderboard()["trial"]), ray.is_initialized()

    trials, is_still_there = ray.get(inside.remote(tmp_path / "run"), timeout=110)
    assert "0000" in trials
    assert is_still_there


def test_a_child_that_is_forked_after_a_prediction_predicts_the_same(clf: TabularClassifier) -> None:
    """As web servers do that load a model and fork their workers."""
    X, _ = table()
    expected = clf.predict_proba(X)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(clf.predict_proba(X)))
    child.start()
    try:
        np.testing.assert_array_equal(queue.get(timeout=60), expected)
    finally:
        child.kill()
        child.join()


# What goes wrong.


def test_a_clock_that_jumps_changes_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock.start(limit_s=100.0)
    now = time.time()
    for jump in (-86_400.0, 86_400.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: now + jump)
        assert 0 <= clock.elapsed() < 50
        assert not clock.is_up()


def test_a_full_disk_leaves_the_model_that_was_saved_before(clf: TabularClassifier, tmp_path: Path) -> None:
    clf.save(tmp_path / "model")
    before = sorted(tmp_path.rglob("*"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
        with pytest.raises(RunFolderError, match=r"model cannot be written: .*File too large"):
            clf.save(tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(tmp_path.rglob("*")) == before
    loaded = TabularClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(table()[0]), clf.predict_proba(table()[0]))


def test_a_model_is_saved_to_the_empty_mount_point_of_a_volume(
    clf: TabularClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def busy(entry: Path, target: Path) -> Path:
        if tmp_path in (entry.parent, target.parent):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(entry))
        return rename(entry, target)

    monkeypatch.setattr(Path, "rename", busy)
    for save in (clf.save, clf.reselect):
        volume = tmp_path / save.__name__
        volume.mkdir()
        save(volume)
        loaded = TabularClassifier.load(volume)
        assert loaded.predict_proba(table()[0]).shape == (N, 2)
        with pytest.raises(RunFolderError, match=f"{volume} cannot be written: .*busy"):
            save(volume)  # it holds a model now
        assert TabularClassifier.load(volume).classes_.tolist() == ["no", "yes"]


def test_a_full_disk_ends_a_fit_with_an_error_that_names_the_folder(tmp_path: Path) -> None:
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 20)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
        with pytest.raises(RunFolderError, match=f"{tmp_path / 'run'} cannot be written: "):
            TabularClassifier(SECONDS, run_folder=tmp_path / "run").fit(X, np.arange(200) % 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_that_another_process_writes_is_not_gone_on_with(clf: TabularClassifier, tmp_path: Path) -> None:
    folder = type(clf.folder_)(tmp_path / "run")
    folder.path.mkdir()
    folder.run_json.write_text("{}")
    refused = pytest.raises(RunFolderError, match="run is being written by another process; wait for it")
    with folder.lock(), refused, folder.lock():
        pass
    with folder.lock():
        pass  # it is free again


def test_two_resumes_of_one_run_do_not_meet(clf: TabularClassifier) -> None:
    """The second is refused before it writes."""
    path = Path(shutil.copytree(clf.folder_.path, "run")).absolute()
    for name in ("manifest.json", "ensemble.json"):
        (path / name).unlink()
    before = (path / "trials.jsonl").read_bytes()
    with type(clf.folder_)(path).lock(), pytest.raises(RunFolderError, match="another process"):
        TabularClassifier.resume(path)
    assert (path / "trials.jsonl").read_bytes() == before
    assert TabularClassifier.resume(path).score(*table()) > 0.5


def test_a_library_that_is_missing_costs_its_models_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightgbm", "catboost"):
        monkeypatch.setitem(sys.modules, name, None)
    fitted = TabularClassifier(SECONDS).fit(*table())
    assert {"quick-linear", "quick-random-forest"} <= set(fitted.leaderboard()["trial"])
    failures = fitted.folder_.history().failures
    assert sorted(failures) == ["quick-catboost", "quick-lightgbm"]
    assert all("import of" in reason for reason in failures.values())


@pytest.mark.parametrize(("measures_truth", "error"), [(False, SettingError), (True, ZeroDivisionError)])
def test_the_error_of_a_metric_of_the_users_own_is_the_error_of_the_fit(
    measures_truth: bool, error: type[Exception]
) -> None:
    """At once where it cannot even measure the truth."""

    def mine(y: Any, predictions: Any) -> float:
        if measures_truth and np.isin(predictions, [0, 1]).all():
            return 1.0
        raise ZeroDivisionError("in my metric")

    with pytest.raises(error, match="in my metric"):
        TabularClassifier(time_limit=1, metric=Metric("mine", mine, True)).fit(*table())
    assert threading.active_count() < 20
