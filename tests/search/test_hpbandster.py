"""hpbandster's generator as one of our samplers."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import Categorical, Configuration, ConfigurationSpace, EqualsCondition, Float

from raytabdl.component import Config
from raytabdl.search.hpbandster import Hpbandster
from raytabdl.search.samplers import Observation

pytest.importorskip("hpbandster")


def make_space() -> ConfigurationSpace:
    space = ConfigurationSpace()
    model, x, kind, y = (
        Categorical("model", ["a", "b"]),
        Float("x", (0.0, 1.0)),
        Categorical("kind", [True, False]),
        Float("y", (1e-3, 1.0), log=True),
    )
    space.add(model, x, kind, y)
    space.add(EqualsCondition(y, model, "b"))
    return space


def run(seed: int, n: int) -> list[Config]:
    sampler = Hpbandster(make_space(), seed)
    configs = []
    for _ in range(n):
        configs.append(sampler.suggest())
        loss = abs(float(configs[-1]["x"]) - 0.3) + (0.5 if configs[-1]["kind"] else 0.0)
        sampler.observe(Observation(configs[-1], 1, loss, 1.0))
    return configs


def test_suggestions_are_legal_plain_and_new_and_the_seed_decides_them() -> None:
    configs = run(0, 30)
    for config in configs:
        Configuration(make_space(), values=dict(config)).check_valid_configuration()
        assert {type(value) for value in config.values()} <= {bool, float, str}
    assert len({frozenset(config.items()) for config in configs}) == 30
    assert run(0, 30) == configs
    assert run(1, 30) != configs


def test_the_global_random_state_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    run(0, 15)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_it_learns() -> None:
    later = run(0, 80)[30:]
    assert np.mean([not config["kind"] for config in later]) > 0.6
    assert np.median([abs(float(config["x"]) - 0.3) for config in later]) < 0.2  # about 0.3 by chance
