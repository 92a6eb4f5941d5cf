"""The ensemble trained again on all rows: what is learned from them, what is kept, and what a fault leaves."""

from __future__ import annotations

import errno
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import ray
from click.testing import CliRunner

from raytabdl import TabularClassifier, cli, run_folder
from raytabdl.calibration import scale
from raytabdl.classic import LightGBM, Linear, NearestNeighbours
from raytabdl.clock import Clock
from raytabdl.component import Config, Horizon
from raytabdl.ensemble import Ensemble
from raytabdl.estimators import load
from raytabdl.exceptions import CorruptModelError, DataError, RunFolderError, SettingError
from raytabdl.history import BAG, PORTFOLIO, History, Result, Seconds, Trial
from raytabdl.inputs import Array, Inputs, Target, TaskType
from raytabdl.metrics import metric
from raytabdl.names import fold_of, fold_trial, is_refitted, trial_of
from raytabdl.networks import ShapedMLP
from raytabdl.pipeline import ClassicPipeline, make_pipeline
from raytabdl.pipeline.standard import Standard
from raytabdl.refitting import Refitted, middle, seconds_to_best, with_refitted
from raytabdl.report import validation as report_validation
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.run import Run
from raytabdl.runtime.run_json import write_run
from raytabdl.runtime.settings import Settings
from raytabdl.space import Choices, named
from raytabdl.task import Task, make_task
from raytabdl.validation import TRAINED, TimeOrder, Validation
from raytabdl.warm_start import default_portfolio

N_FOLDS = 3
HORIZON = Horizon(max_budget=9, epochs=9, rows_per_epoch=1000, iteration_share=0.05)
NEIGHBOURS: Config = {"model": "neighbours", "classic.neighbours.k": 5}
MLP: Config = {
    "model": "mlp",
    "network.mlp.scaler": "robust",
    "network.mlp.batch_size": 32,
    "network.mlp.optimizer": "adamw",
    "network.mlp.optimizer.adamw.lr": 0.01,
    "network.mlp.schedule": "cosine_cycles",
}


def own(own_name: str) -> type[NearestNeighbours]:
    """Neighbours that take their time, raise or end their process, once they are told to; they travel by value."""

    class Own(NearestNeighbours):
        name: ClassVar[str] = own_name
        step_seconds: ClassVar[float] = 0.0
        fault: ClassVar[str] = ""

        def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
            time.sleep(self.step_seconds)
            if self.fault == "raises":
                raise ValueError("no neighbours today")
            if self.fault == "dies":
                os._exit(1)
            super().advance(X, y, n_iterations)

    return Own


Own, Other = own("own"), own("other")
CHOICES = Choices(networks=(ShapedMLP,), classic=(NearestNeighbours, Linear, LightGBM, Own, Other))


def table(n: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"size": rng.normal(size=n), "town": rng.choice(["a", "b", "c"], n)})


def values(X: pd.DataFrame) -> pd.Series:
    return 3 * X["size"] + 10 * (X["town"] == "b")


def labels(X: pd.DataFrame) -> pd.Series:
    noise = np.random.default_rng(1).normal(size=len(X))
    return pd.Series(np.where(X["size"] + noise > 0, "high", X["town"]))


@dataclass(frozen=True)
class Kind:
    target: Target
    classes: tuple[str, ...] | None = None


REGRESSION = Kind(Target(TaskType.REGRESSION, 0))
CLASSES = Kind(Target(TaskType.MULTICLASS, 4), ("a", "b", "c", "high"))


def run_of(
    path: Path,
    configs: Sequence[Config],
    kind: Kind = REGRESSION,
    *,
    X: pd.DataFrame | None = None,
    seconds: Sequence[float] = (),
    validation: Validation | None = None,
    sample_weight: Any = None,
    time_limit: float = 1.0,
    n_workers: int = 2,
    trial_memory: float | None = None,
) -> Path:
    """A run that has trained each configuration on every fold, with weights 1, 2, ... of the sum.

    In so little time a fit has no Ray.
    """
    X = table() if X is None else X
    y = values(X).to_numpy() if kind.classes is None else np.searchsorted(kind.classes, labels(X))
    rng = np.random.default_rng(0)
    task = make_task(X, y, kind.target, N_FOLDS, rng, validation=validation, sample_weight=sample_weight)
    chosen = metric(None, kind.target.task_type)
    folder = RunFolder(path)
    settings = Settings(
        time_limit=time_limit,
        n_trials=None,
        metric=None,
        seed=0,
        n_workers=n_workers,
        gpus_per_trial=0.0,
        ensemble_size=25,
        trial_memory=trial_memory,
    )
    run = Run(
        settings=settings,
        folder=folder,
        task=task,
        choices=CHOICES,
        portfolio=default_portfolio(kind.target),
        metric=chosen,
        clock=Clock.start(math.inf),
    )
    write_run(run, None if kind.classes is None else np.array(kind.classes), None)
    history, weights = folder.history(), {}
    for i, config in enumerate(configs):
        for fold in range(task.n_folds):
            name = fold_trial(f"{i:04d}", fold) if fold else f"{i:04d}"
            history.append(Trial(name, config, BAG if fold else PORTFOLIO, -1, fold, fold))
            pipeline = make_pipeline(config, CHOICES, kind.target, HORIZON, fold)
            for _ in pipeline.train(task, fold):
                pass
            member = folder.publish(pipeline, name)
            took = Seconds(seconds[i] if seconds else 0.1)
            loss = pipeline.best_loss
            history.append(Result(name, pipeline.budget, loss, loss, {"rmse": loss}, took, 1.0, member))
            weights[member] = 2 * (i + 1) / (len(configs) * (len(configs) + 1)) / task.n_folds
    folder.write_ensemble(Ensemble(weights, 0.5), chosen)
    folder.finish()
    return path


def only(model: Any) -> Any:
    """The one member of an ensemble."""
    (member,) = model.predictor_.members.values()
    return member


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What is trained.


@pytest.mark.parametrize("kind", [REGRESSION, CLASSES], ids=["regression", "classes"])
@pytest.mark.parametrize("weights", [None, np.arange(120) % 3], ids=["rows", "weighted rows"])
@pytest.mark.parametrize("name", ["neighbours", "linear", "lightgbm"])
def test_a_model_of_all_rows_is_the_one_that_is_trained_on_them_by_hand(
    name: str, weights: Any, kind: Kind, tmp_path: Path
) -> None:
    model = load(run_of(tmp_path / "run", [{"model": name}], kind, sample_weight=weights), choices=CHOICES)
    bag: list[Any] = list(model.predictor_.members.values())
    assert len(bag) == N_FOLDS
    told = model.refit()
    assert told[["trial", "model", "n_models", "refitted", "reason"]].values.tolist() == [["0000", name, 3, True, ""]]
    again = only(model)
    assert again.best_iterations == sorted(each.best_iterations for each in bag)[1]
    task, rows = model.folder_.read_task(kind.target), model.predictor_.schema.encode(table(seed=1))
    by_hand = named(CHOICES.classic, name)(kind.target, seed=again.seed, n_threads=1)
    if kind is CLASSES:
        by_hand.advance(task.inputs, task.y, again.best_iterations)
        temperature = np.exp(np.mean(np.log([each.temperature for each in bag])))
        expected = scale(by_hand.predict(rows, again.best_iterations), temperature)
    else:
        standard = Standard.of(task.y, task.inputs.weights)
        by_hand.advance(task.inputs, standard.standardised(task.y), again.best_iterations)
        expected = standard.value(by_hand.predict(rows, again.best_iterations))
    np.testing.assert_allclose(again.predict(rows), expected, rtol=1e-6)


def test_a_network_keeps_its_schedule_and_ends_where_the_fold_in_the_middle_was_best(tmp_path: Path) -> None:
    model = load(run_of(tmp_path / "run", [MLP], CLASSES), choices=CHOICES)
    courses = sorted((each.course for each in model.predictor_.members.values()), key=lambda own: own.best_epoch)
    assert {course.n_epochs for course in courses} == {HORIZON.epochs}
    model.refit()
    again, task = only(model), model.folder_.read_task(CLASSES.target)
    assert again.course == courses[1]
    # Rows that are there twice are validated by, so that all of them are trained on.
    rows = np.concatenate([np.arange(len(task.y)), np.arange(9)])
    folds = np.where(np.arange(len(rows)) < len(task.y), TRAINED, 0).astype(np.int16)
    twice = Task(task.inputs.take(rows), task.y[rows], task.target, task.schema, folds)
    by_hand: Any = make_pipeline(MLP, CHOICES, task.target, HORIZON, again.seed)
    by_hand.is_told_whole = True
    next(point for point in by_hand.train(twice, 0) if point.epoch == again.course.best_epoch)
    inputs = model.predictor_.schema.encode(table(seed=1))
    expected = scale(by_hand.predict_now(inputs), again.temperature)
    np.testing.assert_allclose(again.predict(inputs), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("best", "chosen"), [([3], 3), ([9, 3], 9), ([27, 3, 9], 9), ([1, 27, 27, 9, 3], 9)])
def test_the_training_in_the_middle_is_repeated(best: list[int], chosen: int) -> None:
    models = []
    for n_iterations in best:
        pipeline = ClassicPipeline({"model": "lightgbm"}, CHOICES, REGRESSION.target, HORIZON, 0)
        pipeline.best_iterations = n_iterations
        models.append(pipeline)
    repeated = middle(models)
    assert isinstance(repeated, ClassicPipeline)
    assert repeated.best_iterations == chosen


def test_what_only_the_latest_rows_tell_is_learned(tmp_path: Path) -> None:
    """Town b opened after the rows that are trained on."""
    X = table().assign(town=["a"] * 90 + ["b"] * 30)
    model = load(
        run_of(tmp_path / "run", [{"model": "linear"}], X=X, validation=TimeOrder(share=0.25)), choices=CHOICES
    )
    new = pd.DataFrame({"size": [0.0], "town": ["b"]})
    assert abs(model.predict(new)[0]) < 3
    model.refit()
    assert model.predict(new)[0] == pytest.approx(10, abs=2)


def test_the_ensemble_keeps_weights_calibration_and_decision() -> None:
    ensemble = Ensemble({"0@27": 0.2, "0.1@27": 0.2, "1@9": 0.3, "1.1@9": 0.3}, 0.5, (1.0, 2.0), (1.1, 0.0, 0.1))
    refitted = [
        Refitted("0", "mlp", 0.4, 2, "0.all@14", 1.0, ""),
        Refitted("1", "svm", 0.6, 2, None, 1.0, "it is too slow"),
    ]
    again = with_refitted(ensemble, refitted)
    assert again.weights == {"0.all@14": pytest.approx(0.4), "1@9": 0.3, "1.1@9": 0.3}
    assert (again.loss, again.factors, again.scaling) == (0.5, (1.0, 2.0), (1.1, 0.0, 0.1))
    assert again.trial_weights() == pytest.approx(ensemble.trial_weights())


def test_other_rows_are_learned_from_and_those_of_weight_zero_are_not(tmp_path: Path) -> None:
    """A saved model, which has no table of its own."""
    run = load(run_of(tmp_path / "run", [NEIGHBOURS]), choices=CHOICES)
    run.save(tmp_path / "model")
    model = load(tmp_path / "model", choices=CHOICES)
    with pytest.raises(RunFolderError, match="model is a saved model, which has no table; give X and y"):
        model.refit()
    X, new = table(60, seed=2), table(seed=1)
    y = values(X) + 1_000
    odd = pd.concat([X, X.iloc[:9]], ignore_index=True)
    model.refit(odd, [*y, *[-1e6] * 9], [1.0] * 60 + [0.0] * 9)
    with_odd = model.predict(new)
    assert (with_odd > 900).all()
    model.refit(X, y, np.ones(60))
    np.testing.assert_allclose(model.predict(new), with_odd)
    np.testing.assert_array_equal(load(tmp_path / "model", choices=CHOICES).predict(new), model.predict(new))


def test_rows_that_do_not_fit_those_of_the_fit_are_refused(tmp_path: Path) -> None:
    model = load(run_of(tmp_path / "run", [NEIGHBOURS], CLASSES), choices=CHOICES)
    X, before = table(), contents(tmp_path)
    cases: list[tuple[Mapping[str, Any], type[Exception], str]] = [
        ({"X": X}, SettingError, "X and y go together"),
        ({"sample_weight": np.ones(len(X))}, SettingError, "X and y go together"),
        ({"time_limit": 0}, SettingError, "time_limit must be positive"),
        ({"X": X, "y": labels(X)[:7]}, DataError, "120 rows and 7 targets"),
        ({"X": X, "y": ["nowhere"] * len(X)}, DataError, "the new y holds 1 labels that y does not"),
        ({"X": X, "y": ["a"] * len(X)}, DataError, r"y has one class only, \['a'\]"),
        ({"X": X[["size"]], "y": labels(X)}, DataError, "town"),
    ]
    for given, error, words in cases:
        with pytest.raises(error, match=words):
            model.refit(**given)
    assert contents(tmp_path) == before


def test_a_fit_predicts_with_one_model_for_each_trial(tmp_path: Path) -> None:
    X = table(300)
    clf = TabularClassifier(time_limit=6, metric="balanced_accuracy", run_folder=tmp_path / "run").fit(X, labels(X))
    ensemble, before = clf.predictor_.ensemble, clf.predict_proba(X)
    told = clf.refit()
    assert told["refitted"].all()
    assert told["weight"].is_monotonic_decreasing
    again = clf.predictor_.ensemble
    assert all(is_refitted(member) for member in again.weights)
    assert again.trial_weights() == pytest.approx(ensemble.trial_weights())
    assert (again.factors, again.scaling, again.loss) == (ensemble.factors, ensemble.scaling, ensemble.loss)
    assert np.abs(clf.predict_proba(X) - before).max() > 0
    assert clf.score(X, labels(X)) > 0.5


@pytest.mark.ray
def test_workers_of_ray_train_what_this_process_does(ray_cluster: None, tmp_path: Path) -> None:
    configs, X = [MLP, NEIGHBOURS, {"model": "lightgbm"}], table(seed=1)
    here, there = (
        load(run_of(tmp_path / str(limit), configs, CLASSES, time_limit=limit), choices=CHOICES)
        for limit in (1.0, 60.0)
    )
    for model in (here, there):
        assert model.refit()["refitted"].all()
    np.testing.assert_allclose(there.predict_proba(X), here.predict_proba(X), rtol=1e-4, atol=1e-6)


def test_workers_that_find_no_room_beside_others_train_after_them(ray_cluster: None, tmp_path: Path) -> None:
    """A node has room for one at a time."""
    memory = max(node["Resources"].get("memory", 0.0) for node in ray.nodes() if node["Alive"])
    configs = [{"model": "neighbours", "classic.neighbours.k": k} for k in (3, 4, 5, 6)]
    path = run_of(tmp_path / "run", configs, time_limit=60.0, n_workers=4, trial_memory=0.6 * memory / 1e9)
    assert load(path).refit(time_limit=120)["refitted"].all()


# What is kept.


def test_a_trial_that_would_take_too_long_keeps_its_models(tmp_path: Path) -> None:
    configs = [NEIGHBOURS, {"model": "linear"}]
    model = load(run_of(tmp_path / "run", configs, seconds=[0.1, 1_000.0]), choices=CHOICES)
    folds = model.predictor_
    with pytest.warns(UserWarning, match=r"1 of 2 trials keep .*: 0001 \(linear\): it would take about 1500.0 s, and"):
        told = model.refit(time_limit=60)
    assert told[["trial", "refitted"]].values.tolist() == [["0001", False], ["0000", True]]
    weights = model.predictor_.ensemble.weights
    kept = {member: weight for member, weight in folds.ensemble.weights.items() if trial_of(member) == "0001"}
    assert {member: weight for member, weight in weights.items() if not is_refitted(member)} == kept
    assert len(weights) == 1 + N_FOLDS
    inputs = folds.schema.encode(table(seed=1))
    for member in kept:
        expected = folds.members[member].predict(inputs)
        np.testing.assert_array_equal(model.predictor_.members[member].predict(inputs), expected)


def test_a_training_that_turns_out_to_be_too_slow_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(run_of(tmp_path / "run", [{"model": "own"}, NEIGHBOURS]), choices=CHOICES)
    monkeypatch.setattr(Own, "step_seconds", 2.0)
    with pytest.warns(UserWarning, match=r"0000 \(own\): at its pace it would have taken"):
        told = model.refit(time_limit=2.5)
    assert told.set_index("trial")["refitted"].to_dict() == {"0000": False, "0001": True}


def test_a_training_that_fails_keeps_no_other_from_being_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(run_of(tmp_path / "run", [{"model": "other"}, {"model": "own"}]), choices=CHOICES)
    monkeypatch.setattr(Own, "fault", "raises")
    with pytest.warns(UserWarning, match=r"0001 \(own\): ValueError: no neighbours today"):
        told = model.refit()
    assert told.set_index("trial")["refitted"].to_dict() == {"0000": True, "0001": False}
    monkeypatch.setattr(Other, "fault", "raises")
    again, before = model.predict(table(seed=1)), contents(tmp_path)
    with pytest.warns(UserWarning, match="2 of 2 trials keep"):
        assert not model.refit()["refitted"].any()
    np.testing.assert_array_equal(model.predict(table(seed=1)), again)
    assert contents(tmp_path) == before


@pytest.mark.ray
def test_a_worker_that_dies_costs_its_own_trial_only(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [{"model": "own"}, {"model": "other"}, NEIGHBOURS]
    model = load(run_of(tmp_path / "run", configs, time_limit=60.0), choices=CHOICES)
    monkeypatch.setattr(Other, "fault", "dies")
    with pytest.warns(UserWarning, match=r"1 of 3 trials keep .*: 0001 \(other\): its worker was lost"):
        told = model.refit()
    assert told.set_index("trial")["refitted"].to_dict() == {"0000": True, "0001": False, "0002": True}


@pytest.mark.ray
@pytest.mark.slow
def test_a_worker_that_hangs_is_killed_when_the_time_is_up(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(run_of(tmp_path / "run", [{"model": "own"}, NEIGHBOURS], time_limit=60.0), choices=CHOICES)
    monkeypatch.setattr(Own, "step_seconds", 300.0)
    began = time.monotonic()
    with pytest.warns(UserWarning, match=r"1 of 2 trials keep .*: 0000 \(own\): its worker did not answer in time"):
        told = model.refit(time_limit=25)
    assert time.monotonic() - began < 40
    assert told.set_index("trial")["refitted"].to_dict() == {"0000": False, "0001": True}


def test_a_network_of_an_earlier_release_keeps_its_weights(tmp_path: Path) -> None:
    golden = Path(__file__).with_name("golden") / "format-1" / "classifier"
    model = TabularClassifier.load(shutil.copytree(golden / "model", tmp_path / "model"))
    rows = pd.read_csv(golden / "rows.csv")
    with pytest.warns(UserWarning, match="2 of 10 trials keep .* it is of an earlier release"):
        told = model.refit(rows, model.predict(rows))
    assert told.loc[~told["refitted"], "model"].tolist() == ["mlp", "tabm"]
    assert np.isfinite(model.predict_proba(rows)).all()


def test_what_a_training_takes_is_what_it_took_to_its_best_point_on_the_first_fold() -> None:
    history = History()
    for name, budget, rung_loss in (("0", 3, 0.5), ("0", 9, 0.4), ("0.1", 9, 0.1), ("1", 9, 0.1), ("0", 27, 0.4)):
        history.append(Result(name, budget, rung_loss, 1.0, {}, Seconds(float(budget)), 1.0))
    assert seconds_to_best(history, "0") == 3 + 9
    assert seconds_to_best(history, "quick-linear") == 0


# What a fault leaves.


@pytest.fixture
def two(tmp_path: Path) -> Any:
    """An estimator of two trials."""
    return load(run_of(tmp_path / "run", [NEIGHBOURS, {"model": "linear"}]), choices=CHOICES)


def test_a_refit_that_is_interrupted_loses_nothing(two: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, before = table(seed=1), contents(tmp_path)
    expected, advance = two.predict(X), NearestNeighbours.advance

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(NearestNeighbours, "advance", interrupted)  # the second of the two
    with pytest.raises(KeyboardInterrupt):
        two.refit()
    monkeypatch.setattr(NearestNeighbours, "advance", advance)
    with monkeypatch.context() as patched, pytest.raises(RunFolderError, match=r"cannot be written: .*No space left"):
        patched.setattr(run_folder.shutil, "copytree", full)
        two.refit()
    assert contents(tmp_path) == before
    for model in (two, load(tmp_path / "run", choices=CHOICES)):
        np.testing.assert_array_equal(model.predict(X), expected)
    assert two.refit()["refitted"].all()


def test_a_refit_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    path = run_of(tmp_path / "run", [NEIGHBOURS, {"model": "linear"}])
    expected = load(path).predict(table(seed=1))
    code = (
        "import os, signal, sys; from raytabdl.estimators import load; from raytabdl.run_folder import RunFolder\n"
        "RunFolder.write_refitted = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "load(sys.argv[1]).refit()"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert list(path.glob(".refitted-*"))
    model = load(path)
    np.testing.assert_array_equal(model.predict(table(seed=1)), expected)
    assert model.refit()["refitted"].all()
    assert not list(path.glob(".refitted-*"))


def test_a_run_is_trained_again_by_one_process_at_a_time(two: Any) -> None:
    with two.folder_.lock(), pytest.raises(RunFolderError, match="being written by another process"):
        two.refit()


# What is told, saved and loaded.


def test_what_was_trained_again_predicts_the_same_after_it_was_saved_and_loaded(two: Any, tmp_path: Path) -> None:
    X, folds = table(seed=1), two.predict(table(seed=1))
    two.refit()
    expected = two.predict(X)
    assert np.abs(expected - folds).max() > 0
    two.save(tmp_path / "model")
    for path in (tmp_path / "run", tmp_path / "model"):
        again = load(path, choices=CHOICES)
        assert again.predictor_.ensemble == two.predictor_.ensemble
        np.testing.assert_array_equal(again.predict(X), expected)
    file = next((tmp_path / "run" / "refitted" / "models").rglob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CorruptModelError, match=file.name):
        load(tmp_path / "run", choices=CHOICES)
    shutil.rmtree(tmp_path / "run" / "refitted")
    np.testing.assert_array_equal(load(tmp_path / "run", choices=CHOICES).predict(X), folds)


def test_a_run_tells_what_was_trained_again_and_selects_among_the_models_of_folds(
    two: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_validation, "FEATURE_SECONDS", 0.1)
    before, summary = two.leaderboard(), two.fit_summary()
    two.refit()
    board = two.leaderboard()
    assert board["refitted"].all()
    pd.testing.assert_frame_equal(board.drop(columns="refitted"), before)
    assert "  refitted     on all rows: 0000, 0001" in two.fit_summary().splitlines()
    assert [line for line in two.fit_summary().splitlines() if "refitted" not in line] == summary.splitlines()
    two.report(tmp_path / "report.html")
    assert "0000, 0001 were trained again on all rows" in (tmp_path / "report.html").read_text()
    two.reselect(tmp_path / "model")
    members = load(tmp_path / "model", choices=CHOICES).predictor_.members
    assert {fold_of(member) for member in members} == set(range(N_FOLDS))


def test_a_run_that_goes_on_predicts_with_what_it_selects(two: Any) -> None:
    folds = two.predictor_.ensemble
    two.refit()
    two.folder_.finish()  # as a run does that was interrupted and is resumed
    assert load(two.folder_.path, choices=CHOICES).predictor_.ensemble == folds


def test_a_run_is_trained_again_from_the_command_line(tmp_path: Path) -> None:
    path = run_of(tmp_path / "run", [NEIGHBOURS, {"model": "linear"}], seconds=[0.1, 1_000.0])
    done = CliRunner().invoke(cli.commands, ["refit", str(path), "--time-limit", "60"])
    assert done.exit_code == 0, done.stderr
    assert "0001 (linear): it would take about 1500.0 s" in done.stderr
    assert "neighbours" in done.stdout
    assert sum(is_refitted(member) for member in load(path).predictor_.members) == 1
