"""Configurations that fill a space evenly."""

from __future__ import annotations

import warnings

import numpy as np
from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace
from scipy.stats import qmc

from raytabdl.component import Config, ConfigValue
from raytabdl.search.vectors import Family, to_config


def space_filling(space: ConfigurationSpace, n: int, seed: int, *, root: str = "model") -> list[Config]:
    """The first ``n`` points of a scrambled Sobol sequence in the hyperparameters of each value of the root.

    Point by point: the first of each family, then the second. A category is the part of [0, 1] that a coordinate falls
    into; what is inactive then is left out, what is forbidden too, and of equal configurations all but the first.
    """
    families = space[root]
    if not isinstance(families, CategoricalHyperparameter):
        raise TypeError(f"root must name a categorical hyperparameter, got {families}")
    points = [_points(space, root, choice, n, seed) for choice in families.choices]
    in_turn = (family[index] for index in range(n) for family in points if index < len(family))
    return list({frozenset(config.items()): config for config in in_turn}.values())


def _points(space: ConfigurationSpace, root: str, choice: ConfigValue, n: int, seed: int) -> list[Config]:
    family = Family(space, root, choice)
    vectors = family.sample(n, np.random.default_rng(seed))  # with what has one value only
    if len(family.columns):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a number that is no power of 2
            coordinates = qmc.Sobol(len(family.columns), rng=seed).random(n)
        n_levels = np.maximum(family.n_levels, 1)
        codes = np.minimum(np.floor(coordinates * n_levels), n_levels - 1)
        vectors[:, family.columns] = np.where(family.n_levels > 0, codes, coordinates)
    return [to_config(vector, space) for vector in family.legal(vectors)]
