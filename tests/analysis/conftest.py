from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float

from raytabdl.analysis.study import Study
from raytabdl.component import Config

Loss = Callable[[Config], float]
MakeStudy = Callable[[ConfigurationSpace, Loss, int], Study]


@pytest.fixture
def cube() -> ConfigurationSpace:
    """Three numbers in [0, 1]."""
    space = ConfigurationSpace(seed=0)
    space.add(*(Float(name, (0.0, 1.0)) for name in "xyz"))
    return space


@pytest.fixture
def switched() -> ConfigurationSpace:
    """A switch, and a number that is active where it is on."""
    space = ConfigurationSpace(seed=0)
    switch, x = Categorical("switch", ["off", "on"]), Float("x", (0.0, 1.0))
    space.add(switch, x, EqualsCondition(x, switch, "on"))
    return space


@pytest.fixture
def make_study() -> MakeStudy:
    """Random configurations of a space with their losses."""

    def make(space: ConfigurationSpace, loss: Loss, n: int) -> Study:
        configs = [dict(config) for config in space.sample_configuration(n)]
        return Study.of(space, configs, np.array([loss(config) for config in configs]).tolist())

    return make
