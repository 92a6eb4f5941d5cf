"""hpbandster's own generator of configurations, among our samplers. Needs the extra ``hpbandster``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
from ConfigSpace import ConfigurationSpace

from raytabdl.search.samplers import Observation, Sampler
from raytabdl.search.vectors import Vectors, to_vector


class Hpbandster(Sampler):
    """BOHB as its authors wrote it: one model for all of the space, of the largest budget with enough results.

    It draws from numpy's global random numbers; here from a stream of its own, so that a seed makes it repeatable.
    """

    def __init__(self, space: ConfigurationSpace, seed: int, *, root: str = "model") -> None:
        from hpbandster.optimizers.config_generators.bohb import BOHB

        super().__init__(space, seed, root=root)
        own_space = deepcopy(space)
        own_space.seed(seed)
        self._state = np.random.RandomState(seed).get_state()
        with self._aside():
            self._generator = BOHB(own_space)

    def observe(self, observation: Observation) -> None:
        super().observe(observation)
        kwargs = {"budget": observation.budget, "config": dict(observation.config)}
        job = SimpleNamespace(kwargs=kwargs, result={"loss": observation.loss}, exception=None)
        with self._aside():  # it draws values for what is inactive
            self._generator.new_result(job)

    def _propose(self) -> Vectors:
        with self._aside():
            config, info = self._generator.get_config(None)
        self.origin = "model" if info["model_based_pick"] else "random"
        return to_vector(config, self.space)[None]

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Its random numbers in the place of numpy's, and its many warnings unheard."""
        outside = np.random.get_state()  # noqa: NPY002
        np.random.set_state(self._state)  # noqa: NPY002
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            self._state = np.random.get_state()  # noqa: NPY002
            np.random.set_state(outside)  # noqa: NPY002
