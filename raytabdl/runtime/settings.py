"""What a run is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytabdl.runtime.limits import TrialLimits

LEAST_SECONDS_FOR_RAY = 12.0
"""Ray and its workers take about ten seconds to start on a laptop; a shorter run is better off without."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run was asked for, as it stands in run.json; a limit of None is no limit."""

    time_limit: float | None
    n_trials: int | None
    metric: str | None
    seed: int
    n_workers: int | None
    gpus_per_trial: float | None
    ensemble_size: int
    trial_seconds: float | None = None
    trial_time_limit: float | None = None
    trial_memory: float | None = None

    @property
    def trial_limits(self) -> TrialLimits:
        return TrialLimits(self.trial_time_limit or math.inf, self.trial_memory)


def has_ray(settings: Settings) -> bool:
    """Whether there is a search, for which there must be time."""
    has_time = settings.time_limit is None or settings.time_limit >= LEAST_SECONDS_FOR_RAY
    return has_time or settings.n_trials is not None
