"""A network, with the preprocessing before it and its training."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from raytabdl.component import Component, Config, Horizon, Network, on_rungs
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.members import dimensions
from raytabdl.networks import n_parameters
from raytabdl.persistence import read_arrays, read_json, write_json
from raytabdl.pipeline.base import Pipeline, Point
from raytabdl.pipeline.standard import Standard
from raytabdl.preprocessing import FAMILIES, Chosen, FoldCache, Preprocessing
from raytabdl.preprocessing.chain import Prepared
from raytabdl.space import ROOT, Choices, arguments, named
from raytabdl.task import Task
from raytabdl.training import Augmentation, Averaging, Objective, Optimizer, Schedule, Stopping
from raytabdl.training.loop import Epoch, Training, TrainingData, predict

C = TypeVar("C", bound=Component)

N_TIMED_EPOCHS = 2
"""After so many, the fastest of which is typical, a network learns how many it has time for."""


@dataclass(frozen=True)
class Course:
    """How a network was trained to its best point: by ``best_epoch`` epochs of a schedule over ``n_epochs``.

    ``rows_share`` is the share of the rows of its training part that an epoch had.
    """

    best_epoch: int
    n_epochs: int
    rows_share: float


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
        self._together: tuple[nn.Module, ...] = ()  # of a model that was loaded
        self._loaded_course: Course | None = None  # of the same; none where 0.1 has written it
        self._training: Training | None = None
        self.last_epoch: Epoch | None = None
        """The last epoch that this pipeline has trained."""

    def begin(self, task: Task, fold: int, *, with_gradients: bool = False) -> None:
        """Makes the network ready for its first step, which ``train`` does unless it was done."""
        self._training = self._start(task, fold, with_gradients)

    def train(self, task: Task, fold: int, most_seconds: float = math.inf) -> Iterator[Point]:
        if self._training is None:
            self.begin(task, fold)
        assert self._training is not None
        prepared = self.preprocessing.prepare(task, fold, self._cache)
        X_valid, truth = _as_tensors(prepared.x_num_valid, prepared.x_cat_valid), task.truth(fold)
        stopping = self._member("stopping", Stopping)
        most_seconds = min(most_seconds, self.horizon.seconds or math.inf)
        fastest = math.inf
        while self.budget < self.horizon.max_budget:
            n_done, n_epochs = self._training.n_epochs_done, self._training.n_epochs
            if stopping.ends(n_done, self._best_epoch) or self._is_far_beyond(n_done, self._best_epoch, n_epochs):
                yield self._passed(n_done)
                continue
            self.last_epoch = epoch = next(self._training.epochs())
            began = time.perf_counter()
            networks = self._training.predictors()
            loss, is_best = self._evaluate(truth, self._predictions(networks, X_valid))
            if is_best:
                self._keep_weights(networks)
                self._best_epoch = epoch.index
            seconds = time.perf_counter() - began
            fastest = min(fastest, epoch.seconds + seconds)
            if epoch.index == N_TIMED_EPOCHS and most_seconds < fastest * self._training.n_epochs:
                self._training.shorten(min(self._training.n_epochs, on_rungs(most_seconds / fastest)))
            self.budget = epoch.index * self.horizon.max_budget // self._training.n_epochs
            yield Point(
                self.budget,
                epoch.index,
                train_loss=epoch.train_loss,
                rung_loss=loss,
                learning_rate=epoch.learning_rate,
                training_s=epoch.seconds,
                evaluation_s=seconds,
            )

    @property
    def course(self) -> Course | None:
        """How it was trained to its best point; None where it was not, and of models that tell nothing of it."""
        training = self._training
        if training is None:
            return self._loaded_course
        return Course(self._best_epoch, training.n_epochs, sum(training.batch_sizes) / len(training.data))

    @property
    def best_share(self) -> float | None:
        course = self.course
        return None if course is None else course.best_epoch / course.n_epochs

    def train_again(self, inputs: Inputs, y: Array) -> Iterator[float]:
        course = self.course
        assert course is not None
        self.preprocessing = Preprocessing(chosen_steps(self.choices, self._settings))
        prepared = self.preprocessing.prepare_all(inputs, y, self.target, self.seed)
        # As many passes over the rows, which are more: as boosters see all of them in each round.
        rows_per_epoch = round(course.rows_share * len(prepared.y))
        # A network that was short of time began with the schedule of more epochs, for two of them.
        self._training = self._begun(prepared, course.n_epochs, rows_per_epoch)
        self._best_weights, self._together = [], ()  # these may have had other shapes
        self._best_epoch = course.best_epoch
        self.budget = course.best_epoch * self.horizon.max_budget // course.n_epochs
        for epoch in islice(self._training.epochs(), course.best_epoch):
            self.last_epoch = epoch
            if epoch.index == course.best_epoch:
                self._keep_weights(self._training.predictors())
            yield epoch.index / course.best_epoch

    @property
    def n_parameters(self) -> int | None:
        return None if self.network is None else n_parameters(self.network)

    def predict_now(self, inputs: Inputs) -> Array:
        """Predictions of the last point of a training, as they come: ``predict`` gives those of the best one."""
        assert self._training is not None
        return self._predictions(self._training.predictors(), self._tensors(inputs))

    def networks(self) -> tuple[nn.Module, ...]:
        """The modules whose predictions are averaged, mostly one, with the weights of the best point.

        Each maps what ``preprocessing`` makes of rows: (n, d_num) float32 and (n, d_cat) int64.
        """
        assert self.network is not None
        if self._training is None and len(self._best_weights) == 1:
            return (self.network,)
        if self._training is not None or not self._together:  # a training has its network at its last point
            together = tuple(copy.deepcopy(self.network).eval() for _ in self._best_weights)
            for network, weights in zip(together, self._best_weights, strict=True):
                network.load_state_dict(weights)
            if self._training is not None:
                return together
            self._together = together
        return self._together

    def _predict_raw(self, inputs: Inputs) -> Array:
        return self._predictions(self.networks(), self._tensors(inputs))

    def _save_model(self, folder: Path) -> None:
        tensors = {name: tensor.cpu() for name, tensor in _labelled("network", self._best_weights).items()}
        tensors |= {name: torch.from_numpy(array) for name, array in self.preprocessing.state().items()}
        safetensors.torch.save_file(tensors, folder / "network.safetensors")
        course = self.course
        shape = {"d_num": self._d_num, "cardinalities": list(self._cardinalities), **asdict(self.standard)}
        write_json(folder / "network.json", {**shape, "course": None if course is None else asdict(course)})

    def _load_model(self, folder: Path) -> None:
        shape = read_json(folder / "network.json")
        arrays = read_arrays(folder / "network.safetensors")
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if name.startswith("network")}
        self._best_weights = _unlabelled("network", tensors)
        self.preprocessing.restore({k: array for k, array in arrays.items() if not k.startswith("network")})
        known = {field.name for field in fields(Standard)}
        self.standard = Standard(**{name: value for name, value in shape.items() if name in known})
        course = shape.get("course")
        self._loaded_course = None if course is None else Course(**course)
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

    def _start(self, task: Task, fold: int, with_gradients: bool = False) -> Training:
        """Fits the preprocessing on the training part and builds an untrained network."""
        prepared = self.preprocessing.prepare(task, fold, self._cache)
        rows_per_epoch = min(self.horizon.rows_per_epoch, len(prepared.y))
        return self._begun(prepared, self.horizon.epochs_of(self._cls), rows_per_epoch, with_gradients)

    def _begun(self, prepared: Prepared, n_epochs: int, rows_per_epoch: int, with_gradients: bool = False) -> Training:
        """The training of an untrained network, before its first step."""
        y, weights = prepared.y, None
        if prepared.weights is not None:
            mean = prepared.weights.mean()  # losses stay as large as without weights
            weights = torch.from_numpy((prepared.weights / mean).astype(np.float32)).to(_device())
        if self.target.task_type.is_classification:
            y_tensor = torch.from_numpy(y.astype(np.int64)).to(_device())
        else:
            self.standard = Standard.of(y, prepared.weights, self.target.error)
            y_tensor = torch.from_numpy(self.standard.standardised(y).astype(np.float32)).to(_device())
        x_num, x_cat = _as_tensors(prepared.x_num, prepared.x_cat)
        objective = self._member("objective", Objective)
        objective.error = self.target.error
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = self._new_network(x_num.shape[1], prepared.cardinalities).to(_device())
            if isinstance(self.network, Network):
                self.network.initialise(x_num, x_cat)
        return Training(
            self.network,
            TrainingData(x_num, x_cat, y_tensor, weights),
            optimizer=self._member("optimizer", Optimizer),
            schedule=self._member("schedule", Schedule),
            loss=objective.loss(y_tensor, weights),
            augmentation=self._member("augmentation", Augmentation),
            averaging=self._member("averaging", Averaging),
            batch_size=int(self._settings["batch_size"]),
            n_epochs=n_epochs,
            rows_per_epoch=max(2, rows_per_epoch),
            seed=self.seed,
            with_gradients=with_gradients,
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


def chosen_steps(choices: Choices, settings: Config) -> dict[str, Chosen]:
    """The steps that the settings of a network name, of the package or of the choices, which go before it."""
    chosen = {}
    for label, members in FAMILIES.items():
        if label in settings:
            cls = named((*members, *choices.family(label)), settings[label])
            chosen[label] = Chosen(cls, arguments(settings, f"{label}.{cls.name}"))
    return chosen


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


def _as_tensors(numbers: NDArray[np.float32], codes: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """The same memory where it can be."""
    device = _device()
    return (
        torch.from_numpy(np.ascontiguousarray(numbers)).to(device),
        torch.from_numpy(codes.astype(np.int64, copy=False)).to(device),
    )


def _device() -> torch.device:
    """The GPU that Ray assigned, if any; else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
