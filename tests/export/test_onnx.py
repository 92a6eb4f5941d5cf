"""ONNX graphs predict what the package does: members of every family, and every step before a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from raytabdl import TabularRegressor, cli, preprocessing
from raytabdl.classic import CatBoost, LightGBM, RandomForest
from raytabdl.component import Config, Horizon, Network, Space
from raytabdl.decisions import decided
from raytabdl.ensemble import Ensemble
from raytabdl.estimators import load
from raytabdl.exceptions import ExportError, SettingError
from raytabdl.export import export_onnx, onnx_inputs, onnx_model
from raytabdl.export.catboost import _as_json
from raytabdl.export.graph import Graph
from raytabdl.export.steps import preprocessed
from raytabdl.export.table import encoded
from raytabdl.inputs import Error, Target, TaskType
from raytabdl.networks import ALL_NETWORKS
from raytabdl.persistence import write_json, write_manifest
from raytabdl.pipeline import ClassicPipeline, Pipeline, make_pipeline
from raytabdl.predictor import Predictor
from raytabdl.preprocessing import FAMILIES, Chosen, Preprocessing
from raytabdl.quick import with_quick
from raytabdl.run_folder import KEPT
from raytabdl.schema import infer_schema
from raytabdl.space import Choices
from raytabdl.task import make_task

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
TARGETS = {
    "binary": Target(TaskType.BINARY, 2),
    "multiclass": Target(TaskType.MULTICLASS, 3),
    "regression": Target(TaskType.REGRESSION, 0),
    "absolute": Target(TaskType.REGRESSION, 0, Error.ABSOLUTE),
    "logarithmic": Target(TaskType.REGRESSION, 0, Error.LOGARITHMIC),
}
CLASSES = {"binary": np.array([False, True]), "multiclass": np.array([3, 1, 7])}


def table(n_rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Numbers with gaps and with a large offset, dates, booleans, few and many levels, and an ordered category."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"town": [f"t{i}" for i in rng.integers(0, 30, n_rows)], "size": rng.normal(size=n_rows)})
    X["id"] = 1e9 + rng.integers(0, 100, n_rows)
    X["grade"] = pd.Categorical(rng.choice(["low", "mid", "high"], n_rows), ["low", "mid", "high"], ordered=True)
    X["is new"] = rng.random(n_rows) < 0.3
    X["since"] = pd.Timestamp("2020-01-01 12:00") + pd.to_timedelta(rng.integers(0, 900, n_rows), "D")
    X["ä/kind"] = rng.choice(["a", "b", "c"], n_rows)
    X.loc[::7, "size"] = np.nan
    X.loc[::9, "town"] = None
    X.loc[::11, "since"] = pd.NaT
    return X


def new_rows() -> pd.DataFrame:
    """Rows with what training did not see: levels, and numbers far outside."""
    X = table(60, seed=1)
    X.loc[1, "town"] = "unseen"
    X.loc[2, "grade"] = np.nan
    X.loc[3, "size"], X.loc[4, "size"], X.loc[5, "size"] = 1e12, -1e12, np.inf
    X.loc[6, "ä/kind"] = None
    return X


def target_of(X: pd.DataFrame, target: Target) -> np.ndarray:
    rng = np.random.default_rng(2)
    signal = (
        X["size"].fillna(0.5) + X["town"].fillna("t7").str[1:].astype(int) / 10 + (X["ä/kind"] == "a") - X["is new"]
    )
    signal = (signal + 0.3 * rng.normal(size=len(X))).to_numpy()
    if target.task_type is TaskType.REGRESSION:
        return 500.0 + 20.0 * signal
    return np.digitize(signal, np.quantile(signal, np.arange(1, target.n_classes) / target.n_classes))


def trained(kind: str, config: Config, choices: Choices | None = None, X: pd.DataFrame | None = None) -> Predictor:
    """A predictor of one member, trained for a few epochs or iterations."""
    X, target = table() if X is None else X, TARGETS[kind]
    task = make_task(X, target_of(X, target), target, 5, np.random.default_rng(0))
    horizon = Horizon(max_budget=3, epochs=3, rows_per_epoch=300, iteration_share=0.05)
    pipeline = make_pipeline(config, choices or Choices(), target, horizon, 0)
    for _ in pipeline.train(task, fold=0):
        pass
    return predictor_of(kind, task.schema, pipeline)


def predictor_of(kind: str, schema: Any, pipeline: Pipeline) -> Predictor:
    return Predictor(schema, TARGETS[kind], CLASSES.get(kind), Ensemble({"0001@3": 1.0}, 0.0), {"0001@3": pipeline})


def run(predictor: Predictor, X: pd.DataFrame) -> Mapping[str, Any]:
    """The outputs of the graph by name."""
    session = onnxruntime.InferenceSession(onnx_model(predictor).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, onnx_inputs(predictor, X)), strict=True))


def assert_same(predictor: Predictor, X: pd.DataFrame) -> None:
    expected, outputs = predictor.predict(X), run(predictor, X)
    if predictor.classes is None:
        assert expected.std() > 0
        np.testing.assert_allclose(outputs["value"], expected, rtol=1e-5)
        return
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)
    weighed = np.sort(decided(expected, predictor.ensemble.factors), axis=1)
    clear = weighed[:, -1] - weighed[:, -2] > 1e-4
    np.testing.assert_array_equal(outputs["label"][clear], predictor.decide(expected)[clear])


# The whole.


def without_neighbours(predictor: Predictor) -> Predictor:
    members = {name: m for name, m in predictor.members.items() if m.config["model"] != "neighbours"}
    return replace(predictor, members=members, ensemble=Ensemble(dict.fromkeys(members, 1 / len(members)), 0.0))


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_an_ensemble_of_all_families_is_one_graph(kind: str) -> None:
    predictor = without_neighbours(load(GOLDEN / kind / "model").predictor_)
    assert len(predictor.members) == 9
    assert_same(predictor, pd.read_csv(GOLDEN / kind / "rows.csv"))


def test_a_graph_calibrates_and_decides_as_the_ensemble_does() -> None:
    predictor = without_neighbours(load(GOLDEN / "classifier" / "model").predictor_)
    X, n_classes = pd.read_csv(GOLDEN / "classifier" / "rows.csv"), predictor.target.n_classes
    ensemble = replace(
        predictor.ensemble,
        scaling=(1.7, *np.linspace(-0.3, 0.4, n_classes)),
        factors=tuple(np.arange(1.0, n_classes + 1)),
    )
    changed = replace(predictor, ensemble=ensemble)
    assert abs(changed.predict(X) - predictor.predict(X)).max() > 0.01
    assert_same(changed, X)


def test_a_text_is_named_as_what_has_no_form_in_a_graph() -> None:
    X = table()
    X["note"] = [f"row {i} is {'good' if i % 2 else 'bad'} and {i}" for i in range(len(X))]
    with pytest.raises(ExportError, match=r"words of \['note'\] cannot be counted"):
        onnx_model(trained("binary", {"model": "lightgbm"}, Choices(), X))


def test_the_inputs_are_the_columns_that_are_learned_from() -> None:
    X = table().assign(constant=1.0)
    predictor = trained("binary", {"model": "dummy"}, replace(Choices(), classic=(preset_dummy(),)), X)
    session = onnxruntime.InferenceSession(onnx_model(predictor).SerializeToString())
    kinds = {each.name: each.type for each in session.get_inputs()}
    strings = {"town", "grade", "ä/kind"}
    assert kinds.keys() == set(table().columns)
    assert {name for name, kind in kinds.items() if kind == "tensor(string)"} == strings
    assert {kinds[name] for name in kinds.keys() - strings} == {"tensor(double)"}


def preset_dummy() -> Any:
    from raytabdl.classic.dummy import Dummy

    return Dummy


@pytest.mark.parametrize("columns", [["size", "id"], ["town", "ä/kind"], ["grade"]])
@pytest.mark.parametrize("model", ["mlp", "catboost", "lightgbm", "random_forest"])
def test_a_table_may_have_columns_of_one_kind(columns: list[str], model: str) -> None:
    X = table()
    task = make_task(X[columns], target_of(X, TARGETS["binary"]), TARGETS["binary"], 5, np.random.default_rng(0))
    config: Config = {"model": model} if model != "mlp" else network("mlp")
    pipeline = make_pipeline(config, Choices(), TARGETS["binary"], Horizon(1, 1, 300, 0.02), 0)
    next(pipeline.train(task, fold=0))
    assert_same(predictor_of("binary", task.schema, pipeline), new_rows()[columns])


# Boosters and forests.


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(
    "config",
    [
        {"model": "catboost", "classic.catboost.max_ctr_complexity": 1},
        {"model": "catboost", "classic.catboost.max_ctr_complexity": 3, "classic.catboost.one_hot_max_size": 2},
        {"model": "lightgbm", "classic.lightgbm.min_data_in_leaf": 5, "classic.lightgbm.cat_smooth": 1.0},
        {"model": "random_forest", "classic.random_forest.min_samples_leaf": 1},
    ],
    ids=["catboost", "catboost-combinations", "lightgbm", "forest"],
)
def test_trees_are_exact(kind: str, config: Config) -> None:
    predictor = trained(kind, config)
    expected, outputs = predictor.predict(new_rows()), run(predictor, new_rows())
    np.testing.assert_allclose(outputs["probabilities" if kind in CLASSES else "value"], expected, rtol=1e-6)


@pytest.mark.parametrize("model", ["linear", "dummy"])
@pytest.mark.parametrize("kind", ["absolute", "logarithmic"])
def test_models_of_every_error_are_exact(kind: str, model: str) -> None:
    predictor = trained(kind, {"model": model}, with_quick(Choices()))
    np.testing.assert_allclose(run(predictor, new_rows())["value"], predictor.predict(new_rows()), rtol=1e-5)


def test_splits_by_combinations_of_categories_and_numbers_are_exact() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: rng.integers(0, 8, 1_000).astype(str) for name in ("a", "b")})
    X["x"], X["nothing"] = rng.normal(size=1_000), 0.0
    y = (X["a"].astype(int) + X["b"].astype(int) + (X["x"] > 0)).to_numpy() % 2
    task = make_task(X, y, TARGETS["binary"], 5, rng)
    start = "classic.catboost."
    config = {"model": "catboost", f"{start}max_ctr_complexity": 3, f"{start}one_hot_max_size": 2}
    pipeline = make_pipeline(config, Choices(), TARGETS["binary"], Horizon(1, 1, 1_000, 0.1), 0)
    next(pipeline.train(task, fold=0))
    assert isinstance(pipeline, ClassicPipeline) and isinstance(pipeline.model, CatBoost)
    statistics = _as_json(pipeline.model.model_)["features_info"]["ctrs"]
    columns = [{key for element in of["elements"] for key in element} for of in statistics]
    assert any("float_feature_index" in keys for keys in columns)
    assert any([e.get("cat_feature_index") for e in of["elements"]] == [0, 1] for of in statistics)
    predictor = predictor_of("binary", task.schema, pipeline)
    np.testing.assert_allclose(run(predictor, X)["probabilities"], predictor.predict(X), rtol=1e-9)


def test_a_model_without_a_split_is_its_prior() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=40)})
    for cls, config in ((LightGBM, {"min_data_in_leaf": 100}), (RandomForest, {"min_samples_leaf": 30})):
        task = make_task(X, rng.integers(0, 2, 40), TARGETS["binary"], 5, rng)
        full = {"model": cls.name, **{f"classic.{cls.name}.{key}": value for key, value in config.items()}}
        pipeline = make_pipeline(full, Choices(), TARGETS["binary"], Horizon(1, 1, 40, 0.05), 0)
        next(pipeline.train(task, fold=0))
        predictor = predictor_of("binary", task.schema, pipeline)
        outputs = run(predictor, X)
        assert np.ptp(outputs["probabilities"][:, 0]) == 0
        np.testing.assert_allclose(outputs["probabilities"], predictor.predict(X), atol=1e-7)


# Networks.


def network(name: str, **own: Any) -> dict[str, Any]:
    start = f"network.{name}."
    config = {"batch_size": 64, "scaler": "robust", "optimizer": "adamw", "optimizer.adamw.lr": 0.01}
    return {"model": name, **{start + key: value for key, value in {**config, "schedule": "cosine", **own}.items()}}


NETWORK_CONFIGS: list[dict[str, Any]] = [
    *(network(cls.name) for cls in ALL_NETWORKS),
    network("tabm", variant="tabm", embedding="none"),
    network("mlp", activation="mish", batch_norm=True),
    network("realmlp", activation="mish"),
    network("resnet", branches="shake_shake", activation="tanh"),
    network("resnet", branches="shake_drop"),
]


@pytest.mark.parametrize("config", NETWORK_CONFIGS, ids=lambda config: str(config["model"]))
def test_every_network_is_exported_for_any_number_of_rows(config: dict[str, Any]) -> None:
    kind = ("multiclass", "regression", "logarithmic")[NETWORK_CONFIGS.index(config) % 3]
    predictor = trained(kind, config, Choices(networks=ALL_NETWORKS))
    assert_same(predictor, new_rows())
    assert_same(predictor, pd.concat([new_rows()] * 20))


# Preprocessing.

STEPS = [(label, cls) for label, members in FAMILIES.items() if label != "resampler" for cls in members]
UNKNOWN = {preprocessing.RandomTreesEmbedding, preprocessing.CategoryPairs}


def arguments_of(cls: Any) -> Iterator[dict[str, Any]]:
    """Each option of each choice, with the rest at its default."""
    yield {}
    for name, dimension in cls.space.items():
        for option in getattr(dimension, "options", ()):
            if option != dimension.default:
                # Clusters by Ward's method know one distance only.
                yield {name: option, **({"linkage": "average"} if option == "manhattan" else {})}


CASES = [(label, cls, own) for label, cls in STEPS if cls not in UNKNOWN for own in arguments_of(cls)]


@pytest.mark.parametrize(
    ("label", "cls", "own"), CASES, ids=[f"{c.name}-{'-'.join(map(str, o.values()))}" for _, c, o in CASES]
)
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_every_step_maps_rows_as_in_python(kind: str, label: str, cls: Any, own: dict[str, Any]) -> None:
    X, target = table(), TARGETS[kind]
    schema = infer_schema(X)
    encoder = {"encoder": Chosen(preprocessing.OneHot, {"max_levels": 5})} if label == "features" else {}
    chain = Preprocessing({**encoder, label: Chosen(cls, own)})
    chain.fit_resample(schema.encode(X), target_of(X, target), target, 0)
    g = Graph()
    rows = preprocessed(g, chain, encoded(g, schema))
    g.output("numeric", rows.numeric, 1, rows.d_num)
    g.output("categorical", rows.categorical, 7, len(rows.cardinalities))
    session = onnxruntime.InferenceSession(g.model("steps", {}).SerializeToString())
    feeds = {name: values.reshape(-1, 1) for name, values in schema.plain(new_rows()).items()}
    numeric, categorical = session.run(None, feeds)
    with np.errstate(all="ignore"), pytest.warns(UserWarning, match="did not see"):
        expected = chain.transform(schema.encode(new_rows()))
    np.testing.assert_allclose(numeric, expected.numeric, rtol=2e-4, atol=2e-5)
    np.testing.assert_array_equal(categorical, expected.categorical)
    assert rows.cardinalities == expected.cardinalities


# What cannot be exported.


class Twice(Network, nn.Module):
    """A network of a user's own."""

    name: ClassVar[str] = "twice"
    space: ClassVar[Space] = {}

    def __init__(self, d_num: int, cardinalities: tuple[int, ...], d_out: int) -> None:
        super().__init__()
        self.output = nn.Linear(d_num, d_out)

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        outputs: Tensor = 2 * self.output(x_num)
        return outputs


class OwnScaler(preprocessing.NoScaler):
    name: ClassVar[str] = "own"


class OwnBooster(CatBoost):
    name: ClassVar[str] = "own_booster"


def test_a_network_of_ones_own_is_exported_too() -> None:
    assert_same(trained("binary", network("twice"), Choices(networks=(Twice,))), new_rows())


@pytest.mark.parametrize(
    ("config", "choices", "reason"),
    [
        ({"model": "catboost", "classic.catboost.grow_policy": "Depthwise"}, Choices(full=True), "not symmetric"),
        (network("mlp", scaler="own"), Choices(scalers=(OwnScaler,)), "OwnScaler has no form"),
        ({"model": "own_booster"}, Choices(classic=(OwnBooster,)), "OwnBooster has no form"),
        (
            network("mlp", features="trees_embedding"),
            Choices(features=preprocessing.FEATURES),
            "RandomTreesEmbedding has no form",
        ),
    ],
    ids=["depthwise", "own-scaler", "own-booster", "trees-embedding"],
)
def test_what_cannot_be_expressed_names_the_member_and_the_reason(
    config: Config, choices: Choices, reason: str
) -> None:
    with pytest.raises(ExportError, match=rf"0001@3 \({config['model']}\) cannot be exported: .*{reason}"):
        onnx_model(trained("binary", config, choices))


def test_a_table_of_combinations_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raytabdl.export.catboost._MAX_TABLE", 10)
    with pytest.raises(ExportError, match="a table may have 10"):
        onnx_model(trained("binary", {"model": "catboost"}))


def test_without_the_extra_the_way_to_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    monkeypatch.delitem(__import__("sys").modules, "raytabdl.export.graph")
    with pytest.raises(SettingError, match=r"pip install 'raytabdl\[onnx\]'"):
        export_onnx(load(GOLDEN / "classifier" / "model").predictor_, tmp_path / "model.onnx")


# The way there.


def test_the_command_names_the_member_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    result = CliRunner().invoke(cli.commands, ["export", str(GOLDEN / "classifier" / "model"), "--out", str(out)])
    assert result.exit_code == 2
    assert "0007@27 (neighbours) cannot be exported: NearestNeighbours has no form" in result.stderr
    assert not out.exists()


def test_the_command_writes_the_graph_of_the_saved_ensemble(tmp_path: Path) -> None:
    model, out = Path(shutil.copytree(GOLDEN / "classifier" / "model", tmp_path / "model")), tmp_path / "model.onnx"
    members = without_neighbours(load(model).predictor_).members
    write_json(model / "ensemble.json", {"metric": "log_loss", "loss": 0.5, "weights": dict.fromkeys(members, 1 / 9)})
    write_manifest(model, [*KEPT, "models"])
    result = CliRunner().invoke(cli.commands, ["export", str(model), "--out", str(out)])
    assert result.exit_code == 0, result.output
    predictor, rows = load(model).predictor_, pd.read_csv(GOLDEN / "classifier" / "rows.csv")
    labels, probabilities = onnxruntime.InferenceSession(out).run(None, onnx_inputs(predictor, rows))
    np.testing.assert_allclose(probabilities, predictor.predict(rows), atol=1e-5)
    assert set(labels) <= {"few", "many", "some"}


def test_the_modules_of_networks_are_torchs_and_the_users_own() -> None:
    estimator = load(GOLDEN / "classifier" / "model")
    modules = estimator.torch_modules()
    assert {name: len(own) > 1 for name, own in modules.items()} == {"0001@27": True, "0002@27": False}
    rows = pd.read_csv(GOLDEN / "classifier" / "rows.csv")
    before = estimator.predict_proba(rows)
    (network_,) = modules["0002@27"]
    member = estimator.predictor_.members["0002@27"]
    prepared = member.preprocessing.transform(estimator.predictor_.schema.encode(rows))
    with torch.inference_mode():
        outputs = network_(torch.from_numpy(prepared.numeric), torch.from_numpy(prepared.categorical.astype(np.int64)))
        probabilities = outputs.softmax(-1).mean(1).log().div(member.temperature).softmax(-1)
    np.testing.assert_allclose(probabilities, member.predict(estimator.predictor_.schema.encode(rows)), atol=1e-6)
    with torch.no_grad():
        for p in network_.parameters():
            p.zero_()
    np.testing.assert_array_equal(estimator.predict_proba(rows), before)


def test_a_column_named_like_an_output_is_refused(tmp_path: Path) -> None:
    X = pd.DataFrame({"value": np.arange(40.0), "other": np.arange(40.0) % 7})
    y = X["value"] * 2.0 + X["other"]
    fitted = TabularRegressor(time_limit=1, run_folder=tmp_path / "run").fit(X, y)
    with pytest.raises(ExportError, match=r"\['value'\] are outputs of the graph and columns"):
        onnx_model(fitted.predictor_)
    X.columns = ["Cast.1", "constant.1"]  # nor do inner names get in the way
    renamed = TabularRegressor(time_limit=1, run_folder=tmp_path / "renamed").fit(X, y)
    assert [each.name for each in onnx_model(renamed.predictor_).graph.input] == list(X.columns)
