"""Benchmarks to simulate on: the same configuration has the same curve, and the known optimum is the best."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ConfigSpace import Categorical, Configuration, ConfigurationSpace, EqualsCondition, Float

from raytabdl.component import Config
from raytabdl.curves.surrogate import session
from raytabdl.curves.tasks import TASKS
from raytabdl.search.brackets import Budgets
from raytabdl.search.samplers import RandomSearch
from raytabdl.simulation import surrogate
from raytabdl.simulation.benchmark import Curve
from raytabdl.simulation.surrogate import LCBenchSurrogate
from raytabdl.simulation.synthetic import CountingOnes
from raytabdl.simulation.tabulated import Table


def ones(benchmark: CountingOnes, value: float) -> Config:
    own = (name for name in benchmark.space if name.startswith("family_0."))
    return {"model": "family_0", **{name: value for name in own}}


def test_all_ones_are_best_at_every_budget_and_all_zeros_worst() -> None:
    benchmark = CountingOnes(8, spread=0.3)
    assert set(benchmark.curve(ones(benchmark, 1)).losses.values()) == {0.0}
    assert set(benchmark.curve(ones(benchmark, 0)).losses.values()) == {1.0}


def test_a_configuration_has_one_curve_and_a_larger_budget_is_nearer_to_the_truth() -> None:
    benchmark = CountingOnes(8, spread=0.3)
    configs = [RandomSearch(benchmark.space, seed).suggest() for seed in range(200)]
    assert benchmark.curve(configs[0]) == CountingOnes(8, spread=0.3).curve(dict(reversed(configs[0].items())))
    truth = np.array([1 - np.mean([float(v) for k, v in c.items() if k != "model"]) for c in configs])
    curves = [benchmark.curve(config) for config in configs]
    noise = [np.std([curve.losses[b] for curve in curves] - truth) for b in benchmark.budgets.rungs]
    assert noise[0] > 1.5 * noise[1] > 2 * noise[2]


def test_seconds_are_spread_lognormally_over_configurations() -> None:
    benchmark = CountingOnes(8, spread=0.5)
    paces = []
    for seed in range(200):
        seconds = benchmark.curve(RandomSearch(benchmark.space, seed).suggest()).seconds
        assert seconds[27] == pytest.approx(27 * seconds[1])
        paces.append(math.log(seconds[1]))
    assert np.mean(paces) == pytest.approx(0.0, abs=0.1)
    assert np.std(paces) == pytest.approx(0.5, abs=0.08)


def make_table() -> Table:
    space = ConfigurationSpace()
    model, x, y = Categorical("model", ["a", "b"]), Float("x", (0.0, 1.0)), Float("y", (0.0, 1.0))
    space.add(model, x, y)
    space.add(EqualsCondition(y, model, "b"))
    rows: list[tuple[Config, Curve]] = [
        ({"model": "a", "x": 0.0}, Curve({1: 0.1}, {1: 1.0})),
        ({"model": "a", "x": 1.0}, Curve({1: 0.2}, {1: 1.0})),
        ({"model": "b", "x": 0.0, "y": 0.5}, Curve({1: 0.3}, {1: 1.0})),
        ({"model": "b", "x": 0.0, "y": 0.9}, Curve({1: 0.4}, {1: 1.0})),
    ]
    return Table(space, Budgets(n_rungs=1), rows)


@pytest.mark.parametrize(
    ("config", "loss"),
    [
        ({"model": "a", "x": 0.4}, 0.1),
        ({"model": "a", "x": 0.6}, 0.2),
        ({"model": "b", "x": 0.9, "y": 0.6}, 0.3),
        ({"model": "b", "x": 0.1, "y": 0.8}, 0.4),
    ],
)
def test_a_table_answers_with_the_curve_of_the_next_configuration(config: Config, loss: float) -> None:
    assert make_table().curve(config).losses == {1: loss}


def test_a_table_without_a_budget_or_without_rows_is_refused() -> None:
    space = make_table().space
    with pytest.raises(ValueError, match="must hold the budgets"):
        Table(space, Budgets(n_rungs=2), [({"model": "a", "x": 0.0}, Curve({1: 0.1}, {1: 1.0}))])
    with pytest.raises(ValueError, match="at least one row"):
        Table(space, Budgets(n_rungs=2), [])


class FakeSession:
    """In the place of the network: its time is the epoch times the width, its accuracy the epoch's."""

    def __init__(self, *args: object, **options: object) -> None:
        self.calls: list[dict[str, Any]] = []

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Any]:
        self.calls.append(inputs)
        x = inputs["x_cont"]
        output = np.zeros((len(x), 6), dtype=np.float32)
        output[:, surrogate.TIME] = np.where(x[:, 0] == 7, 0.0, x[:, 0] * x[:, 6])  # falls at the second rung
        output[:, surrogate.VALID_ACCURACY] = x[:, 0]
        return [output]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LCBenchSurrogate:
    module = SimpleNamespace(InferenceSession=FakeSession, SessionOptions=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    write_model(tmp_path)
    return LCBenchSurrogate(tmp_path, str(TASKS["adult"]))


def write_model(folder: Path) -> None:
    codes = {str(task): code for code, task in enumerate(TASKS.values())}
    (folder / "encoding.json").write_text(json.dumps({"OpenML_task_id": codes}))
    (folder / "model.onnx").touch()


def test_the_surrogate_is_asked_once_for_a_whole_curve_at_the_rungs_epochs(
    fake: LCBenchSurrogate, tmp_path: Path
) -> None:
    configs = [RandomSearch(fake.space, seed).suggest() for seed in range(3)]
    curves = fake.curves(configs)
    (call,) = session(tmp_path / "model.onnx").calls  # type: ignore[attr-defined]  # the fake one
    assert call["x_cat"].dtype == np.int32
    assert set(call["x_cat"].ravel()) == {list(TASKS).index("adult")}
    # 50 epochs at budget 27, and its first epoch is that of the untrained network
    assert call["x_cont"][:4, 0].tolist() == [3, 7, 18, 51]
    assert curves[0].losses == {1: pytest.approx(0.97), 3: pytest.approx(0.93), 9: pytest.approx(0.82), 27: 0.49}
    seconds = list(curves[0].seconds.values())
    assert seconds == sorted(seconds)
    assert curves[1] == fake.curve(configs[1])


def test_the_surrogates_space_is_that_of_lcbench(fake: LCBenchSurrogate) -> None:
    config = {
        "batch_size": 16,
        "learning_rate": 1e-4,
        "max_dropout": 1.0,
        "max_units": 1024,
        "model": "mlp",
        "momentum": 0.99,
        "num_layers": 1,
        "weight_decay": 1e-5,
    }
    Configuration(fake.space, values=config).check_valid_configuration()
    assert sorted(fake.space) == sorted(config)


def test_a_task_that_the_surrogate_does_not_know_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path)
    with pytest.raises(ValueError, match="must be one of"):
        LCBenchSurrogate(tmp_path, "32")
