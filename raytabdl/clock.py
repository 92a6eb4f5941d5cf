"""Time as a value: how long a run has been going, and how much is left."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """The time of a run; ``limit_s`` may be infinite. Seconds are counted by the monotonic clock.

    ``spent_s`` is what the run had used before it was interrupted, where it was resumed.
    """

    limit_s: float
    started: float
    spent_s: float = 0.0

    @classmethod
    def start(cls, limit_s: float, spent_s: float = 0.0) -> Clock:
        return cls(limit_s, time.monotonic(), spent_s)

    def elapsed(self) -> float:
        return self.spent_s + time.monotonic() - self.started

    def remaining(self) -> float:
        return self.limit_s - self.elapsed()

    def is_up(self, reserve_s: float = 0.0) -> bool:
        return self.remaining() <= reserve_s

    def wall_time_of(self, elapsed_s: float) -> float:
        """The wall time (seconds since 1970) at which so many seconds will have passed: the one form of time that
        other processes and nodes understand. Infinite where ``elapsed_s`` is.
        """
        if math.isinf(elapsed_s):
            return math.inf
        return time.time() + elapsed_s - self.elapsed()
