"""Ray's own loggers (TensorBoard, MLflow, Weights & Biases) on the search of a run."""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Callable
from typing import Any

from ray.tune import Callback

from raytabdl.run_folder import RunFolder
from raytabdl.runtime.controller import NotKept
from raytabdl.runtime.trainable import Report

EVENTS = "events.out.tfevents.*"
"""What a logger of TensorBoard writes beside Tune's own files, which a run deletes at its end."""


class GuardedLogger(NotKept, Callback):
    """Hands what happens in a search to a logger, as plain numbers; what the logger raises does not end the run."""

    def __init__(self, logger: Callback) -> None:
        self._logger = logger
        self._n_errors = 0
        self._first_error: Exception | None = None

    def setup(self, *arguments: Any, **info: Any) -> None:
        self._attempt(self._logger.setup, *arguments, **info)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._attempt(self._logger.on_trial_start, iteration, trials, trial, **info)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._attempt(self._logger.on_trial_result, iteration, trials, trial, plain(result), **info)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._attempt(self._logger.on_trial_complete, iteration, trials, trial, **info)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._attempt(self._logger.on_trial_error, iteration, trials, trial, **info)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self._attempt(self._logger.on_experiment_end, trials, **info)

    def warn(self) -> None:
        """Says that the logger raised, where it did; while Tune is at work warnings are not heard."""
        if self._first_error is not None:
            first = self._first_error
            warnings.warn(
                f"the logger {type(self._logger).__name__} raised {self._n_errors} times, which the run went on after; "
                f"the first was {type(first).__name__}: {first}",
                stacklevel=6,
            )

    def _attempt(self, hook: Callable[..., None], *arguments: Any, **info: Any) -> None:
        try:
            hook(*arguments, **info)
        except Exception as error:  # noqa: BLE001  # a server that is gone must not lose the run
            self._n_errors += 1
            self._first_error = self._first_error or error


def plain(result: dict[str, Any]) -> dict[str, Any]:
    """A result of Tune with the numbers of its report, as loggers take them.

    Beside ``rung_loss`` there are the last ``epoch`` and ``train_loss``, and at a rung the scores as ``valid_...``.
    """
    report: Report = result["report"]
    numbers: dict[str, float | None] = {"rung_loss": report.loss, "n_parameters": report.n_parameters}
    if report.points:
        numbers |= {"epoch": report.points[-1].epoch, "train_loss": report.points[-1].train_loss}
    numbers |= {f"valid_{name}": value for name, value in (report.scores or {}).items()}
    kept = {name: value for name, value in result.items() if name not in ("report", "loss")}
    return {**kept, **{name: value for name, value in numbers.items() if value is not None and math.isfinite(value)}}


def keep_events(folder: RunFolder) -> None:
    """Moves what a logger of TensorBoard wrote to ``tensorboard`` in the run folder, a folder for each trial."""
    for file in sorted(folder.tune.glob(f"search/*/{EVENTS}")):
        kept = folder.path / "tensorboard" / file.parent.name
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(file, kept / file.name)
