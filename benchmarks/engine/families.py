"""The surrogate as a search among families: networks of each depth have hyperparameters of their own."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition

from benchmarks.engine.cells import Start
from benchmarks.engine.systems import search
from raytabdl.component import Config
from raytabdl.search.samplers import Sampler
from raytabdl.simulation.engine import Job, Optimizer
from raytabdl.simulation.surrogate import LCBenchSurrogate

DEPTHS = ("1", "2", "3", "4")


def by_depth(make: Callable[[ConfigurationSpace, int], Sampler]) -> Start:
    """Our search over 24 hyperparameters, six of them active; the depths differ in loss and in seconds."""

    def start(b: LCBenchSurrogate, seed: int, n_workers: int, portfolio: list[Config]) -> Optimizer:
        return ByDepth(search(b, make(space_by_depth(b.space), seed), []))

    return start


def space_by_depth(space: ConfigurationSpace) -> ConfigurationSpace:
    split = ConfigurationSpace()
    model = Categorical("model", DEPTHS)
    split.add(model, Categorical("everything", ["one"]))  # the root of a model of the whole space
    for depth in DEPTHS:
        for name in space:
            if name not in ("model", "num_layers"):
                own = copy(space[name])
                own.name = f"{depth}.{name}"
                split.add(own, EqualsCondition(own, model, depth))
    return split


class ByDepth:
    """Hands on what an optimizer suggests in the space by depth, as configurations of the surrogate."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._jobs: dict[str, Job] = {}

    def next(self) -> Job | None:
        return self._handed_on(self._optimizer.next())

    def report(self, job: Job, loss: float, seconds: float) -> Job | None:
        return self._handed_on(self._optimizer.report(self._jobs[job.trial_id], loss, seconds))

    def _handed_on(self, job: Job | None) -> Job | None:
        if job is None:
            return None
        self._jobs[job.trial_id] = job
        depth = str(job.config["model"])
        own = {name.removeprefix(f"{depth}."): value for name, value in job.config.items() if name.startswith(depth)}
        return replace(job, config={"model": "mlp", "num_layers": int(depth), **own})
