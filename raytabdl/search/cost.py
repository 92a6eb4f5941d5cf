"""How long something will take: seconds per unit of budget, by family."""

from __future__ import annotations

from collections import deque
from statistics import median

N_RECENT = 9


class CostModel:
    """Learns from what was done what more of it costs.

    The median of the last few, as the first fit of a worker is slow (imports, compilation) and so says little.
    """

    def __init__(self) -> None:
        self._seconds_per_unit: dict[str, deque[float]] = {}

    def observe(self, family: str, units: float, seconds: float) -> None:
        """Takes in that ``units`` of budget (or epochs, or rows: one meaning for each name) took ``seconds``."""
        if units <= 0 or seconds < 0:
            raise ValueError(f"must hold units > 0 and seconds >= 0, got {units=}, {seconds=}")
        self._seconds_per_unit.setdefault(family, deque(maxlen=N_RECENT)).append(seconds / units)

    def predict(self, family: str, units: float) -> float | None:
        """Seconds for ``units`` of budget; None while nothing is known about the family."""
        recent = self._seconds_per_unit.get(family)
        return None if recent is None else units * median(recent)
