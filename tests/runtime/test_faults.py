"""What is killed in the middle of a fit, and what the fit does then."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from raytabdl import TabularClassifier
from raytabdl.component import Network
from raytabdl.search.portfolio import Member, Portfolio
from raytabdl.space import Choices

pytestmark = pytest.mark.ray

Table = tuple[pd.DataFrame, pd.Series]


def records(folder: Path, file: str = "trials.jsonl") -> list[dict[str, Any]]:
    """The records of a run that another process may be writing: whole lines only."""
    if not (folder / file).exists():
        return []
    *whole, _ = (folder / file).read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]


def trial_of(record: dict[str, Any]) -> str:
    return str(record.get("id") or record.get("trial_id") or record.get("trial"))


def searched(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the quick models."""
    return [record for record in found if not trial_of(record).startswith("quick")]


def wait_until(condition: Callable[[], Any], seconds: float = 90.0) -> Any:
    """The first true answer of the condition."""
    ends = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < ends, f"not within {seconds} seconds"
        time.sleep(0.05)
    return answer


def title(process: psutil.Process) -> str:
    """What Ray calls a process; nothing of one that has just ended."""
    return " ".join(process.cmdline()[:1])


def workers(name: str, of: int | None = None) -> list[psutil.Process]:
    """The processes of this test's Ray (or of another driver's) that hold an actor of such a class."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if title(process).startswith("ray::") and name in title(process):
                found.append(process)
    return found


def without_agents(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Ray's two agents wait a minute for their raylet to come back; all others end with the driver."""
    return [process for process in processes if not process.cmdline()[0].strip().endswith("Agent")]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


# A worker or the actor is killed, in a fit of this process on the session's Ray.


def fit_and_disturb(classifier: TabularClassifier, table: Table, disturb: Callable[[Path], None]) -> float:
    """Fits while ``disturb`` runs in a thread of its own; the seconds that the fit took."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            disturb(Path(classifier.run_folder))  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001  # raised again below
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    began = time.monotonic()
    classifier.fit(*table)
    seconds = time.monotonic() - began
    thread.join(timeout=5)
    if errors:
        raise errors[0]
    assert not thread.is_alive()
    return seconds


def slow_classifier(
    slow: type[Network], folder: Path, *, n_trials: int = 3, batch_size: int = 512, **options: Any
) -> TabularClassifier:
    """Trials of a network that takes long enough to be caught in the middle."""
    configs = [
        {"model": "slow", "network.slow.n_units": i, "network.slow.batch_size": batch_size}
        for i in range(1, n_trials + 1)
    ]
    return TabularClassifier(
        n_trials=n_trials,
        n_workers=1,
        choices=Choices(networks=(slow,), classic=()),
        portfolio=Portfolio("hand-chosen", tuple(Member(config) for config in configs)),
        run_folder=folder,
        **options,
    )


@pytest.mark.slow
def test_a_trial_that_would_take_too_long_to_its_rung_is_stopped_and_what_it_published_counts(
    ray_cluster: None, table: Table, slow: type[Network], tmp_path: Path
) -> None:
    classifier = slow_classifier(slow, tmp_path / "run", batch_size=32, time_limit=22).fit(*table)
    changes = searched(records(tmp_path / "run"))
    stopped = {trial_of(r) for r in changes if r["record"] == "change" and r["reason"].startswith("too slow: ")}
    assert "0000" in stopped
    board = classifier.leaderboard().set_index("trial")
    assert math.isfinite(board.loc["0000", "loss"])
    assert board.loc["0000", "budget"] < 27
    # It knows so after two epochs: of the fewest, nine, these are six of 27 units of budget.
    points = [point for point in records(tmp_path / "run", "curves.jsonl") if point["trial"] == "0000"]
    assert [point["budget"] for point in points[:2]] == [0, 6]


def test_a_trial_whose_worker_is_killed_goes_on_from_its_last_rung(
    ray_cluster: None, table: Table, slow: type[Network], tmp_path: Path
) -> None:
    killed: dict[str, Any] = {}

    def kill_worker(folder: Path) -> None:
        def between_rungs() -> dict[str, Any] | None:
            """A trial that has gone beyond its third rung, where it has left a checkpoint."""
            points = searched(records(folder, "curves.jsonl"))
            return points[-1] if points and 9 < points[-1]["budget"] < 20 else None

        killed.update(wait_until(between_rungs))
        # Tune may have begun to start another one, of which it makes no use.
        (worker,) = wait_until(lambda: workers("Trainable.train"))
        killed["pid"] = worker.pid
        worker.kill()

    classifier = slow_classifier(slow, tmp_path / "run", time_limit=90)
    assert fit_and_disturb(classifier, table, kill_worker) < 92
    changes = searched(records(tmp_path / "run"))
    assert {trial_of(r) for r in changes if r["record"] == "trial"} == {"0000", "0001", "0002"}
    assert not [r for r in changes if r.get("status") == "failed"]
    trial = killed["trial"]
    assert [r["budget"] for r in changes if r["record"] == "result" and r["trial_id"] == trial] == [1, 3, 9, 27]
    points = [p for p in searched(records(tmp_path / "run", "curves.jsonl")) if p["trial"] == trial]
    times = Counter(point["epoch"] for point in points)
    n_epochs = max(times)
    assert set(times) == set(range(1, n_epochs + 1))
    assert all(times[epoch] == 1 for epoch in range(1, n_epochs // 3 + 1))  # budget 9 of 27
    assert times[n_epochs // 3 + 1] == 2  # it did lose its way beyond
    # An epoch that was trained again is the same epoch.
    by_epoch: dict[int, set[tuple[float, float]]] = {}
    for point in points:
        by_epoch.setdefault(point["epoch"], set()).add((point["train_loss"], point["rung_loss"]))
    assert all(len(values) == 1 for values in by_epoch.values())
    assert classifier.score(*table) > 0.5


def test_the_ensemble_survives_its_actor(ray_cluster: None, table: Table, slow: type[Network], tmp_path: Path) -> None:
    killed: dict[str, Any] = {}

    def kill_actor(folder: Path) -> None:
        wait_until(lambda: any(r["record"] == "result" for r in searched(records(folder))))
        # It is started after the first report; while it starts, its title names the constructor.
        (actor,) = wait_until(lambda: [p for p in workers("EnsembleActor") if "__init__" not in title(p)])
        actor.kill()
        killed["at"] = len(records(folder))
        wait_until(lambda: [p for p in workers("EnsembleActor") if p.pid != actor.pid])
        killed["is back"] = True

    classifier = slow_classifier(slow, tmp_path / "run", time_limit=90)
    assert fit_and_disturb(classifier, table, kill_actor) < 92
    assert killed["is back"]
    later = [r for r in records(tmp_path / "run")[killed["at"] :] if r["record"] == "result"]
    assert 27 in {result["budget"] for result in later}
    assert not [r for r in records(tmp_path / "run") if r.get("status") == "failed" and r["trial_id"][0] == "0"]
    # The incumbent that the new actor wrote knows the members from before and after.
    trajectory = classifier.folder_.read_trajectory()
    losses = [ensemble.loss for _, ensemble in trajectory]
    assert all(after <= before + 1e-9 for before, after in pairwise(losses))
    assert classifier.predictor_.ensemble.loss == pytest.approx(losses[-1])
    assert classifier.score(*table) > 0.5


def quick_classifier(folder: Path) -> TabularClassifier:
    """One trial, of a forest."""
    return TabularClassifier(90, n_trials=1, n_workers=1, choices=Choices().only(["random_forest"]), run_folder=folder)


def test_a_fit_in_a_thread_leaves_the_signals_alone_and_the_users_ray_running(
    ray_cluster: None, table: Table, tmp_path: Path
) -> None:
    import ray

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    seen = []
    classifier = quick_classifier(tmp_path / "run")
    thread = threading.Thread(target=classifier.fit, args=table)
    thread.start()
    while thread.is_alive():
        seen.append({number: signal.getsignal(number) for number in handlers})
        thread.join(timeout=0.2)
    assert all(handler == handlers for handler in seen)
    assert "0000" in set(classifier.leaderboard()["trial"])
    assert classifier.score(*table) > 0.5
    assert ray.is_initialized()
    assert ray.get(ray.put("still here")) == "still here"


def test_a_fit_in_the_main_thread_puts_the_signal_handlers_back(
    ray_cluster: None, table: Table, tmp_path: Path
) -> None:
    """Also two fits one after the other, in folders of the same name."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for folder in (tmp_path / "a" / "run", tmp_path / "b" / "run"):
        assert "0000" in set(quick_classifier(folder).fit(*table).leaderboard()["trial"])
    assert {number: signal.getsignal(number) for number in handlers} == handlers


# A driver of its own, which is sent a signal.

FIT = """
import sys
import numpy as np
from raytabdl import TabularClassifier, datasets
X, y = datasets.load("car")
rows = np.random.default_rng(0).permutation(len(X))[:400]
X, y = X.iloc[rows].reset_index(drop=True), y.iloc[rows].reset_index(drop=True)
classifier = TabularClassifier(time_limit={limit}, n_workers={n_workers}, run_folder=sys.argv[1]).fit(X, y)
print("ENSEMBLE", sorted(classifier.predictor_.ensemble.weights), flush=True)
print("SCORE", classifier.score(X, y), flush=True)
"""


@dataclass(frozen=True)
class Driver:
    """A process that fits; ``began`` is when it was started."""

    process: subprocess.Popen[str]
    folder: Path
    began: float
    family: list[psutil.Process] = field(default_factory=list)

    def processes(self) -> list[psutil.Process]:
        """Those of its Ray, as of now."""
        self.family.extend(psutil.Process(self.process.pid).children(recursive=True))
        return self.family

    def wait(self, seconds: float) -> tuple[int, str, str]:
        """(exit code, output, errors) once it has ended."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err


@pytest.fixture
def start_driver(tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    """Starts scripts in process groups of their own, as a shell does; nothing of them is left after the test."""
    drivers: list[Driver] = []

    def start(code: str) -> Driver:
        folder = tmp_path / f"run{len(drivers)}"
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
            start_new_session=True,
        )
        drivers.append(Driver(process, folder, time.monotonic()))
        return drivers[-1]

    yield start
    for driver in drivers:
        if driver.process.poll() is None:
            driver.processes()
            driver.process.kill()
            driver.process.communicate()
        for process in driver.family:
            with contextlib.suppress(psutil.Error):
                process.kill()


def has_results(folder: Path, n: int) -> bool:
    """Whether the search, beyond the quick models, has so many results."""
    return sum(r["record"] == "result" for r in searched(records(folder))) >= n


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_search_and_the_ensemble_so_far_is_returned(
    start_driver: Callable[..., Driver], number: signal.Signals
) -> None:
    """Ctrl-C on a terminal reaches every process of the group, Ray's among them; a SIGTERM only the driver."""
    driver = start_driver(FIT.format(limit=100, n_workers=1))
    wait_until(lambda: has_results(driver.folder, 4))
    family = driver.processes()
    sent = time.monotonic()
    if number is signal.SIGINT:
        os.killpg(driver.process.pid, number)
    else:
        driver.process.send_signal(number)
    code, out, err = driver.wait(30)
    assert time.monotonic() - sent < 10
    assert code == 0, err
    assert "ENSEMBLE" in out
    assert float(out.partition("SCORE ")[2]) > 0.7
    assert (driver.folder / "manifest.json").exists()
    assert "Traceback" not in err, err
    wait_until(lambda: gone(family), 20)
    unfinished = [r for r in searched(records(driver.folder)) if r.get("status") == "failed"]
    assert not unfinished  # a trial that is cut off has not failed


@pytest.mark.slow
def test_a_second_signal_ends_the_run_within_seconds(start_driver: Callable[..., Driver]) -> None:
    """By then the end may be so near that the ensemble is returned all the same; nothing in between is."""
    driver = start_driver(FIT.format(limit=100, n_workers=1))
    wait_until(lambda: has_results(driver.folder, 1))
    family = without_agents(driver.processes())
    os.killpg(driver.process.pid, signal.SIGINT)
    time.sleep(0.3)  # two signals within a tenth of a second are one for Python
    os.killpg(driver.process.pid, signal.SIGINT)
    sent = time.monotonic()
    code, out, _ = driver.wait(30)
    assert time.monotonic() - sent < 6
    assert (code == 0) == ("SCORE" in out)
    wait_until(lambda: gone(family), 60)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_run_whose_driver_was_killed_is_gone_on_with(
    start_driver: Callable[..., Driver], ray_cluster: None, table: Table
) -> None:
    limit = 45
    driver = start_driver(FIT.format(limit=limit, n_workers=1))
    wait_until(lambda: has_results(driver.folder, 12))
    family = without_agents(driver.processes())
    driver.process.kill()
    driver.process.communicate()
    spent = time.monotonic() - driver.began
    wait_until(lambda: gone(family), 60)

    folder = driver.folder
    before = records(folder)
    last = {trial_of(r): r["status"] for r in before if r["record"] == "change"}
    finished = {trial for trial, status in last.items() if status in ("completed", "stopped", "failed")}
    n_before = sum(r["record"] == "trial" and r["fold"] == 0 for r in searched(before))
    last_time = max(r["time"] for r in before if r["record"] == "result")
    points_before = len(records(folder, "curves.jsonl"))

    began = time.monotonic()
    classifier = TabularClassifier.resume(folder)
    took = time.monotonic() - began

    after = records(folder)
    assert after[: len(before)] == before
    new = after[len(before) :]
    assert not {trial_of(r) for r in new} & finished  # finished trials are not run again
    assert not {p["trial"] for p in records(folder, "curves.jsonl")[points_before:]} & finished
    suggested = [trial_of(r) for r in searched(after) if r["record"] == "trial" and r["fold"] == 0]
    assert suggested == [f"{i:04d}" for i in range(len(suggested))]
    assert len(suggested) > n_before
    assert [r["time"] for r in new if r["record"] == "result"]
    assert all(last_time <= r["time"] <= limit for r in new if r["record"] == "result")
    # The time that was spent counts; what was spent after the last record (and on the imports) does not.
    assert limit - spent - 2 < took < limit - last_time + 2
    assert classifier.folder_.is_finished
    assert classifier.score(*table) > 0.8

    # What is finished is only loaded.
    content = (folder / "trials.jsonl").read_bytes()
    began = time.monotonic()
    again = TabularClassifier.resume(folder)
    assert time.monotonic() - began < 5
    assert (folder / "trials.jsonl").read_bytes() == content
    assert (again.predict(table[0]) == classifier.predict(table[0])).all()


SHORT = """
import sys
from raytabdl import TabularClassifier, datasets
X, y = datasets.load("car")
classifier = TabularClassifier(time_limit=3, run_folder=sys.argv[1]).fit(X, y)
print("SCORE", classifier.score(X, y))
TabularClassifier.resume(sys.argv[1])
import ray
print("RAY", ray.is_initialized())
"""


def test_without_the_time_for_ray_it_is_not_started(start_driver: Callable[..., Driver]) -> None:
    driver = start_driver(SHORT)
    code, out, err = driver.wait(60)
    assert code == 0, err
    assert float(out.partition("SCORE ")[2].split()[0]) > 0.75
    assert out.partition("RAY ")[2].strip() == "False"
    origins = {r["origin"] for r in records(driver.folder) if r["record"] == "trial"}
    assert origins <= {"quick", "bag"}


TWO_FITS = """
import sys
import ray
from raytabdl import TabularClassifier, datasets
X, y = datasets.load("car")
for name in ("a", "b"):
    classifier = TabularClassifier(
        None, n_trials=2, n_workers=1, run_folder=f"{sys.argv[1]}/{name}", choices=None
    ).fit(X.iloc[::4], y.iloc[::4])
    print("TRIALS", sum(classifier.leaderboard()["origin"] == "portfolio"), ray.is_initialized(), flush=True)
"""


@pytest.mark.slow
def test_two_fits_in_a_process_each_start_and_end_a_ray_of_their_own(start_driver: Callable[..., Driver]) -> None:
    driver = start_driver(TWO_FITS)
    code, out, err = driver.wait(110)
    assert code == 0, err
    assert out.split("\n")[:2] == ["TRIALS 2 False", "TRIALS 2 False"]
    assert "Traceback" not in err, err


AT_ONCE = """
import sys
import time
from concurrent.futures import ThreadPoolExecutor
import ray
from threadpoolctl import threadpool_info
from raytabdl import TabularClassifier, datasets

X, y = datasets.load("car")

def fit(name):
    return TabularClassifier(15, n_workers=1, run_folder=f"{sys.argv[1]}/{name}").fit(X, y).score(X, y)

def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

before = blas_threads()
with ThreadPoolExecutor(2) as pool:
    first = pool.submit(fit, "a")
    time.sleep(4)  # so that the one that has started Ray ends first
    second = pool.submit(fit, "b")
    print("SCORES", first.result(), second.result())
print("AFTER", ray.is_initialized(), min(blas_threads()) == min(before))
"""


@pytest.mark.slow
def test_two_fits_at_once_share_a_ray_that_the_last_one_ends(start_driver: Callable[..., Driver]) -> None:
    driver = start_driver(AT_ONCE)
    code, out, err = driver.wait(90)
    assert code == 0, err
    scores, after = out.splitlines()
    assert all(float(score) > 0.75 for score in scores.split()[1:])
    assert after == "AFTER False True"
    assert "Traceback" not in err, err
    for name in ("a", "b"):
        assert any(record["phase"] == "Ray ready" for record in records(driver.folder / name, "phases.jsonl"))
