"""GPUs that Ray has assigned to trials and torch does not see."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from ray.tune import Callback

from raytabdl.runtime.controller import NotKept


def is_unseen(assigned: Sequence[int | str]) -> bool:
    """Whether this worker was given a GPU that its torch cannot use: its trials are trained on the CPU."""
    return bool(assigned) and not torch.cuda.is_available()


class UnseenGpus(NotKept, Callback):
    """Says after a search that trials were trained on the CPU in spite of their GPU, where some were."""

    def __init__(self) -> None:
        self._trials: set[str] = set()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if result["report"].has_unseen_gpu:
            self._trials.add(trial.config["trial"])

    def warn(self) -> None:
        """While Tune is at work warnings are not heard."""
        if self._trials:
            warnings.warn(
                f"Ray has assigned GPUs to {len(self._trials)} trial(s) that were trained on the CPU, since torch sees "
                "none there: install a build of torch for GPUs on the nodes (raytabdl doctor says what is amiss), or "
                "fit with gpus_per_trial=0",
                stacklevel=6,
            )
