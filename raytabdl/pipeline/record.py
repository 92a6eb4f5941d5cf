"""A network's training told in full, epoch by epoch, in the words of LCBench (Zimmer et al., 2021)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from raytabdl.inputs import Array, Inputs, TaskType
from raytabdl.metrics import CLASSIFICATION, Metric, usual
from raytabdl.pipeline.network import NetworkPipeline
from raytabdl.task import Task
from raytabdl.training.gradients import Gradients
from raytabdl.training.loop import Epoch

_LCBENCH_METRICS = ("log_loss", "accuracy", "balanced_accuracy")
_LCBENCH_NAMES = {"log_loss": "cross_entropy"}
_LCBENCH_SCALES = {"accuracy": 100.0}

Scores = Mapping[str, float]
"""The values of metrics, by their names."""


@dataclass(frozen=True)
class EpochRecord:
    """How a network predicts after an epoch, and what the epoch did; there is no epoch before the first step.

    ``seconds`` counts from the beginning of the training, evaluation included. Scores are those of the last weights in
    evaluation mode; ``train`` is on the rows of the training part as they were before resampling.
    """

    seconds: float
    train: Scores
    valid: Scores
    test: Scores | None
    epoch: Epoch | None

    def tags(self) -> dict[str, float]:
        """The values by LCBench's tags; those that there are none of, before the first step or on no test set, are out.

        Accuracy is in percent, as there. ``std`` is the standard deviation of a gradient, where LCBench's code gives
        its square. Layers are numbered from the input on.
        """
        tags = {"time": self.seconds, "epoch": float(self.epoch.index if self.epoch else 0)}
        for part, scores in (("train", self.train), ("val", self.valid), ("test", self.test or {})):
            for name, value in scores.items():
                tags[f"Train/{_tag(part, name)}"] = value * _LCBENCH_SCALES.get(name, 1.0)
        if self.epoch is not None:
            tags |= {"Train/loss": self.epoch.train_loss, "Train/lr": self.epoch.learning_rate}
        if self.epoch is not None and self.epoch.gradients is not None:
            tags |= _gradient_tags(self.epoch.gradients)
        return tags


def recorded(
    pipeline: NetworkPipeline,
    task: Task,
    fold: int,
    *,
    test: tuple[Inputs, Array] | None = None,
    metrics: Sequence[Metric] = (),
) -> Iterator[EpochRecord]:
    """Trains a new pipeline on a fold to its end, and yields a record before the first step and one after each epoch.

    ``metrics`` are LCBench's unless others are given: cross entropy, accuracy and balanced accuracy, and of a
    regression those that are usual. The training is the same as without records, but for what ends it early: only a
    configuration's own early stopping does.
    """
    chosen = tuple(metrics) or _usual_metrics(pipeline.target.task_type)
    train, valid = ((task.inputs.take(rows), task.y[rows]) for rows in task.split(fold))
    began = time.perf_counter()

    def scores(rows: tuple[Inputs, Array]) -> Scores:
        predictions = pipeline.predict_now(rows[0])
        return {metric.name: metric.value(rows[1], predictions) for metric in chosen}

    def record() -> EpochRecord:
        of_test = None if test is None else scores(test)
        of_train, of_valid = scores(train), scores(valid)
        return EpochRecord(time.perf_counter() - began, of_train, of_valid, of_test, pipeline.last_epoch)

    pipeline.is_told_whole = True
    pipeline.begin(task, fold, with_gradients=True)
    yield record()
    for point in pipeline.train(task, fold):
        if point.train_loss is not None:  # else no epoch was trained: early stopping has ended the training
            yield record()


def _usual_metrics(task_type: TaskType) -> tuple[Metric, ...]:
    if task_type.is_classification:
        return tuple(CLASSIFICATION[name] for name in _LCBENCH_METRICS)
    return usual(task_type)


def _tag(part: str, metric: str) -> str:
    """The accuracy on the test set is LCBench's "test_result"."""
    is_result = (part, metric) == ("test", "accuracy")
    return "test_result" if is_result else f"{part}_{_LCBENCH_NAMES.get(metric, metric)}"


def _gradient_tags(gradients: Gradients) -> dict[str, float]:
    """Layers have no norm in LCBench."""
    tags = {f"Train/gradient_{name}": value for name, value in asdict(gradients.overall).items()}
    for i, layer in enumerate(gradients.layers.values()):
        values = {name: value for name, value in asdict(layer).items() if name != "norm"}
        tags |= {f"Train/layer_wise_gradient_{name}_layer_{i}": value for name, value in values.items()}
    return tags
