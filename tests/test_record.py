"""Records of epochs: what is in them, in LCBench's words, and that they change nothing."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from raytabdl.component import Horizon
from raytabdl.inputs import Target, TaskType
from raytabdl.metrics import accuracy, balanced_accuracy, log_loss
from raytabdl.pipeline import make_pipeline, recorded
from raytabdl.space import Choices
from raytabdl.task import make_task
from raytabdl.training import AVERAGINGS, STOPPINGS

HORIZON = Horizon(max_budget=9, epochs=9, rows_per_epoch=1000)
CONFIG = {
    "model": "mlp",
    "network.mlp.n_layers": 2,
    "network.mlp.max_units": 16,
    "network.mlp.scaler": "robust",
    "network.mlp.batch_size": 32,
    "network.mlp.optimizer": "sgd",
    "network.mlp.optimizer.sgd.lr": 0.05,
    "network.mlp.schedule": "cosine",
}
LCBENCH = {
    *("time", "epoch", "Train/loss", "Train/lr"),
    *("Train/train_accuracy", "Train/train_cross_entropy", "Train/train_balanced_accuracy"),
    *("Train/val_accuracy", "Train/val_cross_entropy", "Train/val_balanced_accuracy"),
    *("Train/test_result", "Train/test_cross_entropy", "Train/test_balanced_accuracy"),
}
STATISTICS = ("max", "mean", "median", "std", "q10", "q25", "q75", "q90")
BINARY, REGRESSION = Target(TaskType.BINARY, 2), Target(TaskType.REGRESSION, 0)


def task_of(target=BINARY):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(150, 3)), columns=list("abc"))
    signal = frame["a"] + frame["b"] * frame["c"] + 0.3 * rng.normal(size=150)
    y = (signal > 0.4).to_numpy().astype(np.int64) if target.n_classes else signal.to_numpy()
    return make_task(frame, y, target, 3, np.random.default_rng(0))


def pipeline_of(task, **members):
    config = CONFIG | {f"network.mlp.{label}": name for label, name in members.items()}
    return make_pipeline(config, Choices(averagings=AVERAGINGS), task.target, HORIZON, 0)


def part(task, i):
    rows = task.split(0)[i]
    return task.inputs.take(rows), task.y[rows]


def test_the_tags_are_lcbenchs():
    task = task_of()
    before, *records = recorded(pipeline_of(task), task, 0, test=part(task, 1))
    layers = {f"Train/layer_wise_gradient_{name}_layer_{i}" for name in STATISTICS for i in range(2)}
    overall = {f"Train/gradient_{name}" for name in (*STATISTICS, "norm")}
    for record in records:
        assert set(record.tags()) == LCBENCH | overall | layers
    assert set(before.tags()) == LCBENCH - {"Train/loss", "Train/lr"}
    assert [record.tags()["epoch"] for record in (before, *records)] == list(range(10))


def test_scores_are_those_of_the_metrics_and_accuracy_is_in_percent():
    task = task_of()
    pipeline = pipeline_of(task)
    for record in recorded(pipeline, task, 0, test=part(task, 0)):
        tags = record.tags()
        for (inputs, y), word in ((part(task, 0), "train"), (part(task, 1), "val")):
            predictions = pipeline.predict_now(inputs)
            assert tags[f"Train/{word}_cross_entropy"] == log_loss(y, predictions)
            assert tags[f"Train/{word}_accuracy"] == 100 * accuracy(y, predictions)
            assert tags[f"Train/{word}_balanced_accuracy"] == balanced_accuracy(y, predictions)
        assert record.test == record.train
        assert tags["Train/test_result"] == tags["Train/train_accuracy"]
    assert tags["Train/train_cross_entropy"] < 0.6


def test_the_time_includes_evaluation_and_the_rate_is_the_schedules():
    task = task_of()
    _, *records = recorded(pipeline_of(task), task, 0)
    seconds = [record.seconds for record in records]
    assert seconds == sorted(seconds)
    assert sum(record.epoch.seconds for record in records) < seconds[-1]
    rates = [record.tags()["Train/lr"] for record in records]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01 < rates[0] < 0.05
    assert not any("test" in tag for tag in records[0].tags())


def test_the_gradient_of_a_layer_has_the_number_of_the_layer():
    task = task_of()
    _, first, *_ = recorded(pipeline_of(task), task, 0)
    layers, tags = list(first.epoch.gradients.layers.values()), first.tags()
    assert [tags[f"Train/layer_wise_gradient_q90_layer_{i}"] for i in range(2)] == [layer.q90 for layer in layers]
    assert tags["Train/gradient_max"] == max(layer.max for layer in layers)


@pytest.mark.parametrize("averaging", [cls.name for cls in AVERAGINGS])
def test_a_training_with_records_is_the_one_without(averaging):
    task = task_of()
    plain, watched = pipeline_of(task, averaging=averaging), pipeline_of(task, averaging=averaging)
    points = list(plain.train(task, 0))
    records = list(recorded(watched, task, 0))
    assert [point.train_loss for point in points] == [record.epoch.train_loss for record in records[1:]]
    np.testing.assert_array_equal(plain.best_predictions, watched.best_predictions)


def test_a_curve_far_beyond_its_best_point_is_recorded_to_its_end_and_one_out_of_patience_is_not():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(150, 3)), columns=list("abc"))
    task = make_task(frame, rng.integers(0, 2, 150), BINARY, 3, rng)  # labels without a pattern: the loss soon rises
    points = [point for point in pipeline_of(task).train(task, 0) if point.train_loss is not None]
    assert len(points) < HORIZON.epochs
    _, *records = recorded(pipeline_of(task), task, 0)
    assert [record.epoch.index for record in records] == list(range(1, 10))
    impatient = make_pipeline(
        CONFIG | {"network.mlp.stopping": "patience", "network.mlp.stopping.patience.n_epochs": 2},
        Choices(stoppings=STOPPINGS),
        task.target,
        HORIZON,
        0,
    )
    _, *records = recorded(impatient, task, 0)
    best = min(records, key=lambda record: record.valid["log_loss"]).epoch.index
    assert [record.epoch.index for record in records] == list(range(1, best + 3))


def test_a_training_that_nobody_records_has_no_statistics_of_gradients():
    task = task_of()
    pipeline = pipeline_of(task)
    next(pipeline.train(task, 0))
    assert pipeline.last_epoch.gradients is None


def test_a_regression_has_the_metrics_of_regressions():
    task = task_of(REGRESSION)
    *_, last = recorded(pipeline_of(task), task, 0)
    assert {"Train/val_rmse", "Train/train_r2", "Train/val_mae"} <= set(last.tags())
    assert not [tag for tag in last.tags() if re.search("accuracy|entropy", tag)]
    assert last.tags()["Train/train_r2"] == last.train["r2"] > 0.3
