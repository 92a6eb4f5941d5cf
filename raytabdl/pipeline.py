"""A configuration becomes a fitted predictor: preprocessing, a network or a classic model, and its best state."""

from __future__ import annotations

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from raytabdl.calibration import rung_loss, scale
from raytabdl.component import Config, Horizon, Network
from raytabdl.inputs import Array, Inputs, Target, TaskType
from raytabdl.networks import n_parameters
from raytabdl.persistence import read_array, read_json, write_array, write_json
from raytabdl.preprocessing.imputation import MissingIndicator
from raytabdl.space import ROOT, Choices, arguments, named
from raytabdl.task import Task
from raytabdl.training.loop import Training, TrainingData, classification_loss, predict, regression_loss


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

    @abstractmethod
    def train(self, task: Task, fold: int) -> Iterator[Point]:
        """Trains up to the full budget, and yields each epoch or step of iterations with its loss on the fold."""

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
            "task_type": self.target.task_type.value,
            "n_classes": self.target.n_classes,
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

    def _evaluate(self, y: Array, predictions: Array) -> tuple[float, bool]:
        """The rung loss, and whether it is the best so far, whose scaled predictions are kept then."""
        loss, temperature = rung_loss(y, predictions, self.target)
        if not loss < self.best_loss:
            return loss, False
        self.best_loss = loss
        self.temperature = temperature
        is_classification = self.target.task_type.is_classification
        self.best_predictions = scale(predictions, temperature) if is_classification else predictions
        return loss, True


class ClassicPipeline(Pipeline):
    """A classic model on the encoded rows; its best point is a number of iterations."""

    def __init__(self, config: Config, choices: Choices, target: Target, horizon: Horizon, seed: int) -> None:
        super().__init__(config, choices, target, horizon, seed)
        cls = named(choices.classic, config[ROOT])
        self.model = cls(target, seed=seed, n_threads=1, **arguments(config, f"classic.{cls.name}"))
        self.standard = Standard()
        self.best_iterations = 0

    def train(self, task: Task, fold: int) -> Iterator[Point]:
        train, valid = task.split(fold)
        X, y = task.inputs.take(train), task.y[train]
        X_valid, y_valid = task.inputs.take(valid), task.y[valid]
        if not self.target.task_type.is_classification:
            # The boosters keep targets as float32, which has no digits left for small changes of large values.
            self.standard = Standard.of(y)
            y = self.standard.standardised(y)
        while self.budget < self.horizon.max_budget:
            began = time.perf_counter()
            n_iterations = self.horizon.iterations(type(self.model), self.budget + 1)
            self.model.advance(X, y, n_iterations)
            trained = time.perf_counter()
            self.budget += 1
            loss, is_best = self._evaluate(y_valid, self._predictions(X_valid, n_iterations))
            if is_best:
                self.best_iterations = n_iterations
            ended = time.perf_counter()
            yield Point(self.budget, n_iterations, None, loss, None, trained - began, ended - trained)

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

    def _save_best(self, folder: Path) -> None:
        write_json(folder / "best.json", {"iterations": self.best_iterations, "standard": asdict(self.standard)})

    def _load_progress(self, task: Task, fold: int, folder: Path) -> None:
        self._load_model(folder)


class NetworkPipeline(Pipeline):
    """Scaling, imputation, a network and its training; its best point is a copy of the weights."""

    def __init__(self, config: Config, choices: Choices, target: Target, horizon: Horizon, seed: int) -> None:
        super().__init__(config, choices, target, horizon, seed)
        self._cls = named(choices.networks, config[ROOT])
        self._settings = arguments(config, f"network.{self._cls.name}")
        self.scaler = named(choices.scalers, self._settings["scaler"])()
        self.indicator = MissingIndicator()
        self.standard = Standard()
        self.network: nn.Module | None = None
        self._best_weights: dict[str, Tensor] = {}
        self._training: Training | None = None

    def train(self, task: Task, fold: int) -> Iterator[Point]:
        if self._training is None:
            self._training = self._start(task, fold)
        _, valid = task.split(fold)
        X_valid, y_valid = self._tensors(task.inputs.take(valid)), task.y[valid]
        assert self.network is not None
        for epoch in self._training.epochs():
            began = time.perf_counter()
            loss, is_best = self._evaluate(y_valid, self._predictions(self.network, X_valid))
            if is_best:
                self._keep_weights()
            self.budget = epoch.index * self.horizon.max_budget // self._training.n_epochs
            seconds = time.perf_counter() - began
            yield Point(self.budget, epoch.index, epoch.train_loss, loss, epoch.learning_rate, epoch.seconds, seconds)

    @property
    def n_parameters(self) -> int | None:
        return None if self.network is None else n_parameters(self.network)

    def _predict_raw(self, inputs: Inputs) -> Array:
        assert self.network is not None
        network = self.network
        if self._training is not None:  # which has the network at its last point
            network = copy.deepcopy(network)
            network.load_state_dict(self._best_weights)
        return self._predictions(network, self._tensors(inputs))

    def _save_model(self, folder: Path) -> None:
        tensors = {f"network.{name}": tensor.cpu() for name, tensor in self._best_weights.items()}
        for label, step in (("scaler", self.scaler), ("indicator", self.indicator)):
            tensors |= {f"{label}.{name}": torch.from_numpy(array) for name, array in step.state().items()}
        safetensors.torch.save_file(tensors, folder / "network.safetensors")
        shape = {"d_num": self._d_num, "cardinalities": list(self._cardinalities), **asdict(self.standard)}
        write_json(folder / "network.json", shape)

    def _load_model(self, folder: Path) -> None:
        shape = read_json(folder / "network.json")
        tensors = safetensors.torch.load_file(folder / "network.safetensors")
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "scaler": {}, "indicator": {}}
        for key, tensor in tensors.items():
            label, _, name = key.partition(".")
            parts[label][name] = tensor
        self.scaler.restore({name: tensor.numpy() for name, tensor in parts["scaler"].items()})
        self.indicator.restore({name: tensor.numpy() for name, tensor in parts["indicator"].items()})
        self.standard = Standard(**{field.name: shape[field.name] for field in fields(Standard)})
        self.network = self._new_network(shape["d_num"], tuple(shape["cardinalities"])).to(_device()).eval()
        self.network.load_state_dict(parts["network"])
        self._best_weights = parts["network"]

    def _save_progress(self, folder: Path) -> None:
        assert self._training is not None
        best = {f"best.{name}": tensor for name, tensor in self._best_weights.items()}
        safetensors.torch.save_file({**self._training.state(), **best}, folder / "training.safetensors")

    def _load_progress(self, task: Task, fold: int, folder: Path) -> None:
        tensors = safetensors.torch.load_file(folder / "training.safetensors")
        self._best_weights = {key[5:]: tensor for key, tensor in tensors.items() if key.startswith("best.")}
        self._training = self._start(task, fold)
        self._training.restore({key: tensor for key, tensor in tensors.items() if not key.startswith("best.")})

    def _start(self, task: Task, fold: int) -> Training:
        """Fits the preprocessing on the training part and builds an untrained network."""
        train, _ = task.split(fold)
        X, y = task.inputs.take(train), task.y[train]
        scaled = self.scaler.fit(X.numeric, np.random.default_rng(self.seed)).transform(X.numeric)
        self.indicator.fit(scaled)
        if self.target.task_type.is_classification:
            y_tensor = torch.from_numpy(y.astype(np.int64))
        else:
            self.standard = Standard.of(y)
            y_tensor = torch.from_numpy(self.standard.standardised(y).astype(np.float32))
        x_num, x_cat = self._tensors(X)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = self._new_network(x_num.shape[1], X.cardinalities).to(_device())
            if isinstance(self.network, Network):
                self.network.initialise(x_num, x_cat)
        optimizer = named(self.choices.optimizers, self._settings["optimizer"])
        schedule = named(self.choices.schedules, self._settings["schedule"])
        return Training(
            self.network,
            TrainingData(x_num, x_cat, y_tensor.to(_device())),
            optimizer=optimizer(**arguments(self._settings, f"optimizer.{optimizer.name}")),
            schedule=schedule(**arguments(self._settings, f"schedule.{schedule.name}")),
            loss=classification_loss if self.target.task_type.is_classification else regression_loss,
            batch_size=int(self._settings["batch_size"]),
            n_epochs=min(self.horizon.epochs, self._cls.max_epochs),
            rows_per_epoch=max(2, min(self.horizon.rows_per_epoch, len(y))),
            seed=self.seed,
        )

    def _new_network(self, d_num: int, cardinalities: tuple[int, ...]) -> nn.Module:
        self._d_num, self._cardinalities = d_num, cardinalities
        build: Callable[..., object] = self._cls  # the constructor is torch's to mypy
        known = {*self._cls.space, *self._cls.full_space}
        own = {key: value for key, value in self._settings.items() if key in known}
        network = build(d_num, cardinalities, self.target.d_out, **own)
        assert isinstance(network, nn.Module)
        return network

    def _tensors(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Scaled numbers without missing values, and codes."""
        numbers = self.indicator.transform(self.scaler.transform(inputs.numeric))
        return (
            torch.from_numpy(np.ascontiguousarray(numbers)).to(_device()),
            torch.from_numpy(inputs.categorical.astype(np.int64)).to(_device()),
        )

    def _predictions(self, network: nn.Module, tensors: tuple[Tensor, Tensor]) -> Array:
        outputs = predict(network, *tensors)
        if self.target.task_type.is_classification:
            probabilities = outputs.softmax(dim=-1)
            return (probabilities.mean(dim=1) if outputs.ndim == 3 else probabilities).cpu().numpy()
        return self.standard.value(outputs.flatten(1).mean(dim=1).cpu().numpy())

    def _keep_weights(self) -> None:
        assert self.network is not None
        weights = self.network.state_dict()
        if not self._best_weights:
            self._best_weights = {name: torch.empty_like(tensor) for name, tensor in weights.items()}
        for name, tensor in weights.items():
            self._best_weights[name].copy_(tensor)


@dataclass(frozen=True)
class Standard:
    """The scale of a regression target; predictions are kept within the range seen in training."""

    mean: float = 0.0
    deviation: float = 1.0
    lowest: float = 0.0
    highest: float = 0.0

    @classmethod
    def of(cls, y: Array) -> Standard:
        deviation = float(y.std())
        return cls(float(y.mean()), deviation if deviation > 0 else 1.0, float(y.min()), float(y.max()))

    def standardised(self, y: Array) -> Array:
        return (y - self.mean) / self.deviation

    def value(self, standardised: Array) -> Array:
        return np.clip(standardised.astype(np.float64) * self.deviation + self.mean, self.lowest, self.highest)


def make_pipeline(config: Config, choices: Choices, target: Target, horizon: Horizon, seed: int) -> Pipeline:
    """The untrained pipeline of a configuration."""
    classic = {member.name for member in choices.classic}
    cls = ClassicPipeline if config[ROOT] in classic else NetworkPipeline
    return cls(config, choices, target, horizon, seed)


def load_model(folder: Path, choices: Choices) -> Pipeline:
    """The pipeline that ``save`` wrote; its classes are looked up in the choices, none is imported by name."""
    record: Mapping[str, Any] = read_json(folder / "pipeline.json")
    target = Target(TaskType(record["task_type"]), record["n_classes"])
    pipeline = make_pipeline(record["config"], choices, target, Horizon(**record["horizon"]), record["seed"])
    pipeline._load_model(folder)
    pipeline.budget = record["budget"]
    pipeline.temperature = record["temperature"]
    return pipeline


def _device() -> torch.device:
    """The GPU that Ray assigned, if any; else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
