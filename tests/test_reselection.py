"""An ensemble that predicts within a time, selected among the models of a run: what is in it, told and written."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from raytabdl import cli, latency
from raytabdl.classic import Linear, NearestNeighbours
from raytabdl.clock import Clock
from raytabdl.component import Horizon
from raytabdl.ensemble import Ensemble, EnsembleBuilder
from raytabdl.estimators import load
from raytabdl.exceptions import SettingError
from raytabdl.history import PORTFOLIO, History, Result, Seconds, Trial
from raytabdl.inputs import Array, Inputs, Target, TaskType
from raytabdl.metrics import REGRESSION
from raytabdl.names import trial_of
from raytabdl.pipeline import load_model, make_pipeline
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.run import Run
from raytabdl.runtime.run_json import write_run
from raytabdl.runtime.settings import Settings
from raytabdl.space import Choices
from raytabdl.task import make_task
from raytabdl.warm_start import default_portfolio

HORIZON = Horizon(max_budget=9, epochs=9, rows_per_epoch=1000, iteration_share=0.05)
LIMIT = 0.2
"""Seconds: a hundred times what models take that do not sleep, and less than those that do."""


class Sleeper(NearestNeighbours):
    """Neighbours that take their time to predict, once they are told to: in all, and for each row."""

    name: ClassVar[str] = "sleeper"
    seconds: ClassVar[float] = 0.0
    row_seconds: ClassVar[float] = 0.0

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        X.once(self._sleep)
        return super().predict(X, n_iterations)

    def _sleep(self, X: Inputs) -> None:
        """What is made once of the rows of a call counts each time that a call is measured."""
        time.sleep(self.seconds + len(X) * self.row_seconds)


CHOICES = Choices(networks=(), classic=(NearestNeighbours, Linear, Sleeper))
CONFIGS: dict[str, Any] = {
    "0000": {"model": "sleeper", "classic.sleeper.k": 3},
    "0001": {"model": "linear"},
    "0002": {"model": "neighbours", "classic.neighbours.k": 9},
}


def table(n: int = 150, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"size": rng.normal(size=n), "town": rng.choice(["a", "b", "c"], n)})
    X["built"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    return X


def values(X: pd.DataFrame) -> np.ndarray:
    return (np.sin(3 * X["size"]) + X["size"] + (X["town"] == "b")).to_numpy()


def train(path: Path, configs: dict[str, Any]) -> Path:
    """A run that has trained the configurations on the first fold."""
    target = Target(TaskType.REGRESSION, 0)
    task = make_task(table(), values(table()), target, 5, np.random.default_rng(0))
    settings = Settings(
        time_limit=1.0, n_trials=None, metric=None, seed=0, n_workers=1, gpus_per_trial=0.0, ensemble_size=25
    )
    folder = RunFolder(path)
    rmse = REGRESSION["rmse"]
    run = Run(settings, folder, task, CHOICES, default_portfolio(target), rmse, Clock.start(math.inf))
    write_run(run, None, None)
    history: History = folder.history()
    for name, config in configs.items():
        history.append(Trial(name, config, PORTFOLIO, -1, 0))
        pipeline = make_pipeline(config, CHOICES, target, HORIZON, 0)
        for _ in pipeline.train(task, 0):
            pass
        member, loss = folder.publish(pipeline, name), pipeline.best_loss
        history.append(Result(name, pipeline.budget, loss, loss, {"rmse": loss}, Seconds(0.1), 1.0, member))
    ensemble = folder.builder(rmse, 25).ensemble()
    assert ensemble is not None
    folder.write_ensemble(ensemble, rmse)
    folder.finish()
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sleeper is the best of its models."""
    return train(tmp_path_factory.mktemp("runs") / "run", CONFIGS)


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Any:
    return load(shutil.copytree(trained, tmp_path / "run"), choices=CHOICES)


def trials(ensemble: Ensemble) -> set[str]:
    return {trial_of(member) for member in ensemble.weights}


def builder_of(run: Any) -> EnsembleBuilder:
    return run.folder_.builder(REGRESSION["rmse"], 25)


def test_a_slow_model_is_left_out_and_the_ensemble_is_that_of_a_run_without_it(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "0000" in trials(run.predictor_.ensemble)
    monkeypatch.setattr(Sleeper, "seconds", 2 * LIMIT)
    seconds = run.reselect(tmp_path / "fast", infer_limit_s=LIMIT)
    assert 0 < seconds <= LIMIT
    fast = load(tmp_path / "fast", choices=CHOICES)
    without = builder_of(run)
    without.losses = {member: loss for member, loss in without.losses.items() if trial_of(member) != "0000"}
    assert fast.predictor_.ensemble == without.ensemble()
    # It predicts as the members of the run do, by their weights.
    rows = run.predictor_.schema.encode(table(seed=1))
    weights = fast.predictor_.ensemble.weights
    members = {member: load_model(run.folder_.model(member), CHOICES).predict(rows) for member in weights}
    expected = sum(weight * members[member] for member, weight in weights.items())
    np.testing.assert_allclose(fast.predict(table(seed=1)), expected)
    began = time.perf_counter()
    fast.predict(table(1))
    assert time.perf_counter() - began < 2 * LIMIT


def test_what_predicts_in_time_is_selected_as_without_a_limit(run: Any, tmp_path: Path) -> None:
    run.reselect(tmp_path / "model", infer_limit_s=60.0)
    assert load(tmp_path / "model", choices=CHOICES).predictor_.ensemble == run.predictor_.ensemble


def test_the_limit_is_for_the_rows_that_are_predicted_at_once(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 500 rows, more than were validated by, each of which takes the slow model a thousandth of a second."""
    monkeypatch.setattr(Sleeper, "row_seconds", 0.001)
    run.reselect(tmp_path / "one", infer_limit_s=LIMIT)
    assert "0000" in trials(load(tmp_path / "one", choices=CHOICES).predictor_.ensemble)
    run.reselect(tmp_path / "many", infer_limit_s=LIMIT, infer_rows=500)
    assert "0000" not in trials(load(tmp_path / "many", choices=CHOICES).predictor_.ensemble)
    assert run.reselect(tmp_path / "slow", infer_rows=500) > 0.5


def test_a_limit_that_no_model_is_within_names_the_fastest_and_writes_nothing(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency.Latency, "of_encoding", lambda self: 0.25)
    monkeypatch.setattr(latency.Latency, "of_ensemble", lambda self, ensemble: 9.0)
    monkeypatch.setattr(
        latency.Latency, "__missing__", lambda self, member: self.setdefault(member, 2.0 - int(member[3]) / 2)
    )
    with pytest.raises(
        SettingError,
        match=r"infer_limit_s must be more than the fastest model takes, got 1.2: neighbours \(trial 0002\) predicts "
        r"1 row in 1.2 s, 0.25 s of them to encode the table; give more seconds",
    ):
        run.reselect(tmp_path / "model", infer_limit_s=1.2)
    assert not (tmp_path / "model").exists()


def test_a_limit_that_encoding_the_table_exceeds_is_refused_before_any_model_is_measured(
    run: Any, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=r"it takes to encode the table, got 1e-06: 0\.\d+ s for 1,000 rows"):
        run.reselect(tmp_path / "model", infer_limit_s=1e-6, infer_rows=1_000)


def test_members_that_take_longer_together_are_selected_with_less_time(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a second, and two of them three instead of two."""
    monkeypatch.setattr(latency.Latency, "of_encoding", lambda self: 0.0)
    monkeypatch.setattr(latency.Latency, "__missing__", lambda self, member: self.setdefault(member, 1.0))
    monkeypatch.setattr(latency.Latency, "of_ensemble", lambda self, ensemble: 2.0 * len(ensemble.weights) - 1.0)
    assert len(run.predictor_.ensemble.weights) == 2
    assert run.reselect(tmp_path / "model", infer_limit_s=2.0) == 1.0
    (member,) = load(tmp_path / "model", choices=CHOICES).predictor_.members
    assert member == builder_of(run).candidates()[0]


def test_a_model_that_is_too_slow_all_the_same_is_warned_of(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency.Latency, "of_encoding", lambda self: 0.0)
    monkeypatch.setattr(latency.Latency, "__missing__", lambda self, member: self.setdefault(member, 1.0))
    monkeypatch.setattr(latency.Latency, "of_ensemble", lambda self, ensemble: 10.001)
    with pytest.warns(UserWarning, match=r"takes 10 s to predict 1 row, more than infer_limit_s=10"):
        assert run.reselect(tmp_path / "model", infer_limit_s=10.0) == 10.001
    load(tmp_path / "model", choices=CHOICES)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"infer_limit_s": 0.0}, "infer_limit_s must be positive"),
        ({"infer_limit_s": "fast"}, "infer_limit_s must be a number of seconds, got 'fast'"),
        ({"infer_rows": 0}, "infer_rows must be an integer of at least 1, got 0"),
    ],
)
def test_what_is_no_limit_is_refused(run: Any, tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        run.reselect(tmp_path / "model", **settings)


def test_the_first_call_does_not_count() -> None:
    seconds = iter([0.2, 0.0, 0.0, 0.05, 0.0, 0.05])
    assert latency.median_seconds(lambda: time.sleep(next(seconds))) < 0.04
    assert next(seconds, None) is None


def test_what_takes_long_is_called_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "LONG_SECONDS", 0.03)
    seconds = iter([0.05, 9.0])
    assert latency.median_seconds(lambda: time.sleep(next(seconds))) >= 0.05


def test_the_command_says_what_the_model_takes(tmp_path: Path) -> None:
    """Of models of the package alone, which a command can load."""
    path = str(train(tmp_path / "run", {name: config for name, config in CONFIGS.items() if name != "0000"}))
    out = str(tmp_path / "model")
    asked = ["reselect", path, "--infer-limit", "60", "--infer-rows", "1000", "--out", out]
    done = CliRunner().invoke(cli.commands, asked)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{out} predicts 1,000 rows in 0.")
    assert load(out).predictor_.ensemble == load(path).predictor_.ensemble
    refused = CliRunner().invoke(cli.commands, ["reselect", path, "--infer-limit", "1e-6", "--out", out])
    assert refused.exit_code == 2
    assert "infer_limit_s must be more than it takes to encode the table" in refused.stderr
