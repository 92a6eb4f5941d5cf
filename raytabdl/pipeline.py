"""A configuration becomes a fitted predictor: preprocessing, a network or a classic model, and its best state."""

from __future__ import annotations

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from raytabdl.calibration import rung_loss, scale
from raytabdl.component import Component, Config, Horizon, Network
from raytabdl.inputs import Array, Inputs, Target, TaskType
from raytabdl.members import dimensions
from raytabdl.networks import n_parameters
from raytabdl.persistence import read_array, read_json, write_array, write_json
from raytabdl.preprocessing import FAMILIES, Chosen, FoldCache, Preprocessing
from raytabdl.space import ROOT, Choices, arguments, named
from raytabdl.task import Task
from raytabdl.training import Augmentation, Averaging, Objective, Optimizer, Schedule, Stopping
from raytabdl.training.loop import Training, TrainingData, predict

C = TypeVar("C", bound=Component)


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
    """Preprocessing, a network and its training; its best point is a copy of the weights.

    Pipelines with one ``cache`` share what the steps of preprocessing make of a fold.
    """

    def __init__(
        self,
        config: Config,
        choices: Choices,
        target: Target,
        horizon: Horizon,
        seed: int,
        cache: FoldCache | None = None,
    ) -> None:
        super().__init__(config, choices, target, horizon, seed)
        self._cls = named(choices.networks, config[ROOT])
        self._settings = arguments(config, f"network.{self._cls.name}")
        self.preprocessing = Preprocessing(chosen_steps(choices, self._settings))
        self.standard = Standard()
        self.network: nn.Module | None = None
        self._cache = cache or FoldCache()
        self._best_weights: list[dict[str, Tensor]] = []  # of each network that predicts together: see Averaging
        self._best_epoch = 0
        self._training: Training | None = None

    def train(self, task: Task, fold: int) -> Iterator[Point]:
        if self._training is None:
            self._training = self._start(task, fold)
        prepared = self.preprocessing.prepare(task, fold, self._cache)
        X_valid, y_valid = _as_tensors(prepared.x_num_valid, prepared.x_cat_valid), task.y[task.split(fold)[1]]
        stopping = self._member("stopping", Stopping)
        while self.budget < self.horizon.max_budget:
            if stopping.ends(self._training.n_epochs_done, self._best_epoch):
                self.budget += 1
                yield Point(self.budget, self._training.n_epochs_done, None, self.best_loss, None, 0.0, 0.0)
                continue
            epoch = next(self._training.epochs())
            began = time.perf_counter()
            networks = self._training.predictors()
            loss, is_best = self._evaluate(y_valid, self._predictions(networks, X_valid))
            if is_best:
                self._keep_weights(networks)
                self._best_epoch = epoch.index
            self.budget = epoch.index * self.horizon.max_budget // self._training.n_epochs
            seconds = time.perf_counter() - began
            yield Point(self.budget, epoch.index, epoch.train_loss, loss, epoch.learning_rate, epoch.seconds, seconds)

    @property
    def n_parameters(self) -> int | None:
        return None if self.network is None else n_parameters(self.network)

    def _predict_raw(self, inputs: Inputs) -> Array:
        assert self.network is not None
        networks = [self.network]
        if self._training is not None or len(self._best_weights) > 1:  # a training has its network at its last point
            networks = [copy.deepcopy(self.network) for _ in self._best_weights]
            for network, weights in zip(networks, self._best_weights, strict=True):
                network.load_state_dict(weights)
        return self._predictions(networks, self._tensors(inputs))

    def _save_model(self, folder: Path) -> None:
        tensors = {name: tensor.cpu() for name, tensor in _labelled("network", self._best_weights).items()}
        tensors |= {name: torch.from_numpy(array) for name, array in self.preprocessing.state().items()}
        safetensors.torch.save_file(tensors, folder / "network.safetensors")
        shape = {"d_num": self._d_num, "cardinalities": list(self._cardinalities), **asdict(self.standard)}
        write_json(folder / "network.json", shape)

    def _load_model(self, folder: Path) -> None:
        shape = read_json(folder / "network.json")
        tensors = safetensors.torch.load_file(folder / "network.safetensors")
        self._best_weights = _unlabelled("network", tensors)
        self.preprocessing.restore({k: tensor.numpy() for k, tensor in tensors.items() if not k.startswith("network")})
        self.standard = Standard(**{field.name: shape[field.name] for field in fields(Standard)})
        self.network = self._new_network(shape["d_num"], tuple(shape["cardinalities"])).to(_device()).eval()
        self.network.load_state_dict(self._best_weights[0])

    def _save_progress(self, folder: Path) -> None:
        assert self._training is not None
        best = {**_labelled("best", self._best_weights), "best_epoch": torch.tensor(self._best_epoch)}
        safetensors.torch.save_file({**self._training.state(), **best}, folder / "training.safetensors")

    def _load_progress(self, task: Task, fold: int, folder: Path) -> None:
        tensors = safetensors.torch.load_file(folder / "training.safetensors")
        self._best_weights = _unlabelled("best", tensors)
        self._best_epoch = int(tensors["best_epoch"])
        self._training = self._start(task, fold)
        self._training.restore({key: tensor for key, tensor in tensors.items() if not key.startswith("best")})

    def _start(self, task: Task, fold: int) -> Training:
        """Fits the preprocessing on the training part and builds an untrained network."""
        prepared = self.preprocessing.prepare(task, fold, self._cache)
        y = prepared.y
        if self.target.task_type.is_classification:
            y_tensor = torch.from_numpy(y.astype(np.int64))
        else:
            self.standard = Standard.of(y)
            y_tensor = torch.from_numpy(self.standard.standardised(y).astype(np.float32))
        x_num, x_cat = _as_tensors(prepared.x_num, prepared.x_cat)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = self._new_network(x_num.shape[1], prepared.cardinalities).to(_device())
            if isinstance(self.network, Network):
                self.network.initialise(x_num, x_cat)
        return Training(
            self.network,
            TrainingData(x_num, x_cat, y_tensor.to(_device())),
            optimizer=self._member("optimizer", Optimizer),
            schedule=self._member("schedule", Schedule),
            loss=self._member("objective", Objective).loss(y_tensor),
            augmentation=self._member("augmentation", Augmentation),
            averaging=self._member("averaging", Averaging),
            batch_size=int(self._settings["batch_size"]),
            n_epochs=self.horizon.epochs_of(self._cls),
            rows_per_epoch=max(2, min(self.horizon.rows_per_epoch, len(y))),
            seed=self.seed,
        )

    def _member(self, label: str, family: type[C]) -> C:
        """What the settings name of a family, or its plain member, the family itself."""
        cls = named(self.choices.family(label), self._settings[label]) if label in self._settings else family
        build: Callable[..., object] = cls
        member = build(**arguments(self._settings, f"{label}.{cls.name}"))
        assert isinstance(member, family)
        return member

    def _new_network(self, d_num: int, cardinalities: tuple[int, ...]) -> nn.Module:
        self._d_num, self._cardinalities = d_num, cardinalities
        build: Callable[..., object] = self._cls  # the constructor is torch's to mypy
        own = {key: value for key, value in self._settings.items() if key in dimensions(self._cls)}
        network = build(d_num, cardinalities, self.target.d_out, **own)
        assert isinstance(network, nn.Module)
        return network

    def _tensors(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """New rows as the network is to see them."""
        rows = self.preprocessing.transform(inputs)
        return _as_tensors(rows.numeric, rows.categorical)

    def _predictions(self, networks: Sequence[nn.Module], tensors: tuple[Tensor, Tensor]) -> Array:
        """The mean of what the networks predict, and of the k predictions that each of them may have."""
        outputs = torch.stack([predict(network, *tensors) for network in networks])  # (n_networks, n, [k,] d_out)
        if self.target.task_type.is_classification:
            probabilities = outputs.softmax(dim=-1).mean(dim=0)
            return (probabilities.mean(dim=1) if probabilities.ndim == 3 else probabilities).cpu().numpy()
        return self.standard.value(outputs.mean(dim=0).flatten(1).mean(dim=1).cpu().numpy())

    def _keep_weights(self, networks: Sequence[nn.Module]) -> None:
        weights = [network.state_dict() for network in networks]
        if len(self._best_weights) != len(weights):
            self._best_weights = [{name: torch.empty_like(t) for name, t in own.items()} for own in weights]
        for best, own in zip(self._best_weights, weights, strict=True):
            for name, tensor in own.items():
                best[name].copy_(tensor)


def _labelled(label: str, weights: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of networks under flat names: ``best.output.bias`` of one, ``best-1.output.bias`` of another."""
    labels = [label, *(f"{label}-{i}" for i in range(1, len(weights)))]
    return {f"{own}.{name}": t for own, state in zip(labels, weights, strict=True) for name, t in state.items()}


def _unlabelled(label: str, tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The weights of networks that ``_labelled`` has put among others."""
    weights: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        own, _, name = key.partition(".")
        if own == label or own.startswith(f"{label}-"):
            weights.setdefault(own, {})[name] = tensor
    return [weights[own] for own in sorted(weights)]


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


def make_pipeline(
    config: Config,
    choices: Choices,
    target: Target,
    horizon: Horizon,
    seed: int,
    cache: FoldCache | None = None,
) -> Pipeline:
    """The untrained pipeline of a configuration; ``cache`` holds what others made of the same folds."""
    if config[ROOT] in {member.name for member in choices.classic}:
        return ClassicPipeline(config, choices, target, horizon, seed)
    return NetworkPipeline(config, choices, target, horizon, seed, cache)


def chosen_steps(choices: Choices, settings: Config) -> dict[str, Chosen]:
    """The steps that the settings of a network name, of the package or of the choices, which go before it."""
    chosen = {}
    for label, members in FAMILIES.items():
        if label in settings:
            cls = named((*members, *choices.family(label)), settings[label])
            chosen[label] = Chosen(cls, arguments(settings, f"{label}.{cls.name}"))
    return chosen


def load_model(folder: Path, choices: Choices) -> Pipeline:
    """The pipeline that ``save`` wrote; its classes are looked up in the choices, none is imported by name."""
    record: Mapping[str, Any] = read_json(folder / "pipeline.json")
    target = Target(TaskType(record["task_type"]), record["n_classes"])
    pipeline = make_pipeline(record["config"], choices, target, Horizon(**record["horizon"]), record["seed"])
    pipeline._load_model(folder)
    pipeline.budget = record["budget"]
    pipeline.temperature = record["temperature"]
    return pipeline


def _as_tensors(numbers: NDArray[np.float32], codes: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """The same memory where it can be."""
    return (
        torch.from_numpy(np.ascontiguousarray(numbers)).to(_device()),
        torch.from_numpy(codes.astype(np.int64, copy=False)).to(_device()),
    )


def _device() -> torch.device:
    """The GPU that Ray assigned, if any; else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
