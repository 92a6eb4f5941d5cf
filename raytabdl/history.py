"""What was tried: one JSON line for each change of a trial, appended by the driver and by nobody else."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from raytabdl.component import Config
from raytabdl.exceptions import RunFolderError
from raytabdl.failures import reasons
from raytabdl.lines import append_line, read_lines
from raytabdl.persistence import finite


class Status(Enum):
    """Where a trial stands."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    MEMOUT = "memout"

    @property
    def is_failure(self) -> bool:
        """Whether the trial ended without what it was to reach: it counts as the worst loss of its rung."""
        return self in (Status.FAILED, Status.TIMEOUT, Status.MEMOUT)


@dataclass(frozen=True)
class Trial:
    """One configuration that is trained; ``origin`` says who suggested it: quick, portfolio, model or random.

    With the origin bag it is that of another trial, trained on a fold of its own.
    """

    id: str
    config: Config
    origin: str
    bracket: int
    seed: int
    fold: int = 0


@dataclass(frozen=True)
class Seconds:
    """Where the seconds of a trial went since its last report."""

    training: float = 0.0
    evaluation: float = 0.0
    checkpoint: float = 0.0
    setup: float = 0.0

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(
            self.training + other.training,
            self.evaluation + other.evaluation,
            self.checkpoint + other.checkpoint,
            self.setup + other.setup,
        )

    @property
    def total(self) -> float:
        return self.training + self.evaluation + self.checkpoint + self.setup


QUICK, PORTFOLIO, BAG = "quick", "portfolio", "bag"
"""Origins of trials: while Ray starts, of the portfolio, and of another trial's configuration on a further fold."""


@dataclass(frozen=True)
class Result:
    """What a trial reached at a budget, measured on its fold.

    ``rung_loss`` is what trials are promoted on, ``loss`` the loss of the user's metric, ``scores`` the
    values of the logged metrics; ``time`` counts seconds from the start of the fit. ``member`` is the key of
    the validation predictions and of the model, where they were written; ``n_parameters`` counts those of a network.
    """

    trial_id: str
    budget: int
    rung_loss: float
    loss: float
    scores: Mapping[str, float]
    seconds: Seconds
    time: float
    member: str | None = None
    n_parameters: int | None = None


@dataclass(frozen=True)
class Change:
    """A trial that was promoted, paused, stopped, completed or failed, and why where there is more to say.

    One that trains and changes to running lost its worker, or its memory, and goes on from its last checkpoint.
    """

    trial_id: str
    status: Status
    time: float
    reason: str = ""


Record = Trial | Result | Change


def trial_seed(run_seed: int, trial_id: str) -> int:
    """The seed of a trial, which follows from the run's and the trial's name."""
    digest = hashlib.sha256(f"{run_seed}/{trial_id}".encode()).digest()
    return int.from_bytes(digest[:4], "little") & 0x7FFFFFFF


_END = {
    Status.RUNNING: "running",
    Status.PAUSED: "success",
    Status.STOPPED: "success",
    Status.COMPLETED: "success",
    Status.TIMEOUT: "timeout",
    Status.MEMOUT: "memout",
    Status.FAILED: "crash",
}
"""The words of auto-sklearn for how a trial ended."""


@dataclass
class History:
    """All trials of a run, in the order of their records; appended to ``path`` where there is one."""

    path: Path | None = None
    trials: dict[str, Trial] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    statuses: dict[str, Status] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    n_records: int = 0

    def append(self, record: Record) -> None:
        """Adds a record, and writes it before anything else happens."""
        if self.path is not None:
            append_line(self.path, json.dumps(_to_fields(record), allow_nan=False))
        self._take(record)

    def _take(self, record: Record) -> None:
        self.n_records += 1
        if isinstance(record, Trial):
            self.trials[record.id] = record
            self.statuses[record.id] = Status.RUNNING
        elif isinstance(record, Result):
            self.results.append(record)
        else:
            self.statuses[record.trial_id] = record.status
            if record.status.is_failure:
                self.failures[record.trial_id] = record.reason

    def searched(self) -> dict[str, Trial]:
        """The trials of the search, each on its first fold: without quick models and bags."""
        return {name: trial for name, trial in self.trials.items() if trial.origin != QUICK and trial.fold == 0}

    def count(self, status: Status) -> int:
        return sum(1 for value in self.statuses.values() if value is status)

    def outcomes(self) -> dict[str, int]:
        """How many of the search's trials came to which end: success, timeout, memout or crash, where there are any.

        Success is what was stopped at a rung too, and what waits there. A configuration is counted on its first fold.
        """
        ends = [_END[self.statuses[name]] for name in self.searched()]
        return {end: ends.count(end) for end in dict.fromkeys(_END.values()) if end in ends and end != "running"}

    def on_first_fold(self) -> Iterator[Result]:
        """The results that can be compared with each other."""
        return (result for result in self.results if self.trials[result.trial_id].fold == 0)

    def incumbent(self) -> Result | None:
        """The result on fold 0 with the lowest loss of the user's metric."""
        usable = [result for result in self.on_first_fold() if math.isfinite(result.loss)]
        return min(usable, key=lambda result: result.loss, default=None)

    def trajectory(self) -> list[tuple[float, float]]:
        """The seconds at which the best single loss fell, and the loss it fell to."""
        steps: list[tuple[float, float]] = []
        for result in self.on_first_fold():
            if math.isfinite(result.loss) and (not steps or result.loss < steps[-1][1]):
                steps.append((result.time, result.loss))
        return steps

    def reasons(self) -> dict[str, int]:
        """The last line of each failure's traceback, with how often it occurred, the most frequent first."""
        return reasons(text if text.strip() else "no reason given" for text in self.failures.values())


def read_history(path: Path) -> History:
    """The history that a file holds, to be appended to; a last line that was cut short is left out."""
    history = History()
    for record in read_records(path):
        history._take(record)
    history.path = path
    return history


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file, oldest first, without a last line that a killed writer left unfinished."""
    return (_from_fields(line) for line in read_lines(path))


def _to_fields(record: Record) -> dict[str, Any]:
    """What JSON holds; it has no number for an infinite loss or a score that is not one, which become null."""
    fields = asdict(record)
    if isinstance(record, Change):
        fields["status"] = record.status.value
    elif isinstance(record, Result):
        for name in ("rung_loss", "loss"):
            fields[name] = finite(fields[name])
        fields["scores"] = finite(record.scores)
    return {"record": type(record).__name__.lower(), **fields}


def _from_fields(fields: dict[str, Any]) -> Record:
    kind = fields.pop("record")
    if kind == "trial":
        if Path(fields["id"]).name != fields["id"]:  # its files are called so
            raise RunFolderError(f"a run has a trial with the name {fields['id']!r}, which leads out of its folder")
        return Trial(**fields)
    if kind == "change":
        return Change(**{**fields, "status": Status(fields["status"])})
    for name in ("rung_loss", "loss"):
        fields[name] = math.inf if fields[name] is None else fields[name]
    scores = {name: math.nan if v is None else v for name, v in fields["scores"].items()}
    return Result(**{**fields, "seconds": Seconds(**fields["seconds"]), "scores": scores})
