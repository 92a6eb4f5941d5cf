"""What is looked at before a fit: the arguments together, and what the table asks for in rows and memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from raytabdl.exceptions import DataError
from raytabdl.frames import to_frame
from raytabdl.inputs import Target
from raytabdl.tables import read_table

MAX_PREDICTION_BYTES = 256 << 20
"""What the probabilities of the validation rows may take; each of some dozens of models has some."""

_COPIES = 3
"""A table is in memory at least as numbers and codes, as the part that is trained on, and as a model keeps it."""


def table_and_target(X: Any, y: Any, of_rows: Mapping[str, Any] | None = None) -> tuple[Any, Any, dict[str, Any]]:
    """The table, the target, and what else there is ``of_rows``, such as weights, as ``fit`` was given them.

    X may be the path of a file, and each of the others the name of a column, which leaves the table then. Warns where
    frames and series name their rows differently: they are matched by position. Raises DataError where there is no
    column of a name.
    """
    if isinstance(X, (str, PathLike)):
        X = read_table(Path(X))
    given = {"y": y, **(of_rows or {})}
    columns = {argument: value for argument, value in given.items() if isinstance(value, str)}
    if columns:
        X = to_frame(X)
        for argument, column in columns.items():
            if column not in X.columns:
                raise DataError(
                    f"{argument} is the name of a column that the table does not have, {column!r}; it has "
                    f"{list(X.columns)}"
                )
            given[argument] = X[column]
        X = X.drop(columns=list(set(columns.values())))
    for argument, value in given.items():
        are_named = (
            isinstance(X, pd.DataFrame) and isinstance(value, (pd.DataFrame, pd.Series)) and len(X) == len(value)
        )
        if are_named and not X.index.equals(value.index):
            warnings.warn(
                f"the indexes of X and {argument} differ ({list(X.index[:3])} and {list(value.index[:3])} at their "
                "beginning): rows are matched by position, not by index",
                stacklevel=3,
            )
    return X, given.pop("y"), given


def check_size(n_rows: int, n_valid: Sequence[int], target: Target) -> None:
    """Warns where folds have hardly a row to validate on, ``n_valid`` of ``n_rows``.

    Raises DataError where the probabilities of these rows would take too much memory.
    """
    if len(n_valid) == 1 and n_valid[0] == n_rows:
        warnings.warn(
            f"none of the {n_rows} rows can be held out: models are validated on what they learn from", stacklevel=4
        )
    elif min(n_valid) < 2:
        warnings.warn(
            f"{n_rows} rows in {len(n_valid)} folds: a model is validated on as few as {min(n_valid)} of them, and its "
            "score says little",
            stacklevel=4,
        )
    needed = max(n_valid) * target.n_classes * 8
    if needed > MAX_PREDICTION_BYTES:
        raise DataError(
            f"y has {target.n_classes:,} classes: the probabilities of {max(n_valid):,} validation rows take "
            f"{needed / 1e6:,.0f} MB for each model, more than {MAX_PREDICTION_BYTES / 1e6:,.0f} MB; validate "
            "by fewer rows, merge rare classes, or use TabularRegressor where y is a number"
        )


def check_memory(n_rows: int, n_columns: int) -> None:
    """Raises DataError where a table cannot be learned from in the memory that there is, before it is tried."""
    needed = _COPIES * n_rows * n_columns * 4
    available = available_memory()
    if available is not None and needed > available:
        raise DataError(
            f"{n_rows:,} rows of {n_columns:,} columns take at least {needed / 1e9:.3g} GB to learn from, and "
            f"{available / 1e9:.3g} GB of memory are available: give fewer rows or columns"
        )


def available_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The bytes that Linux and the limit of a container leave to programs; None where they do not tell.

    What a container caches of files is left, since it is given up when memory is asked for.
    """
    found = []
    if meminfo.exists():
        found += [
            int(line.split()[1]) << 10 for line in meminfo.read_text().splitlines() if line[:13] == "MemAvailable:"
        ]
    for folder, limit, used in (
        (cgroup, "memory.max", "memory.current"),
        (cgroup / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        if (most := _number(folder / limit)) is not None:
            cached = sum(_statistics(folder / "memory.stat").get(f"{kind}_file", 0) for kind in ("active", "inactive"))
            found.append(max(0, most - max(0, (_number(folder / used) or 0) - cached)))
    return min(found, default=None)


def _number(path: Path) -> int | None:
    """What a file of the kernel holds; None where there is no file, or no limit."""
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text.isdigit() else None


def _statistics(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text().splitlines()) if path.exists() else ()
    return {name: int(value) for name, value in lines}
