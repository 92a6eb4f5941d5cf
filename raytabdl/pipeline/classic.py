"""A classic model on the encoded rows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

from raytabdl.component import Classic, Config, Horizon
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.persistence import read_json, write_json
from raytabdl.pipeline.base import Pipeline, Point
from raytabdl.pipeline.standard import Standard
from raytabdl.space import ROOT, Choices, arguments, named
from raytabdl.task import Task

AT_ONCE_SECONDS = 0.25
"""Units of budget that take no longer are trained at once: in 27 steps CatBoost took 1.2 to 1.7 times as long."""

USUAL_HORIZONS = 2
"""Where a training is longer than so many horizons of its model, its best point is looked for at more places."""


class ClassicPipeline(Pipeline):
    """A classic model on the encoded rows; its best point is a number of iterations."""

    far_beyond: ClassVar[float] = 2
    """On 19 tables no booster became better between 2 and 3 times its best number of rounds by more than 0.01 %."""

    def __init__(self, config: Config, choices: Choices, target: Target, horizon: Horizon, seed: int) -> None:
        super().__init__(config, choices, target, horizon, seed)
        self.model = self._new_model()
        self.standard = Standard()
        self.best_iterations = 0
        self._trained_s = 0.0

    def train(self, task: Task, fold: int, most_seconds: float = math.inf) -> Iterator[Point]:
        train, valid = task.split(fold)
        X, y = task.inputs.take(train), task.y[train]
        X_valid, truth = task.inputs.take(valid), task.truth(fold)
        y = self._learned(X, y)
        n_done, n_full = self._iterations(self.budget), self._iterations(self.horizon.max_budget)
        trained_to, unit_s = self.budget, math.inf
        while self.budget < self.horizon.max_budget:
            is_over = self.budget >= trained_to and self._trained_s >= (self.horizon.seconds or math.inf)
            if is_over or self._is_far_beyond(n_done, self.best_iterations, n_full):
                yield self._passed(n_done)
                continue
            began = time.perf_counter()
            if self.budget >= trained_to:
                trained_to = self._next_stop(unit_s)
                self.model.advance(X, y, self._iterations(trained_to))
                trained_s = time.perf_counter() - began
                unit_s = trained_s / (trained_to - self.budget)
                self._trained_s += trained_s
            trained = time.perf_counter()
            self.budget += 1
            n_before, n_done = n_done, self._iterations(self.budget)
            for n_iterations in self._asked(n_before, n_done, n_full):
                loss, is_best = self._evaluate(truth, self._predictions(X_valid, n_iterations))
                if is_best:
                    self.best_iterations = n_iterations
            yield Point(
                self.budget,
                n_done,
                train_loss=None,
                rung_loss=loss,
                learning_rate=None,
                training_s=unit_s,
                evaluation_s=time.perf_counter() - trained,
            )

    def _next_stop(self, unit_s: float) -> int:
        """The budget to train to at once, where each unit takes about so long: no further than the next rung."""
        rung = self.horizon.max_budget
        while rung // 3 > self.budget:
            rung //= 3
        return min(rung, self.budget + max(1, int(AT_ONCE_SECONDS / unit_s)))

    def _asked(self, n_before: int, n_done: int, n_full: int) -> list[int]:
        """The numbers of iterations to predict with: a unit of budget of a long training has several."""
        n_parts = math.ceil(n_full / (USUAL_HORIZONS * self.model.horizon))
        return [n_before + round((n_done - n_before) * part / n_parts) for part in range(1, n_parts + 1)]

    @property
    def best_share(self) -> float:
        return self.best_iterations / self._iterations(self.horizon.max_budget)

    def train_again(self, inputs: Inputs, y: Array) -> Iterator[float]:
        self.model = self._new_model()
        y = self._learned(inputs, y)
        end = next(b for b in range(1, self.horizon.max_budget + 1) if self._iterations(b) >= self.best_iterations)
        self.budget, unit_s = 0, math.inf
        while self.budget < end:
            began, stop = time.perf_counter(), min(self._next_stop(unit_s), end)
            n_done = min(self._iterations(stop), self.best_iterations)
            self.model.advance(inputs, y, n_done)
            unit_s = (time.perf_counter() - began) / (stop - self.budget)
            self.budget = stop
            yield n_done / self.best_iterations

    def _new_model(self) -> Classic:
        cls = named(self.choices.classic, self.config[ROOT])
        return cls(self.target, seed=self.seed, n_threads=1, **arguments(self.config, f"classic.{cls.name}"))

    def _learned(self, X: Inputs, y: Array) -> Array:
        """What the model is handed as the target of training rows, by which predictions are scaled back later."""
        if self.target.task_type.is_classification:
            return y
        # The boosters keep targets as float32, which has no digits left for small changes of large values.
        self.standard = Standard.of(y, X.weights, self.target.error)
        return self.standard.standardised(y)

    def _iterations(self, budget: int) -> int:
        return self.horizon.iterations(type(self.model), budget) if budget else 0

    def _predict_raw(self, inputs: Inputs) -> Array:
        return self._predictions(inputs, self.best_iterations)

    def _predictions(self, inputs: Inputs, n_iterations: int) -> Array:
        predictions = self.model.predict(inputs, n_iterations)
        return predictions if self.target.task_type.is_classification else self.standard.value(predictions)

    def _save_model(self, folder: Path) -> None:
        self.model.save(folder)
        self._save_best(folder)

    def _load_model(self, folder: Path) -> None:
        self.model.load(folder)
        best = read_json(folder / "best.json")
        self.best_iterations = int(best["iterations"])
        self.standard = Standard(**best["standard"])

    def _save_progress(self, folder: Path) -> None:
        self.model.save_progress(folder)
        self._save_best(folder)
        write_json(folder / "course.json", {"trained_s": self._trained_s})

    def _save_best(self, folder: Path) -> None:
        write_json(folder / "best.json", {"iterations": self.best_iterations, "standard": asdict(self.standard)})

    def _load_progress(self, task: Task, fold: int, folder: Path) -> None:
        self._load_model(folder)
        self._trained_s = float(read_json(folder / "course.json")["trained_s"])
