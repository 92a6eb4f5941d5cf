from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray.tune.logger import LoggerCallback, TBXLoggerCallback

from raytabdl import Figures, TabularClassifier
from raytabdl.history import Seconds
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.pipeline import Point
from raytabdl.runtime.loggers import GuardedLogger, plain
from raytabdl.runtime.trainable import Report
from raytabdl.space import Choices


def test_a_logger_is_handed_plain_numbers() -> None:
    point = Point(3, 6, 0.4, 0.5, 0.001, 1.0, 0.1)
    report = Report(3, 0.5, (point,), Seconds(), 0.3, {"accuracy": 0.9, "log_loss": math.nan}, n_parameters=120)
    given = {"budget": 3, "loss": 0.5, "report": report, "training_iteration": 2, "config": {"trial": "0000"}}
    assert plain(given) == {
        "budget": 3,
        "training_iteration": 2,
        "config": {"trial": "0000"},
        "rung_loss": 0.5,
        "n_parameters": 120,
        "epoch": 6,
        "train_loss": 0.4,
        "valid_accuracy": 0.9,
    }
    failed = plain({"budget": 0, "loss": math.inf, "report": Report(0, math.inf, failure="Traceback")})
    assert failed == {"budget": 0}


class Broken(LoggerCallback):
    """Its server is gone."""

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        raise ConnectionError("no server at localhost:5000")


def test_what_a_logger_raises_is_told_once() -> None:
    guarded = GuardedLogger(Broken())
    guarded.setup()
    for iteration in range(3):
        guarded.on_trial_result(iteration, [], None, {"report": Report(1, 0.5)})
    with pytest.warns(UserWarning, match=r"Broken raised 3 times.*ConnectionError: no server at localhost:5000"):
        guarded.warn()


@pytest.mark.ray
def test_tensorboard_gets_the_curves_of_each_trial_and_keeps_them(ray_cluster: None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    heard: list[Figures] = []
    choices = Choices(networks=(ShapedMLP,), classic=())
    with pytest.warns(UserWarning, match="the logger Broken raised"):
        clf = TabularClassifier(
            None,
            n_trials=2,
            n_workers=1,
            choices=choices,
            run_folder=tmp_path / "run",
            callbacks=[TBXLoggerCallback(), Broken(), heard.append],
        ).fit(X, X[:, 0] > 0)
    assert heard[-1].stage == "over"
    folders = sorted((clf.folder_.path / "tensorboard").iterdir())
    assert [folder.name.partition("-")[0] for folder in folders] == ["0000", "0001"]
    history = clf.folder_.history()
    for number, folder in enumerate(folders):
        name = f"{number:04}"
        seen = dict(scalars(folder))
        results = {r.budget: r for r in history.results if r.trial_id == name}
        assert seen["ray/tune/valid_log_loss"] == pytest.approx(
            [results[budget].scores["log_loss"] for budget in sorted(results)], rel=1e-5
        )
        assert seen["ray/tune/budget"][-1] == max(results)
    assert not clf.folder_.tune.exists()


def scalars(folder: Path) -> Iterator[tuple[str, list[float]]]:
    """The values of each tag, in the order in which they were written."""
    from tensorboardX.proto.event_pb2 import Event

    values: dict[str, list[float]] = {}
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        position = 0
        while position < len(content):  # a record: length, its checksum, the event, its checksum
            length = int.from_bytes(content[position : position + 8], "little")
            event = Event.FromString(content[position + 12 : position + 12 + length])
            position += 16 + length
            for value in event.summary.value:
                values.setdefault(value.tag, []).append(value.simple_value)
    yield from values.items()
