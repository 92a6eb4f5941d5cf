"""What the rest of a study will cost: a rule of thumb, corrected by what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Estimate:
    """The cells of a study by name, and what each is expected to take of a core, in seconds.

    What is left is scaled by how long the finished ones took, beside what was expected of them.
    """

    expected_s: Mapping[str, float]
    finished_s: dict[str, float] = field(default_factory=dict)
    n_failed: int = 0

    def finished(self, name: str, seconds: float, *, is_failure: bool) -> None:
        self.finished_s[name] = seconds
        self.n_failed += is_failure

    @property
    def n_cells(self) -> int:
        return len(self.expected_s)

    @property
    def n_finished(self) -> int:
        return len(self.finished_s)

    @property
    def left_s(self) -> float:
        """Core-seconds."""
        expected = sum(seconds for name, seconds in self.expected_s.items() if name not in self.finished_s)
        done = sum(self.expected_s[name] for name in self.finished_s)
        return expected * (sum(self.finished_s.values()) / done if done else 1.0)

    def line(self, n_workers: int) -> str:
        """How far the study is, in words.

        >>> Estimate({"a": 3600, "b": 3600}, {"a": 7200}).line(n_workers=2)
        '1 of 2 done, 0 failed; 2.00 core-hours to go, 60 minutes with 2 workers'
        """
        workers = "1 worker" if n_workers == 1 else f"{n_workers} workers"
        return (
            f"{self.n_finished:,} of {self.n_cells:,} done, {self.n_failed:,} failed; "
            f"{self.left_s / 3600:.2f} core-hours to go, {self.left_s / 60 / n_workers:,.0f} minutes with {workers}"
        )


Watch = Callable[[Estimate], None]
