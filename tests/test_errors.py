"""The error that a regression's metric measures is what its models are trained by, from the call of ``fit`` on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raytabdl import TabularRegressor
from raytabdl.classic.lightgbm import LightGBM
from raytabdl.inputs import Error
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.persistence import MANIFEST, read_json
from raytabdl.pipeline import Pipeline, load_model
from raytabdl.quick import with_quick
from raytabdl.run_folder import RunFolder
from raytabdl.search.portfolio import Member, Portfolio
from raytabdl.space import Choices
from raytabdl.task import Task

CONSTANTS = {
    "mae": (Error.ABSOLUTE, np.median),
    "msle": (Error.LOGARITHMIC, lambda y: np.expm1(np.log1p(y).mean())),
    "r2": (Error.SQUARED, np.mean),
}


def table(n: int = 120) -> tuple[pd.DataFrame, pd.Series]:
    """A target with a long tail, above 0."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"size": rng.normal(size=n), "town": rng.choice(["a", "b", "c"], n)})
    return X, np.exp(X["size"] + rng.normal(size=n)).rename("price")


def task_of(fitted: Any) -> Task:
    return fitted.folder_.read_task(fitted.predictor_.target)


def published(folder: RunFolder, trial: str) -> Pipeline:
    """The last model of a trial."""
    member = [member for member in folder.members() if member.startswith(f"{trial}@")][-1]
    return load_model(folder.model(member), with_quick(Choices()))


@pytest.mark.parametrize("metric", CONSTANTS)
def test_the_quick_models_and_what_is_saved_and_resumed_have_the_error_of_the_metric(
    metric: str, tmp_path: Path
) -> None:
    (X, y), (error, constant) = table(), CONSTANTS[metric]
    fitted = TabularRegressor(11, metric=metric, run_folder=tmp_path / "run").fit(X, y)
    task, folder = task_of(fitted), fitted.folder_
    rows = task.inputs.take(np.arange(3))
    assert task.target.error is error
    np.testing.assert_allclose(published(folder, "quick-dummy").predict(rows), constant(task.y[task.split(0)[0]]))
    fitted.save(tmp_path / "model")
    loaded = TabularRegressor.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict(X), fitted.predict(X))
    # The dummy is trained anew where nothing is left of it.
    for name in ("ensemble.json", MANIFEST):
        (folder.path / name).unlink()
    for path in folder.path.glob("*/quick-dummy*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    lines = [line for line in folder.trials.read_text().splitlines() if '"quick-dummy' not in line]
    folder.trials.write_text("".join(f"{line}\n" for line in lines))
    resumed = TabularRegressor.resume(folder.path)
    assert resumed.predictor_.target.error is error
    np.testing.assert_allclose(published(folder, "quick-dummy").predict(rows), constant(task.y[task.split(0)[0]]))


def test_a_run_of_an_earlier_release_goes_on_with_squared_errors(tmp_path: Path) -> None:
    X, y = table()
    folder = TabularRegressor(2, metric="mae", run_folder=tmp_path / "run").fit(X, y).folder_
    labels = read_json(folder.path / "labels.json")
    assert labels.pop("error") == "absolute"
    (folder.path / "labels.json").write_text(json.dumps(labels))
    for name in ("ensemble.json", MANIFEST):
        (folder.path / name).unlink()
    resumed = TabularRegressor.resume(folder.path)
    assert (resumed.metric, resumed.predictor_.target.error) == ("mae", Error.SQUARED)


@pytest.mark.ray
def test_trials_are_trained_and_compared_by_the_error_of_the_metric(ray_cluster: None, tmp_path: Path) -> None:
    X, y = table(240)
    choices = Choices(networks=(ShapedMLP,), classic=(LightGBM,))
    both = Portfolio("hand-chosen", (Member({"model": "lightgbm"}), Member({"model": "mlp"})))
    settings = {"metric": "mae", "choices": choices, "portfolio": both, "run_folder": tmp_path / "run"}
    reg = TabularRegressor(None, n_trials=2, n_workers=2, progress=False, **settings).fit(X, y)
    task, folder = task_of(reg), reg.folder_
    truth = task.truth(0).y
    spread = np.abs(truth - np.median(truth)).mean()
    searched = [result for result in folder.history().results if not result.trial_id.startswith("quick")]
    models = {str(folder.history().trials[result.trial_id].config["model"]) for result in searched}
    assert models == {"mlp", "lightgbm"}
    for result in searched:
        assert result.member is not None
        error = np.abs(truth - folder.read_predictions(result.member)).mean()
        assert (result.rung_loss, result.loss) == pytest.approx((error / spread, error), rel=1e-5)
        pipeline = load_model(folder.model(result.member), with_quick(choices))
        assert pipeline.target == task.target
        if pipeline.config["model"] == "lightgbm":
            assert "\nobjective=regression_l1\n" in (folder.model(result.member) / "lightgbm.txt").read_text()
        else:  # the scale of absolute errors, which its training has made of the target
            train = task.y[task.split(0)[0]]
            assert read_json(folder.model(result.member) / "network.json")["mean"] == pytest.approx(np.median(train))
