from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raytabdl import TabularClassifier
from raytabdl.clock import Clock
from raytabdl.ensemble import Ensemble
from raytabdl.history import Change, History, Result, Seconds, Status, Trial
from raytabdl.runtime import metrics
from raytabdl.runtime.metrics import RunMetrics, kind_of_failure
from raytabdl.search.brackets import Budgets, Race
from raytabdl.space import Choices

BOARD = Path(__file__).parents[2] / "examples" / "cluster" / "grafana.json"


class Exported(dict[tuple[str, ...], list[float]]):
    """What was written: by name and values of the tags, in the order of writing."""

    def of(self, name: str, *tags: str) -> list[float]:
        return self.get((f"raytabdl_{name}", *tags), [])


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    """Ray's metrics, kept here."""
    found = Exported()

    class Recorded:
        def __init__(self, name: str, description: str, *rest: Any) -> None:
            self.name = name
            self.tag_keys = rest[-1]

        def set(self, value: float, tags: dict[str, str]) -> None:
            assert set(tags) == set(self.tag_keys)
            assert math.isfinite(value)
            found.setdefault((self.name, *(tags[key] for key in self.tag_keys)), []).append(value)

        def observe(self, value: float, tags: dict[str, str]) -> None:
            self.set(value, tags)

        def inc(self, value: float, tags: dict[str, str]) -> None:
            self.set(value, tags)

    for kind in ("Gauge", "Counter", "Histogram"):
        monkeypatch.setattr(metrics, kind, Recorded)
    return found


def ended(history: History, name: str, seconds: list[float], status: Status, reason: str = "", *, origin: str) -> None:
    """A trial that reported at rungs, each after so many seconds, and came to its end."""
    history.append(Trial(name, {"model": "mlp"}, origin, 0, 0))
    for i, s in enumerate(seconds):
        history.append(Result(name, 3**i, 1.0 / (1 + i), 2.0 / (1 + i), {}, Seconds(training=s), 0.0))
    history.append(Change(name, status, 0.0, reason))


def run_metrics(history: History, limit_s: float = 60.0) -> RunMetrics:
    return RunMetrics("first", "log_loss", history, Race(Budgets()), Clock.start(limit_s))


def test_a_trial_is_counted_once_when_it_ends_with_all_its_seconds(exported: Exported) -> None:
    history = History()
    written = run_metrics(history)
    history.append(Trial("0000", {"model": "mlp"}, "portfolio", 0, 0))
    history.append(Result("0000", 1, 1.0, 1.0, {}, Seconds(training=1.0, setup=0.5), 0.0))
    written.write(1, None)
    assert exported.of("trial_duration_seconds", "first", "mlp") == []
    history.append(Result("0000", 3, 1.0, 1.0, {}, Seconds(training=2.0), 0.0))
    history.append(Change("0000", Status.STOPPED, 0.0))
    for _ in range(3):
        written.write(0, None)
    assert exported.of("trial_duration_seconds", "first", "mlp") == [3.5]
    assert exported.of("trials", "first", "running") == [1, 0, 0, 0]
    assert exported.of("trials", "first", "stopped") == [0, 1, 1, 1]


def test_failures_are_counted_by_the_kind_of_error(exported: Exported) -> None:
    history = History()
    written = run_metrics(history)
    for i in range(2):
        ended(history, f"000{i}", [1.0], Status.FAILED, "Traceback ...\nRuntimeError: layer 3 of 7", origin="random")
    ended(history, "0002", [], Status.FAILED, "the worker was lost 3 times: out of memory", origin="random")
    written.write(0, None)
    assert exported.of("failures_total", "first", "RuntimeError") == [1, 1]
    assert exported.of("failures_total", "first", "lost worker") == [1]
    assert exported.of("trials", "first", "failed") == [3]


@pytest.mark.parametrize("reason", ["", "\n"])
def test_a_failure_without_a_reason_is_one_of_a_worker(reason: str) -> None:
    assert kind_of_failure(reason) == "lost worker"


def test_quick_models_and_what_a_resumed_run_had_done_are_not_counted_again(exported: Exported) -> None:
    history = History()
    ended(history, "0000", [1.0], Status.FAILED, "ValueError: 1", origin="portfolio")
    written = run_metrics(history)
    ended(history, "quick-linear", [1.0], Status.COMPLETED, origin="quick")
    ended(history, "0001", [4.0], Status.COMPLETED, origin="portfolio")
    written.write(0, None)
    assert exported.of("trial_duration_seconds", "first", "mlp") == [4.0]
    assert exported.of("failures_total", "first", "ValueError") == []
    assert exported.of("trials", "first", "completed") == [1]  # a gauge tells how many there are
    assert exported.of("trials", "first", "failed") == [1]


def test_losses_time_and_rungs_are_those_of_the_moment(exported: Exported) -> None:
    history, race = History(), Race(Budgets())
    written = RunMetrics("first", "log_loss", history, race, Clock.start(60.0))
    written.write(2, None)
    assert exported.of("best_loss", "first", "log_loss") == exported.of("ensemble_loss", "first", "log_loss") == []
    for name in ("0000", "0001"):
        race.add(name)
        history.append(Trial(name, {"model": "mlp"}, "portfolio", 0, 0))
    race.report("0000", 1, 0.5)
    history.append(Result("0000", 1, 0.5, 0.4, {}, Seconds(), 0.0))
    written.write(2, Ensemble({"0000@1": 0.5, "quick-linear@27": 0.5}, 0.3))
    assert exported.of("best_loss", "first", "log_loss") == [0.4]
    assert exported.of("ensemble_loss", "first", "log_loss") == [0.3]
    assert exported.of("ensemble_members", "first") == [2]
    assert exported.of("busy_workers", "first") == [2, 2]
    standings = {key[2:]: values[-1] for key, values in exported.items() if key[0] == "raytabdl_rung_trials"}
    assert {key: value for key, value in standings.items() if value} == {("1", "racing"): 1, ("1", "waiting"): 1}
    elapsed, left = exported.of("elapsed_seconds", "first")[-1], exported.of("time_left_seconds", "first")[-1]
    assert elapsed + left == pytest.approx(60, abs=0.1)


def test_the_time_left_ends_at_zero_and_is_not_told_without_a_limit(exported: Exported) -> None:
    run_metrics(History(), 1e-9).write(0, None)
    assert exported.of("time_left_seconds", "first") == [0.0]
    exported.clear()
    run_metrics(History(), math.inf).write(0, None)
    assert exported.of("time_left_seconds", "first") == []
    assert len(exported.of("elapsed_seconds", "first")) == 1


def test_they_are_written_at_most_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    from raytabdl.runtime import tune

    class Scheduler:
        def kill_late(self) -> None:
            pass

        def running(self) -> list[Any]:
            return [object()]

    class Searcher:
        def __init__(self) -> None:
            self.noted: set[int] = set()

        def note_running(self, n_running: int) -> None:
            self.noted.add(n_running)

    class Actor:
        def ask(self) -> None:
            pass

        def incumbent(self) -> None:
            return None

    class Written:
        def __init__(self) -> None:
            self.times: list[float] = []

        def write(self, n_running: int, ensemble: Ensemble | None) -> None:
            self.times.append(now)

    now, written, searcher = 1000.0, Written(), Searcher()
    monkeypatch.setattr(tune.time, "monotonic", lambda: now)
    watch = tune._Watch(searcher, Scheduler(), Actor(), written, lambda snapshot: None)  # type: ignore[arg-type]
    for step in range(100):  # of 50 ms
        now = 1000.0 + step / 20
        watch.on_step_end(step, [])
    assert written.times == pytest.approx([1000.0 + i / 2 for i in range(10)])
    assert searcher.noted == {1}


WITHOUT_RAY = """
from raytabdl.clock import Clock
from raytabdl.ensemble import Ensemble
from raytabdl.history import History
from raytabdl.runtime.metrics import RunMetrics
from raytabdl.search.brackets import Budgets, Race
for _ in range(2):
    metrics = RunMetrics("first", "log_loss", History(), Race(Budgets()), Clock.start(60))
    for _ in range(100):
        metrics.write(1, Ensemble({"0000@1": 1.0}, 0.5))
print("written")
"""


def test_where_nobody_collects_them_writing_does_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_RAY], capture_output=True, text=True, check=True)
    assert done.stdout == "written\n"


# What a real run exports, and what the dashboard of Grafana asks for.


def expressions(board: dict[str, Any]) -> list[str]:
    queries = [variable["definition"] for variable in board["templating"]["list"] if "definition" in variable]
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]] + queries


def scrape() -> dict[str, set[str]]:
    """The labels of each metric that the node of this session's Ray exports."""
    import ray

    (node,) = ray.nodes()
    with urllib.request.urlopen(f"http://127.0.0.1:{node['MetricsExportPort']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    samples = re.findall(r"^(\w+)\{(.*)\} ", text, flags=re.MULTILINE)
    return {name: set(re.findall(r'(\w+)="', labels)) for name, labels in samples}


@pytest.mark.ray
def test_each_expression_of_the_dashboard_names_a_metric_that_a_run_exported(
    search_run: Any, table: tuple[pd.DataFrame, pd.Series], tmp_path: Path
) -> None:
    """One run with failures, and one with a time limit."""
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="needs ray[default]")
    TabularClassifier(
        60, n_trials=1, n_workers=1, choices=Choices().only(["random_forest"]), run_folder=tmp_path / "limited"
    ).fit(*table)
    board = json.loads(BOARD.read_text())
    asked = {name for text in expressions(board) for name in re.findall(r"\bray_\w+", text)}
    ends = time.monotonic() + 45  # Ray exports every ten seconds
    while not asked <= set(found := scrape()) and time.monotonic() < ends:
        time.sleep(0.5)
    assert asked <= set(found)
    ours = {re.sub("_(bucket|count|sum)$", "", name) for name in found if name.startswith("ray_raytabdl_")}
    assert len(ours) >= 8
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in asked} == ours  # and none is left unseen
    for text in expressions(board):
        for name, filtered in re.findall(r"(ray_\w+)\{([^}]*)\}", text):
            assert set(re.findall(r"(\w+)=~", filtered)) <= found[name]
        (grouped,) = re.findall(r"by \(([^)]*)\)", text) or [""]
        names = re.findall(r"ray_\w+", text)
        assert set(re.findall(r"\w+", grouped)) <= found[names[0]]


@pytest.mark.ray
def test_the_actors_of_a_run_are_named_as_what_they_are(search_run: Any) -> None:
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import ActorTableData

    accessor = state._connect_and_get_accessor()
    found = [ActorTableData.FromString(data) for data in accessor.get_actor_table(None, None)]
    of_run = [actor for actor in found if actor.repr_name.endswith("(run run)")]  # other tests name a run so too
    assert {actor.class_name for actor in of_run} == {"EnsembleActor", "PipelineTrainable"}
    assert any(a.class_name == "EnsembleActor" and a.name.startswith("raytabdl.ensemble.run.") for a in of_run)
