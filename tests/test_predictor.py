"""The weighted mean of members of every family: each quick model and a network, trained for one step."""

from __future__ import annotations

import copy
import math
import pickle
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from raytabdl import predictor as module
from raytabdl.clock import Clock
from raytabdl.component import Horizon
from raytabdl.ensemble import Ensemble
from raytabdl.exceptions import CorruptModelError, RunFolderError
from raytabdl.frames import to_frame
from raytabdl.history import QUICK, Trial
from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.metrics import metric
from raytabdl.persistence import MANIFEST, write_manifest
from raytabdl.pipeline import Pipeline, make_pipeline
from raytabdl.predictor import Predictor, load_predictor
from raytabdl.quick import quick_configurations, train_quick
from raytabdl.run_folder import KEPT, RunFolder
from raytabdl.runtime.run import Run
from raytabdl.runtime.run_json import write_run
from raytabdl.runtime.settings import Settings
from raytabdl.schema import infer_schema
from raytabdl.search.portfolio import first_configurations
from raytabdl.space import Choices, configuration_space
from raytabdl.targets import encode_labels, encode_values
from raytabdl.task import make_task
from raytabdl.warm_start import default_portfolio

KINDS = ["classification", "regression"]


def table(n_rows: int = 90, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"age": rng.normal(40.0, 9.0, n_rows), "town": rng.choice(["a", "b", "c"], n_rows)})
    X["size"] = rng.normal(size=n_rows)
    X.loc[::7, "size"] = np.nan
    return X


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[RunFolder, dict[str, Pipeline]]]:
    """For each kind of task the folder of a run, and its members as they were when they were published."""
    return {kind: publish(kind, tmp_path_factory.mktemp(kind) / "run") for kind in KINDS}


def publish(kind: str, path: Path) -> tuple[RunFolder, dict[str, Pipeline]]:
    X = table()
    if kind == "classification":
        codes, labels = encode_labels(np.where(X["age"] > 45.0, "old", X["town"]))
        classes, target, y = labels, Target(TaskType.MULTICLASS, len(labels)), codes
    else:
        classes, target, y = None, Target(TaskType.REGRESSION, 0), encode_values(3.0 * X["age"] + 1_000.0)
    task = make_task(X, y, target, 5, np.random.default_rng(0))
    horizon = Horizon(max_budget=27, epochs=9, rows_per_epoch=100, iteration_share=0.1)
    settings = Settings(
        time_limit=1.0, n_trials=None, metric=None, seed=0, n_workers=None, gpus_per_trial=0.0, ensemble_size=25
    )
    choices, portfolio, folder = Choices(), default_portfolio(target), RunFolder(path)
    run = Run(
        settings=settings,
        folder=folder,
        task=task,
        choices=choices,
        portfolio=portfolio,
        metric=metric(None, target.task_type),
        clock=Clock.start(math.inf),
    )
    write_run(run, classes, None)
    history, members = folder.history(), {}
    for name, config in quick_configurations():
        history.append(Trial(name, config, "quick", -1, 0))
        result = next(iter(train_quick(Trial(name, config, QUICK, -1, 0), task, horizon, lambda: True)))
        members[folder.publish(result.pipeline, name)] = result.pipeline
    networks = {network.name for network in choices.networks}
    configurations = first_configurations(portfolio, configuration_space(choices, 0))
    config = next(config for config in configurations if config["model"] in networks)
    network = make_pipeline(config, choices, target, horizon, 0)
    next(network.train(task, fold=0))
    members[folder.publish(network, "0001")] = network
    total = sum(range(1, len(members) + 1))
    weights = {member: rank / total for rank, member in enumerate(members, start=1)}
    folder.write_ensemble(Ensemble(weights, 0.5), run.metric)
    folder.finish()
    return folder, members


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def predictor(published: dict[str, tuple[RunFolder, dict[str, Pipeline]]], kind: str) -> Predictor:
    return load_predictor(published[kind][0], Choices())


def test_every_family_is_loaded_as_it_was_published(
    published: dict[str, tuple[RunFolder, dict[str, Pipeline]]], predictor: Predictor, kind: str
) -> None:
    inputs = predictor.schema.encode(table(seed=1))
    assert len(predictor.members) == 6
    for name, pipeline in published[kind][1].items():
        np.testing.assert_allclose(predictor.members[name].predict(inputs), pipeline.predict(inputs), rtol=1e-9)


def test_a_prediction_is_the_weighted_mean_of_the_members(predictor: Predictor) -> None:
    X = table(seed=1)
    inputs = predictor.schema.encode(X)
    weights = predictor.ensemble.weights
    mean = sum(weights[name] * member.predict(inputs) for name, member in predictor.members.items())
    np.testing.assert_allclose(predictor.predict(X), mean, rtol=1e-6)


def test_probabilities_sum_to_one(published: dict[str, tuple[RunFolder, dict[str, Pipeline]]]) -> None:
    loaded = load_predictor(published["classification"][0], Choices())
    probabilities = loaded.predict(table(500, seed=1))
    assert probabilities.shape == (500, loaded.target.n_classes)
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("n_rows", [1, 7, 89, 90, 91])
def test_chunks_change_nothing(predictor: Predictor, monkeypatch: pytest.MonkeyPatch, n_rows: int) -> None:
    X = table(seed=1)
    whole = predictor.predict(X)
    monkeypatch.setattr(module, "_CHUNK_ROWS", n_rows)
    np.testing.assert_allclose(predictor.predict(X), whole, rtol=1e-5)


@dataclass
class Uniform:
    """A member that notes how many rows it is asked for at once."""

    n_classes: int
    asked: list[int] = field(default_factory=list)

    def predict(self, inputs: Inputs) -> NDArray[np.float64]:
        self.asked.append(len(inputs))
        return np.full((len(inputs), self.n_classes), 1.0 / self.n_classes)


def test_the_more_classes_the_fewer_rows_are_predicted_at_once() -> None:
    """50,000 rows of 1,000 classes are 400 megabytes of each member."""
    schema = infer_schema(to_frame(np.eye(2)))
    rows = np.zeros((11_000, 2))
    for n_classes, chunks in ((3, [11_000]), (1_000, [5_000, 5_000, 1_000])):
        member = Uniform(n_classes)
        target = Target(TaskType.MULTICLASS, n_classes)
        many = Predictor(schema, target, None, Ensemble({"a": 1.0}, 0.5), {"a": member})  # type: ignore[dict-item]
        assert many.predict(rows).shape == (11_000, n_classes)
        assert member.asked == chunks


def test_no_rows_give_no_predictions(predictor: Predictor) -> None:
    n_classes = predictor.target.n_classes
    assert predictor.predict(table().head(0)).shape == ((0, n_classes) if n_classes else (0,))


def test_a_prediction_follows_its_row(predictor: Predictor) -> None:
    X = table(seed=1)
    order = np.random.default_rng(2).permutation(len(X))
    np.testing.assert_allclose(predictor.predict(X.iloc[order]), predictor.predict(X)[order], rtol=1e-5)


def test_the_table_is_left_as_it_was(predictor: Predictor) -> None:
    X = table(seed=1)
    before = X.copy(deep=True)
    predictor.predict(X)
    pd.testing.assert_frame_equal(X, before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_predict_the_same_and_share_nothing(predictor: Predictor, copied: object) -> None:
    assert callable(copied)
    X = table(seed=1)
    expected = predictor.predict(X)
    other = copied(predictor)
    np.testing.assert_array_equal(other.predict(X), expected)
    del other
    np.testing.assert_array_equal(predictor.predict(X), expected)


def test_a_pickle_holds_none_of_the_rows_that_were_predicted(predictor: Predictor) -> None:
    before = len(pickle.dumps(predictor))
    predictor.predict(table(5_000, seed=1))
    assert len(pickle.dumps(predictor)) < before + 5_000


def test_threads_predict_as_one_after_the_other(predictor: Predictor) -> None:
    tables = [table(200, seed=seed) for seed in range(4)]
    alone = [predictor.predict(X) for X in tables]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(predictor.predict, tables * 10))
    for number, predictions in enumerate(together):
        np.testing.assert_allclose(predictions, alone[number % 4], rtol=1e-5)


def test_predicting_warns_of_nothing(predictor: Predictor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(table(seed=1))


# What is no model, or no longer one.


@pytest.fixture
def copied_run(published: dict[str, tuple[RunFolder, dict[str, Pipeline]]], tmp_path: Path) -> RunFolder:
    shutil.copytree(published["classification"][0].path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_what_is_of_no_use_after_the_run_is_deleted_at_its_end(copied_run: RunFolder) -> None:
    for folder in (copied_run.cache, copied_run.tune):
        folder.mkdir()
        (folder / "a.safetensors").touch()
    copied_run.finish()
    assert not copied_run.cache.exists() and not copied_run.tune.exists()
    load_predictor(copied_run, Choices())


def test_only_members_with_a_weight_are_loaded(copied_run: RunFolder) -> None:
    first = next(iter(copied_run.read_ensemble().weights))
    copied_run.write_ensemble(Ensemble({first: 1.0}, 0.5), metric(None, TaskType.MULTICLASS))
    copied_run.finish()
    for other in set(copied_run.members()) - {first}:
        shutil.rmtree(copied_run.model(other))
    assert list(load_predictor(copied_run, Choices()).members) == [first]


def test_a_member_that_is_missing_is_named(copied_run: RunFolder) -> None:
    first, second, *_ = copied_run.read_ensemble().weights
    shutil.rmtree(copied_run.model(first))
    with pytest.raises(CorruptModelError, match=first):
        load_predictor(copied_run, Choices())
    write_manifest(copied_run.path, [*KEPT, f"models/{second}"])
    with pytest.raises(CorruptModelError, match=f"{first} is missing"):
        load_predictor(copied_run, Choices())


def test_a_folder_without_a_run_has_no_predictor(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"holds no finished run and no saved model$"):
        load_predictor(RunFolder(tmp_path / "nothing"), Choices())


def test_an_unfinished_run_names_the_way_on(copied_run: RunFolder) -> None:
    copied_run.ensemble.unlink()
    (copied_run.path / MANIFEST).unlink()
    with pytest.raises(RunFolderError, match=f"raytabdl resume {copied_run.path}"):
        load_predictor(copied_run, Choices())


def test_a_model_without_its_manifest_is_refused(copied_run: RunFolder) -> None:
    (copied_run.path / MANIFEST).unlink()
    with pytest.raises(CorruptModelError, match=r"manifest.json is missing"):
        load_predictor(copied_run, Choices())
