"""Configurations as ConfigSpace's vectors: values in [0, 1], category codes, NaN where inactive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ConfigSpace import (
    CategoricalHyperparameter,
    Configuration,
    ConfigurationSpace,
    Constant,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)
from ConfigSpace.conditions import AndConjunction, Condition, Conjunction
from ConfigSpace.hyperparameters import Hyperparameter
from numpy.typing import NDArray

from raytabdl.component import Config, ConfigValue

Vectors = NDArray[np.float64]


def to_vector(config: Config, space: ConfigurationSpace) -> Vectors:
    """The vector of a configuration that is legal in the space."""
    vector: Vectors = Configuration(space, values=dict(config)).get_array()
    return vector


def to_vectors(configs: Sequence[Config], space: ConfigurationSpace) -> Vectors:
    """The vectors of many configurations, shape (n, len(space)), by columns: conditions are not looked at.

    A name that is absent is inactive. Numbers out of range are clipped, names that the space lacks are left out.
    Raises ValueError where a choice has no such value.
    """
    vectors = np.full((len(configs), len(space)), np.nan)
    for index, name in enumerate(space.at):
        rows = [row for row, config in enumerate(configs) if name in config]
        hyperparameter, values = space[name], [configs[row][name] for row in rows]
        if isinstance(hyperparameter, CategoricalHyperparameter | Constant):
            unknown = next((value for value in values if not hyperparameter.legal_value(value)), None)
            if unknown is not None:
                raise ValueError(
                    f"{name} must be a value of the space, got {unknown!r}; the space has {hyperparameter}"
                )
            vectors[rows, index] = [hyperparameter.to_vector(value) for value in values]
        elif isinstance(hyperparameter, UniformFloatHyperparameter | UniformIntegerHyperparameter):
            clipped = np.clip(np.array(values, dtype=float), hyperparameter.lower, hyperparameter.upper)
            vectors[rows, index] = hyperparameter.to_vector(clipped)
        else:
            raise _unknown(hyperparameter)
    return vectors


def to_config(vector: Vectors, space: ConfigurationSpace) -> dict[str, ConfigValue]:
    """The active values of a vector, as plain Python values (ConfigSpace hands out numpy scalars)."""
    return {
        name: _plain_value(space[name], value)
        for name, value in zip(space.at, vector.tolist(), strict=True)
        if not np.isnan(value)
    }


def _plain_value(hyperparameter: Hyperparameter[Any, Any], value: float) -> ConfigValue:
    match hyperparameter:
        case CategoricalHyperparameter():
            plain: ConfigValue = hyperparameter.choices[int(value)]
        case Constant():
            plain = hyperparameter.value
        case UniformIntegerHyperparameter():
            plain = int(hyperparameter.to_value(value))
        case UniformFloatHyperparameter():  # the way back from a log may end an ulp out of range
            plain = min(max(float(hyperparameter.to_value(value)), hyperparameter.lower), hyperparameter.upper)
        case _:
            raise _unknown(hyperparameter)
    return plain


class Family:
    """The part of a space that can be active under one value of its root hyperparameter.

    ``columns`` are the places of the family's hyperparameters in a vector, without the root and without what
    has one value only; ``n_levels`` their numbers of categories, 0 for a number.
    """

    def __init__(self, space: ConfigurationSpace, root: str, choice: ConfigValue) -> None:
        self._space = space
        self._root = space.index_of[root]
        self._code = float(space[root].to_vector(choice))
        self._members = _reachable(space, root, choice)
        varied = [name for name in self._members if n_levels(space[name]) != 1]
        self.columns = np.array([space.index_of[name] for name in varied], dtype=np.int64)
        self.n_levels = np.array([n_levels(space[name]) for name in varied], dtype=np.int64)

    def sample(self, n: int, rng: np.random.Generator) -> Vectors:
        """Draws from the space's own distribution, shape (n, len(space)), not yet made legal."""
        # One stream of random numbers: ConfigSpace wants the older interface to the same bit generator.
        random_state = np.random.RandomState(rng.bit_generator)
        vectors = np.full((n, len(self._space)), np.nan)
        for name in self._members:
            vectors[:, self._space.index_of[name]] = self._space[name].sample_vector(n, seed=random_state)
        vectors[:, self._root] = self._code
        return vectors

    def legal(self, vectors: Vectors) -> Vectors:
        """The vectors with numbers on their grid and inactive values removed, without those that are forbidden."""
        columns = vectors.T.copy()  # one row for each hyperparameter, as ConfigSpace has it
        for name in self._members:  # parents stand before their children
            index, hyperparameter = self._space.index_of[name], self._space[name]
            if isinstance(hyperparameter, UniformIntegerHyperparameter):
                columns[index] = hyperparameter.to_vector(hyperparameter.to_value(columns[index]))
            for condition in self._space.parent_conditions_of[name]:
                columns[index, ~condition.satisfied_by_vector_array(columns)] = np.nan
        forbidden = np.zeros(columns.shape[1], dtype=bool)
        for clause in self._space.forbidden_clauses:
            forbidden |= clause.is_forbidden_vector_array(columns)
        legal: Vectors = columns[:, ~forbidden].T
        return legal


def n_levels(hyperparameter: Hyperparameter[Any, Any]) -> int:
    """The number of categories, 1 for a constant, 0 for a number."""
    match hyperparameter:
        case CategoricalHyperparameter() | Constant():
            return int(hyperparameter.size)
        case UniformFloatHyperparameter() | UniformIntegerHyperparameter():
            return 0
        case _:
            raise _unknown(hyperparameter)


def _unknown(hyperparameter: Hyperparameter[Any, Any]) -> TypeError:
    return TypeError(f"a hyperparameter must be a uniform number, a category or a constant, got {hyperparameter}")


def _reachable(space: ConfigurationSpace, root: str, choice: ConfigValue) -> list[str]:
    """Hyperparameters that can be active where the root has this value, parents first."""
    reachable: list[str] = []
    values = {root: choice}

    def may_hold(condition: Condition | Conjunction) -> bool:
        if isinstance(condition, Conjunction):
            holds = all if isinstance(condition, AndConjunction) else any
            return holds(may_hold(component) for component in condition.components)
        if condition.parent.name == root:
            return condition.satisfied_by_value(values)
        return condition.parent.name in reachable

    for name in space.at:
        if name != root and all(may_hold(condition) for condition in space.parent_conditions_of[name]):
            reachable.append(name)
    return reachable
