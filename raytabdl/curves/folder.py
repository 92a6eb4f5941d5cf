"""The curves in the folder of a run that makes them, which may still be going."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from raytabdl.curves.benchmark import Benchmark, LearningCurve
from raytabdl.exceptions import CurvesError
from raytabdl.failures import reasons
from raytabdl.lines import read_lines
from raytabdl.persistence import finite

LINES = "curves.jsonl"

N_DIGITS = 7
"""Of the values of a curve: those of the numbers that networks calculate with."""


class CurveFolder(Benchmark):
    """The finished curves of a folder, as of now; configurations that failed are in ``failures``."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / LINES).is_file():
            raise CurvesError(f"{self.path} must hold {LINES}, which raytabdl lcbench run writes; it has no curve yet")
        self._curves: dict[str, dict[str, LearningCurve]] = {}
        self.failures: dict[tuple[str, str], str] = {}
        """The tracebacks, by data set and configuration."""
        for line in read_lines(self.path / LINES):
            if "failure" in line:
                self.failures[line["dataset"], line["id"]] = line["failure"]
                continue
            log = {tag: np.array(values, dtype=np.float64) for tag, values in line["log"].items()}
            results = {name: math.nan if value is None else value for name, value in line["results"].items()}
            self._curves.setdefault(line["dataset"], {})[line["id"]] = LearningCurve(line["config"], log, results)
        if not self._curves:
            raise CurvesError(
                f"{self.path} must hold learning curves, got none; failures: "
                f"{'; '.join(sorted(reasons(self.failures.values()))) or 0}"
            )
        self._curves = {name: _in_order(curves) for name, curves in self._curves.items()}

    @property
    def dataset_names(self) -> tuple[str, ...]:
        return tuple(self._curves)

    def config_ids(self, dataset: str) -> tuple[str, ...]:
        return tuple(self._curves[dataset])

    def _curve(self, dataset: str, config: str) -> LearningCurve:
        return self._curves[dataset][config]

    @property
    def openml_task_ids(self) -> Mapping[str, int]:
        """None: the tables may be parts or changed copies of OpenML's."""
        return {}


def to_line(dataset: str, name: str, curve: LearningCurve) -> dict[str, Any]:
    """A finished curve as a line of the file."""
    return {
        "dataset": dataset,
        "id": name,
        "config": dict(curve.config),
        "log": {tag: [_short(value) for value in values.tolist()] for tag, values in curve.log.items()},
        "results": finite(curve.results),
    }


def _in_order(curves: Mapping[str, LearningCurve]) -> dict[str, LearningCurve]:
    """By number, however they came to an end: "2" before "10", and "2-1", which has another seed, between them."""
    return dict(sorted(curves.items(), key=lambda item: [int(part) for part in item[0].split("-")]))


def _short(value: float) -> float | None:
    return float(f"{value:.{N_DIGITS}g}") if math.isfinite(value) else None
