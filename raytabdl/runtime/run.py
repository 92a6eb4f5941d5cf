"""A run: what it works on, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raytabdl.clock import Clock
from raytabdl.history import History
from raytabdl.metrics import Metric
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.settings import Settings
from raytabdl.search.brackets import Occupancy
from raytabdl.search.portfolio import Portfolio
from raytabdl.search.samplers import MakeSampler
from raytabdl.space import Choices
from raytabdl.task import Task


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for who watches it."""

    stage: str
    clock: Clock
    history: History
    n_running: int
    ensemble_loss: float | None
    metric: Metric
    rungs: Mapping[int, Occupancy] = field(default_factory=dict)


Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Run:
    """What ``execute`` works on."""

    settings: Settings
    folder: RunFolder
    task: Task
    choices: Choices
    portfolio: Portfolio
    metric: Metric
    clock: Clock
    loggers: tuple[Any, ...] = ()
    """Ray's own, as ``ray.tune.Callback``; this module does without Ray, which takes a second to import."""
    sampler: MakeSampler | None = None
    """What suggests configurations after the portfolio; None is BOHB."""
