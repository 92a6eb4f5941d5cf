"""How long the models of a run take to predict."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from raytabdl.ensemble import Ensemble
from raytabdl.persistence import reading
from raytabdl.pipeline import Pipeline, load_model
from raytabdl.predictor import Predictor
from raytabdl.quick import with_quick
from raytabdl.run_folder import RunFolder, read_labels
from raytabdl.space import Choices

MOST_CALLS, ENOUGH_SECONDS = 25, 0.1
"""Calls that are timed, after one that is not: fewer where they take longer."""

LONG_SECONDS = 1.0
"""Of a first call: what it may load beside is little of that, and to call again would take as long."""


def median_seconds(work: Callable[[], object]) -> float:
    """What a call takes, in the median of several; the first, which may load something, counts only if it is long."""
    if (first_s := _seconds(work)) >= LONG_SECONDS:
        return first_s
    seconds: list[float] = []
    while len(seconds) < MOST_CALLS and sum(seconds) < ENOUGH_SECONDS:
        seconds.append(_seconds(work))
    return statistics.median(seconds)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Latency(dict[str, float]):
    """The seconds that members of a run take to predict ``n_rows`` encoded rows, each measured when it is asked for.

    The rows are validation rows of the run, again and again where there are fewer. Members are looked up in
    ``choices``.
    """

    def __init__(self, folder: RunFolder, choices: Choices, n_rows: int) -> None:
        super().__init__()
        self.n_rows = n_rows
        self._folder, self._choices = folder, with_quick(choices)
        self._classes, self._target = read_labels(folder.path / "labels.json")
        task = folder.read_task(self._target)
        self._schema = task.schema
        self._inputs = task.inputs.take(np.resize(task.split(0)[1], n_rows))
        self._table = task.schema.decode(self._inputs)

    def __missing__(self, member: str) -> float:
        model = self._load(member)
        # A copy for each call: what models share of the rows would be made by none of those that are timed.
        self[member] = seconds = median_seconds(lambda: model.predict(replace(self._inputs)))
        return seconds

    def of_encoding(self) -> float:
        """What it takes to encode the rows, once for all members."""
        return median_seconds(lambda: self._schema.encode(self._table))

    def of_ensemble(self, ensemble: Ensemble) -> float:
        """What a call of ``predict`` takes, all in all."""
        members = {member: self._load(member) for member in ensemble.weights}
        predictor = Predictor(self._schema, self._target, self._classes, ensemble, members)
        return median_seconds(lambda: predictor.predict(self._table))

    def _load(self, member: str) -> Pipeline:
        with reading(self._folder.model(member)):
            return load_model(self._folder.model(member), self._choices)
