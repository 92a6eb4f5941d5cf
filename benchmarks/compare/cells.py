"""A cell of the comparison, one system on one fold of one table with one budget: how it is run, and its record."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.compare import watch
from benchmarks.compare.scores import UnusablePredictionsError, score
from benchmarks.compare.systems import ADAPTERS, System
from benchmarks.compare.tables import Table, split

ROOT = Path(__file__).parents[2]

MOST_OTHERS = 0.1
"""Cores that everything else on the machine may use beside a cell, at the mean; more may cost it accuracy."""

OTHERS_AT_START_S = 2.0
"""What everything else may use beyond that: reaping, page cache, the poll itself."""


@dataclass(frozen=True)
class Limits:
    """When a system is killed: ``factor`` x budget + ``grace_s`` after its fit began, or if it never begins."""

    factor: float = 2.0
    grace_s: float = 60.0
    start_s: float = 300.0


@dataclass(frozen=True)
class Key:
    """What a cell is a cell of."""

    system: str
    table: str
    fold: int
    seconds: float


@dataclass(frozen=True)
class Record:
    """What came of a cell, as one line of JSON; ``error`` is empty where there are scores.

    ``seconds`` is the wall time of the process, imports included; ``anytime`` holds what the system would have
    answered earlier: (seconds, scores).
    """

    key: Key
    version: str
    machine: str
    scores: dict[str, float] = field(default_factory=dict)
    error: str = ""
    seconds: float = math.nan
    fit_seconds: float = math.nan
    predict_seconds: float = math.nan
    overshoot_seconds: float = math.nan
    peak_bytes: int = 0
    cpu_seconds: float = 0.0
    others_cpu_seconds: float = 0.0
    n_models: int | None = None
    anytime: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    split: str = ""
    python: str = ""
    date: str = ""

    @property
    def is_disturbed(self) -> bool:
        """Whether other work took so much of the machine that the scores may be worse for it."""
        return self.others_cpu_seconds > OTHERS_AT_START_S + MOST_OTHERS * self.seconds

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Record:
        record = json.loads(line)
        key = Key(**record.pop("key"))
        anytime = [(seconds, scores) for seconds, scores in record.pop("anytime")]
        return cls(key, anytime=anytime, **record)


def read_records(path: Path) -> list[Record]:
    """The kept cells in the order in which they were run."""
    return [Record.from_json(line) for line in path.read_text().splitlines()] if path.exists() else []


def machine() -> str:
    """The kind of machine that a record is of: records of several kinds are not compared."""
    names = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    gib = round(psutil.virtual_memory().total / 2**30)
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {gib} GiB"


def our_version() -> str:
    """The last commit that changed the package, with a mark of what is changed in it since."""
    commit = _git("log", "-1", "--format=%h", "--abbrev=10", "--", "raytabdl")
    changes = _git("diff", "HEAD", "--", "raytabdl")
    return commit + (f"+{hashlib.sha256(changes.encode()).hexdigest()[:6]}" if changes else "")


def run_cell(key: Key, system: System, table: Table, limits: Limits, version: str | None = None) -> Record:
    """Runs the system in a process of its own, which sees no test target, and scores its predictions."""
    parts = split(table, key.fold)
    record = Record(key, version or "", machine(), split=parts.checksum(), date=time.strftime("%Y-%m-%d"))
    if not system.interpreter.exists():
        return replace(record, error=f"not installed: {system.interpreter} is missing")
    with tempfile.TemporaryDirectory(prefix="cell-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "cell"
        folder.mkdir()
        _write(parts.X_train.assign(**{table.target: parts.y_train}), folder / "train.parquet")
        _write(parts.X_test, folder / "test.parquet")
        _write_order(key, system, table, folder)
        deadline = _Deadline(folder / "began", key.seconds, limits)
        command = [str(system.interpreter), str(ADAPTERS / system.adapter), str(folder)]
        usage = watch.run(command, _environment(folder), folder / "output.txt", deadline, folder)
        record = replace(
            record,
            seconds=round(usage.seconds, 3),
            peak_bytes=usage.peak_bytes,
            cpu_seconds=round(usage.cpu_seconds, 2),
            others_cpu_seconds=round(usage.others_cpu_seconds, 2),
        )
        if usage.is_killed:
            return replace(record, error=f"killed, {deadline.reason}")
        if usage.exit_code or not (folder / "answer.json").exists():
            return replace(record, error=f"exit code {usage.exit_code}: {_last_line(folder / 'output.txt')}")
        return _scored(record, folder, table.task, parts.y_train, parts.y_test, version)


class _Deadline:
    """The time to kill a system: known once its imports are done and its clock runs."""

    def __init__(self, began: Path, seconds: float, limits: Limits) -> None:
        self._began = began
        self._after_start_s = limits.factor * seconds + limits.grace_s
        self._at = time.monotonic() + limits.start_s
        self._is_begun = False
        self.reason = f"its fit did not begin within {limits.start_s:g} s"

    def __call__(self) -> float:
        if not self._is_begun and self._began.exists():
            self._is_begun = True
            self._at = time.monotonic() + self._after_start_s
            self.reason = f"{self._after_start_s:g} s after its fit began"
        return self._at


def _scored(
    record: Record, folder: Path, task: str, y_train: pd.Series, y_test: pd.Series, version: str | None
) -> Record:
    answer: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    record = replace(
        record,
        fit_seconds=round(answer["fit_seconds"], 3),
        predict_seconds=round(answer["predict_seconds"], 3),
        overshoot_seconds=round(answer["fit_seconds"] - record.key.seconds, 3),
        n_models=answer["n_models"],
        python=answer["python"],
        version=version or " ".join(answer["versions"].values()),
    )
    try:
        earlier = [np.load(folder / f"snapshot-{i}.npy") for i in range(len(answer["snapshots"]))]
        return replace(
            record,
            scores=score(task, y_train, y_test, np.load(folder / "predictions.npy"), answer["classes"]),
            anytime=[
                (round(seconds, 3), score(task, y_train, y_test, predictions, answer["classes"]))
                for seconds, predictions in zip(answer["snapshots"], earlier, strict=True)
            ],
        )
    except UnusablePredictionsError as error:
        return replace(record, error=str(error))


def _write(frame: pd.DataFrame, path: Path) -> None:
    """Parquet that every pandas reads alike: categories stay, numbers and missing values as they are."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    is_text = (pa.types.is_dictionary, pa.types.is_string, pa.types.is_large_string)
    columns = [
        column.cast(pa.string()).dictionary_encode() if any(kind(column.type) for kind in is_text) else column
        for column in table.columns
    ]
    pq.write_table(pa.table(columns, names=table.column_names), path)  # without the metadata of this pandas


def _write_order(key: Key, system: System, table: Table, folder: Path) -> None:
    order = {
        "task": table.task,
        "target": table.target,
        "metric": table.metric,
        "seconds": key.seconds,
        "n_cores": os.cpu_count(),
        "seed": key.fold,
        "options": dict(system.options),
        "distributions": list(system.distributions),
    }
    (folder / "cell.json").write_text(json.dumps(order))


def _environment(folder: Path) -> dict[str, str]:
    """The same for all: as many threads as cores, which sleep while they wait; caches and scratch in the cell."""
    n_cores = str(os.cpu_count())
    dropped = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"OMP_NUM_THREADS": n_cores, "OMP_WAIT_POLICY": "PASSIVE", "TMPDIR": str(folder)}


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no output"


def _lines(path: Path) -> Iterator[str]:
    return iter(path.read_text().splitlines()) if path.exists() else iter(())


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
