"""How to run a fit again, as code and as a command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from raytabdl.inputs import Target
from raytabdl.metrics import CLASSIFICATION, REGRESSION
from raytabdl.presets import PRESETS, preset
from raytabdl.report.facts import Reproduction
from raytabdl.runtime.settings import Settings

_LIKE_DEFAULTS = Settings(
    time_limit=None, n_trials=None, metric=None, seed=0, n_workers=None, gpus_per_trial=None, ensemble_size=25
)
"""Arguments of these values need not be given, but for the time limit."""


def reproduction(
    settings: Settings,
    target: Target,
    column: str | None,
    choices: Mapping[str, str],
    searched: str | None,
    version: str,
    further: Sequence[str] = (),
) -> Reproduction:
    """``column`` is the name of the target, ``searched`` the preset.

    ``choices`` are the classes that were searched by the names of their models, ``further`` the arguments of the fit
    that the run does not hold, such as weights.
    """
    arguments = {
        name: value
        for name, value in asdict(settings).items()
        if name == "time_limit" or value != getattr(_LIKE_DEFAULTS, name)
    }
    notes = []
    if settings.metric is not None and settings.metric not in {**CLASSIFICATION, **REGRESSION}:
        del arguments["metric"]
        further = [*further, f"the metric {settings.metric}"]
    if searched is None:
        notes.append("the search had choices of its own, which are to be given again: " + ", ".join(choices.values()))
    elif searched != "medium":
        arguments["choices"] = searched
    if further:
        notes.append("the fit was given more, which is to be given again: " + ", ".join(further))
    if settings.time_limit is not None:
        notes.append("with a time limit the clock decides what is tried, so two runs differ a little")
    elif settings.n_workers != 1:
        notes.append("with more than one worker the order of results depends on their speed, so two runs may differ")
    notes.append(f"the same versions give the same results; this was raytabdl {version}")
    name = "TabularClassifier" if target.task_type.is_classification else "TabularRegressor"
    has_command = searched == "medium" and not further
    return Reproduction(
        _code(name, arguments, column),
        _command(settings, target, column) if has_command and column is not None else None,
        tuple(notes),
    )


def _code(estimator: str, arguments: Mapping[str, object], column: str | None) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    read = f"y = X.pop({column!r})" if column is not None else 'y = pd.read_csv("target.csv").iloc[:, 0]'
    return "\n".join(
        (
            "import pandas as pd",
            f"from raytabdl import {estimator}",
            "",
            'X = pd.read_csv("table.csv")',
            read,
            f"model = {estimator}({given})",
            "model.fit(X, y)",
        )
    )


def _command(settings: Settings, target: Target, column: str) -> str | None:
    without_option = ("gpus_per_trial", "ensemble_size", "trial_seconds", "trial_time_limit", "trial_memory")
    if any(getattr(settings, name) != getattr(_LIKE_DEFAULTS, name) for name in without_option):
        return None
    options = {
        "--target": column,
        "--task": "classification" if target.task_type.is_classification else "regression",
        "--metric": settings.metric,
        "--time-limit": settings.time_limit,
        "--n-trials": settings.n_trials,
        "--workers": settings.n_workers,
        "--seed": settings.seed,
        "--out": "new-run",
    }
    given = [part for name, value in options.items() if value is not None for part in (name, str(value))]
    return shlex.join(["raytabdl", "fit", "table.csv", *given])


def preset_of(choices: Mapping[str, str]) -> str | None:
    """The preset whose models were searched, as far as their names tell: earlier runs do not know it."""
    for name in ("medium", *PRESETS):
        models = (*preset(name).networks, *preset(name).classic)
        if {model.name: f"{model.__module__}.{model.__qualname__}" for model in models} == dict(choices):
            return name
    return None
