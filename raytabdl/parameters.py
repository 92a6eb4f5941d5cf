"""The parameters of the estimators: what each may be, and the settings of a run that they make."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from os import PathLike
from typing import Any

import numpy as np

from raytabdl.exceptions import SettingError
from raytabdl.metrics import Metric
from raytabdl.runtime.callbacks import check_callbacks
from raytabdl.runtime.limits import LEAST_GIGABYTES
from raytabdl.runtime.settings import Settings
from raytabdl.scorers import metric_name
from raytabdl.search.portfolio import Portfolio
from raytabdl.space import Choices


def checked_settings(estimator: Any) -> Settings:
    """The settings of a fit. Raises SettingError where a parameter of the estimator is not a value that it can have."""
    limit, n_trials = estimator.time_limit, estimator.n_trials
    if limit is None and n_trials is None:
        raise SettingError("time_limit and n_trials are both None: give seconds or a number of trials")
    for name, kinds, wanted in _OBJECTS:
        value = getattr(estimator, name)
        if not (value is None or isinstance(value, kinds) or (name == "metric" and callable(value))):
            raise SettingError(f"{name} must be {wanted}, or None; got {value!r}")
    categorical = estimator.categorical
    if categorical is not None and (isinstance(categorical, (str, bytes)) or not isinstance(categorical, Iterable)):
        raise SettingError(f"categorical must be a list of names of columns, or None; got {categorical!r}")
    if estimator.sampler is not None and not callable(estimator.sampler):
        raise SettingError(
            "sampler must be a class of raytabdl.search.samplers, or what else makes a Sampler of a space and a seed, "
            f"or None; got {estimator.sampler!r}"
        )
    check_callbacks(estimator.callbacks)
    return Settings(
        time_limit=None if limit is None else _seconds("time_limit", limit, "for no limit give n_trials and None"),
        n_trials=None if n_trials is None else count("n_trials", n_trials, least=1),
        metric=metric_name(estimator.metric),
        seed=count("seed", estimator.seed, least=0),
        n_workers=None if estimator.n_workers is None else count("n_workers", estimator.n_workers, least=1),
        gpus_per_trial=None if estimator.gpus_per_trial is None else _gpus(estimator.gpus_per_trial),
        ensemble_size=count("ensemble_size", estimator.ensemble_size, least=1),
        trial_seconds=optional_seconds("trial_seconds", estimator.trial_seconds),
        trial_time_limit=optional_seconds("trial_time_limit", estimator.trial_time_limit),
        trial_memory=None if estimator.trial_memory is None else _gigabytes(estimator.trial_memory),
    )


_OBJECTS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("metric", (str, Metric), "the name of a metric, a Metric, a scorer of scikit-learn or a function"),
    ("choices", (str, Choices), "the name of a preset or a Choices"),
    ("portfolio", (Portfolio, str, PathLike), "a Portfolio, the path of one, or that of a run"),
    ("run_folder", (str, PathLike), "a path"),
    ("progress", (bool,), "True or False"),
)
"""The parameters that are objects: their types, in words too."""


def _seconds(name: str, value: Any, way_out: str) -> float:
    if not _is_number(value):
        raise SettingError(f"{name} must be a number of seconds, got {value!r}")
    if not (math.isfinite(value) and value > 0):
        raise SettingError(f"{name} must be positive and finite, got {value!r}; {way_out}")
    return float(value)


def optional_seconds(name: str, value: Any) -> float | None:
    """A limit of seconds, or None for no limit. Raises SettingError where it is neither."""
    return None if value is None else _seconds(name, value, "for no limit give None")


def _gigabytes(value: Any) -> float:
    if sys.platform != "linux":
        raise SettingError("trial_memory must be None here: the memory of a worker is watched on Linux only")
    if not (_is_number(value) and math.isfinite(value) and value >= LEAST_GIGABYTES):
        raise SettingError(
            f"trial_memory must be a number of gigabytes of at least {LEAST_GIGABYTES}, of which a worker takes 0.3 "
            f"before it trains, got {value!r}; for no limit give None"
        )
    return float(value)


def count(name: str, value: Any, least: int) -> int:
    """A number of things. Raises SettingError where it is no integer, or too small."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SettingError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _gpus(value: Any) -> float:
    if not (_is_number(value) and math.isfinite(value) and value >= 0):
        raise SettingError(f"gpus_per_trial must be a number of at least 0, got {value!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
