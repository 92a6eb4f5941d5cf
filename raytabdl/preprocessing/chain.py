"""The steps of a configuration as one: fitted on the training part of a fold, saved with the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import raytabdl
from raytabdl.component import Component, ConfigValue
from raytabdl.inputs import Array, Inputs, Target, Weights
from raytabdl.preprocessing.cache import FoldCache
from raytabdl.preprocessing.categorical import AllLevels
from raytabdl.preprocessing.encode import Codes, Encoder
from raytabdl.preprocessing.imputation import ZeroImputer
from raytabdl.preprocessing.reduction import Keep
from raytabdl.preprocessing.resampling import NoResampling, Resampler
from raytabdl.preprocessing.scaling import RobustScaler, Scaler, Scaling
from raytabdl.preprocessing.step import Step
from raytabdl.task import Task

DEFAULTS: Mapping[str, type[Component]] = {
    "levels": AllLevels,
    "encoder": Codes,
    "scaler": RobustScaler,
    "imputer": ZeroImputer,
    "features": Keep,
    "resampler": NoResampling,
}
"""The member of each family that a configuration has which does not name one; all but the scaler change nothing."""


@dataclass(frozen=True)
class Chosen:
    """A member of a family with the arguments that a configuration has for it."""

    cls: type[Component]
    arguments: Mapping[str, ConfigValue]

    def build(self) -> object:
        build: Callable[..., object] = self.cls
        return build(**self.arguments)


@dataclass(frozen=True)
class Prepared:
    """A fold as a network is handed it: numbers (float32) and codes (int64) of training and validation rows.

    The training rows are resampled and have their targets, and their weights (float64) where rows are weighted. The
    arrays may be mapped from a file: leave them unchanged.
    """

    x_num: NDArray[np.float32]
    x_cat: NDArray[np.int64]
    y: Array
    x_num_valid: NDArray[np.float32]
    x_cat_valid: NDArray[np.int64]
    cardinalities: tuple[int, ...]
    weights: Weights = None


class Preprocessing:
    """Merges levels, encodes, scales, imputes, and makes features, each by the member that was chosen.

    ``chosen`` names a member for some of the families in ``DEFAULTS``. Training rows are resampled at last.
    """

    def __init__(self, chosen: Mapping[str, Chosen]) -> None:
        self._chosen = {label: chosen.get(label, Chosen(cls, {})) for label, cls in DEFAULTS.items()}
        built = {label: member.build() for label, member in self._chosen.items()}
        encoder, scaler, resampler = built["encoder"], built["scaler"], built["resampler"]
        assert isinstance(encoder, Encoder) and isinstance(scaler, Scaler) and isinstance(resampler, Resampler)
        steps = {**built, "scaler": Scaling(scaler)}
        order = ("encoder", "scaler", "imputer") if encoder.is_scaled else ("scaler", "imputer", "encoder")
        self._steps = {label: _step(steps[label]) for label in ("levels", *order, "features")}
        self._resampler = resampler

    @property
    def steps(self) -> tuple[Step, ...]:
        """Those that map rows, in the order in which they do."""
        return tuple(self._steps.values())

    def fit_resample(self, X: Inputs, y: Array, target: Target, seed: int) -> tuple[Inputs, Array]:
        """Fits every step on a training part, and gives what a network is to be trained on."""
        weights = X.weights
        for index, step in enumerate(self._steps.values()):
            X = step.fit_transform(X, y, target, np.random.default_rng([seed, index]))
        X = replace(X, weights=weights)  # a step of the user's own may know nothing of them
        return self._resampler.resample(X, y, target, np.random.default_rng([seed, len(self._steps)]))

    def transform(self, X: Inputs) -> Inputs:
        """Other rows as a network is to see them: finite numbers, and codes."""
        for step in self._steps.values():
            X = step.transform(X)
        return X

    def state(self) -> dict[str, NDArray[Any]]:
        """The fitted arrays of all steps, under flat names, in the order of memory that files have."""
        return {
            f"{_saved_as(label)}.{name}": np.ascontiguousarray(array)
            for label, step in self._steps.items()
            for name, array in step.state().items()
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Takes what ``state`` gave in a chain of the same members; names of other things may be among it."""
        for label, step in self._steps.items():
            start = f"{_saved_as(label)}."
            step.restore({key.removeprefix(start): array for key, array in state.items() if key.startswith(start)})

    def prepare(self, task: Task, fold: int, cache: FoldCache) -> Prepared:
        """Fits the steps on a fold and maps its rows, or takes both from the cache."""
        key = _hash(raytabdl.__version__, self._identity(fold), task.content)
        # What is random in the steps follows from them too, and not from the trial: trials share it.
        seed = int(_hash(self._identity(fold))[:15], 16)
        arrays = cache.arrays(key, lambda: self._prepared(task, fold, seed))
        self.restore({name.removeprefix("state."): a for name, a in arrays.items() if name.startswith("state.")})
        return Prepared(
            arrays["x_num"],
            arrays["x_cat"],
            arrays["y"],
            arrays["x_num_valid"],
            arrays["x_cat_valid"],
            tuple(arrays["cardinalities"].tolist()),
            arrays.get("weights"),
        )

    def prepare_all(self, inputs: Inputs, y: Array, target: Target, seed: int) -> Prepared:
        """Fits the steps on all of the rows and maps them; none are left to validate by."""
        X, y = self.fit_resample(inputs, y, target, seed)
        codes = X.categorical.astype(np.int64)
        return Prepared(X.numeric, codes, y, X.numeric[:0], codes[:0], X.cardinalities, X.weights)

    def _prepared(self, task: Task, fold: int, seed: int) -> dict[str, NDArray[Any]]:
        train, valid = task.split(fold)
        X, y = self.fit_resample(task.inputs.take(train), task.y[train], task.target, seed)
        X_valid = self.transform(task.inputs.take(valid))
        return {
            "x_num": X.numeric,
            "x_cat": X.categorical.astype(np.int64),
            "y": y,
            "x_num_valid": X_valid.numeric,
            "x_cat_valid": X_valid.categorical.astype(np.int64),
            "cardinalities": np.array(X.cardinalities, np.int64),
            **({} if X.weights is None else {"weights": X.weights}),
            **{f"state.{name}": array for name, array in self.state().items()},
        }

    def _identity(self, fold: int) -> str:
        """The members with their arguments, and the fold."""
        members = {
            label: [member.cls.__module__, member.cls.__qualname__, dict(member.arguments)]
            for label, member in self._chosen.items()
        }
        return json.dumps([members, fold], sort_keys=True)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _step(built: object) -> Step:
    assert isinstance(built, Step)
    return built


def _saved_as(label: str) -> str:
    """Version 0.1 had an indicator of missing numbers in the place of imputers, and its models are still read."""
    return "indicator" if label == "imputer" else label
