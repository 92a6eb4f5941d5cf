"""What a simulated search is run on: the learning curve of any configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from ConfigSpace import ConfigurationSpace

from raytabdl.component import Config
from raytabdl.search.brackets import Budgets


@dataclass(frozen=True)
class Curve:
    """The loss at each budget, NaN or infinite where training fails, and the seconds from the start to there."""

    losses: Mapping[int, float]
    seconds: Mapping[int, float]


class Benchmark(Protocol):
    """A space, and what becomes of each of its configurations at the rungs of ``budgets``.

    The same configuration has the same curve whenever it is asked for.
    """

    @property
    def space(self) -> ConfigurationSpace: ...

    @property
    def budgets(self) -> Budgets: ...

    def curve(self, config: Config) -> Curve: ...


def generator(seed: int, config: Config) -> np.random.Generator:
    """Random numbers that belong to a configuration."""
    digest = hashlib.sha256(f"{seed}/{sorted(config.items())}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
