"""What a configuration becomes: something that is trained on a fold of a task, and predicts by its best state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from raytabdl.calibration import rung_loss, scale
from raytabdl.component import Config, Horizon
from raytabdl.inputs import Array, Inputs, Target, Truth
from raytabdl.persistence import read_array, read_json, write_array, write_json
from raytabdl.space import Choices
from raytabdl.task import Task

FAR_BEYOND = 3
"""How many times as far as its best point a training goes that finds no better one, and a 27th of the horizon more.

Of 58 trainings of the portfolio to the full budget on 12 tables, 15 had not become better between 1/9 and 1/3 of it,
and none of these did later.
"""


@dataclass(frozen=True)
class Point:
    """One point of a learning curve: the budget reached, and the losses there.

    ``epoch`` counts epochs or iterations. ``rung_loss`` is that of this point, not the best so far.
    """

    budget: int
    epoch: int
    train_loss: float | None
    rung_loss: float
    learning_rate: float | None
    training_s: float
    evaluation_s: float


class Pipeline(ABC):
    """A configuration that is trained on one fold of a task.

    ``train`` may be left after any point and called again, also by a new pipeline that was given the
    progress of the old one (``save_progress``, ``load_progress``). The best point so far predicts, not the last.
    """

    far_beyond: ClassVar[float] = FAR_BEYOND

    def __init__(self, config: Config, choices: Choices, target: Target, horizon: Horizon, seed: int) -> None:
        self.config = config
        self.choices = choices
        self.target = target
        self.horizon = horizon
        self.seed = seed
        self.budget = 0
        self.best_loss = math.inf
        self.best_predictions: Array | None = None
        """The validation predictions of the best point."""
        self.temperature = 1.0
        """That of the best point, by which probabilities are scaled: members of an ensemble are alike in confidence."""
        self.is_told_whole = False
        """Whether the curve is wanted to its end, also where it is far beyond its best point."""

    @abstractmethod
    def train(self, task: Task, fold: int, most_seconds: float = math.inf) -> Iterator[Point]:
        """Trains up to the full budget, and yields each epoch or step of iterations with its loss on the fold.

        What is far beyond its best point is trained no more, and reaches its further budgets at once. A network whose
        first epochs show that all of them would take longer than ``most_seconds`` has fewer, so that its schedule ends
        in time.
        """

    @property
    @abstractmethod
    def best_share(self) -> float | None:
        """The share of the full budget at which the best point lies; None of a model that does not tell of it."""

    @abstractmethod
    def train_again(self, inputs: Inputs, y: Array) -> Iterator[float]:
        """Trains anew on all of the rows to where the best point was, and yields the share of the way that is done.

        With the same seed, and the learning rates of the same full budget. No row is held out, so where this ends is
        the best point from then on; the temperature stays as it is.
        """

    @property
    def n_parameters(self) -> int | None:
        """The number of values that training changes, of a network that has been built."""
        return None

    def predict(self, inputs: Inputs) -> Array:
        """Predictions of the best point, in the form that ``Target`` describes."""
        if len(inputs) == 0:
            is_classification = self.target.task_type.is_classification
            return np.empty((0, self.target.n_classes) if is_classification else 0)
        raw = self._predict_raw(inputs)
        return scale(raw, self.temperature) if self.target.task_type.is_classification else raw

    def save(self, folder: Path) -> None:
        """Writes what ``predict`` needs, the best point, into an existing folder."""
        self._save_model(folder)
        record = {
            "config": dict(self.config),
            "seed": self.seed,
            "budget": self.budget,
            "temperature": self.temperature,
            "horizon": asdict(self.horizon),
            **self.target.to_json(),
        }
        write_json(folder / "pipeline.json", record)

    def save_progress(self, folder: Path) -> None:
        """Writes what ``train`` needs to go on."""
        assert self.best_predictions is not None
        self._save_progress(folder)
        write_array(folder / "best_predictions.npy", self.best_predictions)
        progress = {"budget": self.budget, "best_loss": self.best_loss, "temperature": self.temperature}
        write_json(folder / "progress.json", progress)

    def load_progress(self, task: Task, fold: int, folder: Path) -> None:
        """Takes what ``save_progress`` wrote."""
        progress = read_json(folder / "progress.json")
        self.budget = int(progress["budget"])
        self.best_loss = float(progress["best_loss"])
        self.temperature = float(progress["temperature"])
        self.best_predictions = read_array(folder / "best_predictions.npy")
        self._load_progress(task, fold, folder)

    @abstractmethod
    def _predict_raw(self, inputs: Inputs) -> Array: ...

    @abstractmethod
    def _save_model(self, folder: Path) -> None: ...

    @abstractmethod
    def _load_model(self, folder: Path) -> None: ...

    @abstractmethod
    def _save_progress(self, folder: Path) -> None: ...

    @abstractmethod
    def _load_progress(self, task: Task, fold: int, folder: Path) -> None: ...

    def _is_far_beyond(self, n_done: int, n_at_best: int, n_full: int) -> bool:
        """Whether a training is so far beyond its best point that it finds no better one, in epochs or iterations."""
        return not self.is_told_whole and n_done > self.far_beyond * n_at_best + n_full / 27

    def _passed(self, n_done: int) -> Point:
        """The point of a further budget that is reached at once, since there is nothing to train."""
        self.budget += 1
        return Point(
            self.budget,
            n_done,
            train_loss=None,
            rung_loss=self.best_loss,
            learning_rate=None,
            training_s=0.0,
            evaluation_s=0.0,
        )

    def _evaluate(self, truth: Truth, predictions: Array) -> tuple[float, bool]:
        """The rung loss, and whether it is the best so far, whose scaled predictions are kept then."""
        loss, temperature = rung_loss(truth.y, predictions, self.target, truth.weights)
        if not loss < self.best_loss:
            return loss, False
        self.best_loss = loss
        self.temperature = temperature
        is_classification = self.target.task_type.is_classification
        self.best_predictions = scale(predictions, temperature) if is_classification else predictions
        return loss, True
