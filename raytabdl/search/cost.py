"""How long a trial will take: its pace, by what it has done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

FIRST_STEP_SECONDS = 3.0
"""What the first step of a trial that begins or goes on may take beside training: imports, reading its state."""


@dataclass
class Pace:
    """The seconds that a trial has spent since it was last judged, and what it will have spent at a further budget."""

    begun_at: int = 0
    """The budget that it had come to before."""
    spent_s: float = 0.0
    _told_s: float = 0.0
    _budget: int = 0
    _n_points: int = 0
    _point_s: float = 0.0

    def step(self, point_seconds: Sequence[float], seconds: float, budget: int) -> None:
        """Takes in a step of so many seconds to a budget, and those of each of its points."""
        if point_seconds:
            once_s = 0.0 if self._n_points else FIRST_STEP_SECONDS
            self._point_s = max(median(point_seconds) - once_s, 0.0)
        self.spent_s += seconds
        self._budget = budget
        self._n_points += len(point_seconds)

    def seconds_to(self, budget: int) -> float:
        """What it will have spent at that budget; what it has, while it has not come to a budget of its own."""
        gained = self._budget - self.begun_at
        return self.spent_s + (self._point_s * self._n_points * (budget - self._budget) / gained if gained > 0 else 0.0)

    def untold(self) -> float:
        """The seconds that were spent since this was last asked."""
        seconds, self._told_s = self.spent_s - self._told_s, self.spent_s
        return seconds

    def judged(self) -> None:
        """Begins anew at the budget where the trial was judged: it may wait there, and be read again."""
        self.spent_s, self._told_s, self._n_points, self.begun_at = 0.0, 0.0, 0, self._budget
