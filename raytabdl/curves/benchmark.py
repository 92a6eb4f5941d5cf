"""What can be asked of tabulated learning curves, wherever they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.component import Config, ConfigValue
from raytabdl.exceptions import SettingError

PREFIX = "Train/"
"""Before most of LCBench's tags; it may be left out of a question."""

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class LearningCurve:
    """One training: its configuration, a value per epoch of each tag of ``log``, and single values at its end.

    Values begin with epoch 0, before the first update. LCBench's curves of 50 epochs have 52 values: the last repeats.
    """

    config: Config
    log: Mapping[str, Curve]
    results: Mapping[str, ConfigValue]

    def values(self, tag: str) -> NDArray[Any]:
        """The curve of a tag, or a single result, an array without dimensions. Raises SettingError on others."""
        for known in (tag, PREFIX + tag):
            if known in self.log:
                return self.log[known]
            if known in self.results:
                return np.asarray(self.results[known])
        names = [name.removeprefix(PREFIX) for name in (*self.log, *self.results)]
        raise SettingError(f"the tag {_unknown(tag.removeprefix(PREFIX), names)}")


def is_larger_better(tag: str) -> bool:
    """Whether a tag is an accuracy of some kind (``test_result`` is the test accuracy), and not a loss or a time."""
    return "accuracy" in tag or tag.endswith("test_result")


class Benchmark(ABC):
    """Learning curves by data set and configuration: the questions of LCBench's own interface, and tables for analysis.

    Configurations are named "0", "1", ...; an integer will do as well.
    """

    @property
    @abstractmethod
    def dataset_names(self) -> tuple[str, ...]:
        """The data sets, in the order of the file."""

    @abstractmethod
    def config_ids(self, dataset: str) -> tuple[str, ...]:
        """The names of the configurations of a known data set."""

    @abstractmethod
    def _curve(self, dataset: str, config: str) -> LearningCurve:
        """The curve of a known configuration on a known data set."""

    @property
    @abstractmethod
    def openml_task_ids(self) -> Mapping[str, int]:
        """The OpenML task of each data set that has one."""

    def curve(self, dataset: str, config: str | int) -> LearningCurve:
        """One training. Raises SettingError where there is none of that name."""
        self.check_dataset(dataset)
        ids = self.config_ids(dataset)
        if str(config) not in ids:
            raise SettingError(
                f"{dataset} must have the configuration, got {config!r}; it has {len(ids)}: {ids[0]} to {ids[-1]}"
            )
        return self._curve(dataset, str(config))

    def query(self, dataset: str, tag: str, config: str | int) -> NDArray[Any]:
        """The values of a tag, from epoch 0 on, or a single result, an array without dimensions."""
        return self.curve(dataset, config).values(tag)

    def query_best(self, dataset: str, tag: str, position: int = 0) -> tuple[str, float]:
        """The configuration with the best value of a tag anywhere on its curve, and the value; the next for 1, 2, ...

        An accuracy is best where it is largest, anything else where it is smallest. Configurations without a number
        come last.
        """
        sign = -1.0 if is_larger_better(tag) else 1.0
        self.check_dataset(dataset)
        ids = self.config_ids(dataset)
        best = [np.min(_finite(sign * self._curve(dataset, config).values(tag)), initial=np.inf) for config in ids]
        if not 0 <= position < len(ids):
            raise SettingError(f"position must be from 0 to {len(ids) - 1}, got {position=}")
        place = int(np.argsort(best, kind="stable")[position])
        return ids[place], float(sign * best[place])

    def tags(self, dataset: str | None = None) -> tuple[str, ...]:
        """All that can be asked for, of the first configuration with the most tags (deeper networks have more)."""
        dataset = self.dataset_names[0] if dataset is None else dataset
        self.check_dataset(dataset)
        fullest = max((self._curve(dataset, config) for config in self.config_ids(dataset)), key=lambda c: len(c.log))
        return (*fullest.log, *fullest.results)

    def n_configs(self, dataset: str) -> int:
        self.check_dataset(dataset)
        return len(self.config_ids(dataset))

    def config(self, dataset: str, config: str | int) -> Config:
        """The hyperparameters of a configuration."""
        return self.curve(dataset, config).config

    def table(self, tag: str, epoch: int | None = None, datasets: Sequence[str] | None = None) -> pd.DataFrame:
        """The value of a tag after an epoch, by default at the end: a row per configuration, a column per data set.

        NaN where a configuration has no such training, or one that ended before.
        """
        columns = {}
        for dataset in self.dataset_names if datasets is None else datasets:
            self.check_dataset(dataset)
            ids = self.config_ids(dataset)
            columns[dataset] = pd.Series([_after(self._curve(dataset, c).values(tag), epoch) for c in ids], index=ids)
        table = pd.DataFrame(columns)
        if epoch is not None and not table.notna().any(axis=None):
            raise SettingError(f"epoch must be one that a curve reaches, got {epoch=}")
        return table

    def check_dataset(self, dataset: str) -> None:
        """Raises SettingError where there is no data set of that name."""
        if dataset not in self.dataset_names:
            raise SettingError(f"the data set {_unknown(dataset, self.dataset_names)}")


def _after(values: NDArray[Any], epoch: int | None) -> float:
    if values.ndim == 0 or epoch is None:
        return float(values if values.ndim == 0 else values[-1])
    return float(values[epoch]) if 0 <= epoch < len(values) else np.nan


def _finite(values: NDArray[Any]) -> Curve:
    finite: Curve = values[np.isfinite(values)]
    return finite


def _unknown(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"must be one of {', '.join(sorted(known))}, got {name!r}{hint}"
