"""A classic model on the encoded rows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from raytabdl.component import Config, Horizon
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.persistence import read_json, write_json
from raytabdl.pipeline.base import Pipeline, Point
from raytabdl.pipeline.standard import Standard
from raytabdl.space import ROOT, Choices, arguments, named
from raytabdl.task import Task


class ClassicPipeline(Pipeline):
    """A classic model on the encoded rows; its best point is a number of iterations."""

    def __init__(self, config: Config, choices: Choices, target: Target, horizon: Horizon, seed: int) -> None:
        super().__init__(config, choices, target, horizon, seed)
        cls = named(choices.classic, config[ROOT])
        self.model = cls(target, seed=seed, n_threads=1, **arguments(config, f"classic.{cls.name}"))
        self.standard = Standard()
        self.best_iterations = 0
        self._trained_s = 0.0

    def train(self, task: Task, fold: int, most_seconds: float = math.inf) -> Iterator[Point]:
        train, valid = task.split(fold)
        X, y = task.inputs.take(train), task.y[train]
        X_valid, truth = task.inputs.take(valid), task.truth(fold)
        if not self.target.task_type.is_classification:
            # The boosters keep targets as float32, which has no digits left for small changes of large values.
            self.standard = Standard.of(y, X.weights)
            y = self.standard.standardised(y)
        n_done, n_full = self._iterations(self.budget), self._iterations(self.horizon.max_budget)
        while self.budget < self.horizon.max_budget:
            is_over = self._trained_s >= (self.horizon.seconds or math.inf)
            if is_over or self._is_far_beyond(n_done, self.best_iterations, n_full):
                self.budget += 1
                yield Point(self.budget, n_done, None, self.best_loss, None, 0.0, 0.0)
                continue
            began = time.perf_counter()
            n_done = self._iterations(self.budget + 1)
            self.model.advance(X, y, n_done)
            trained = time.perf_counter()
            self._trained_s += trained - began
            self.budget += 1
            loss, is_best = self._evaluate(truth, self._predictions(X_valid, n_done))
            if is_best:
                self.best_iterations = n_done
            ended = time.perf_counter()
            yield Point(self.budget, n_done, None, loss, None, trained - began, ended - trained)

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
