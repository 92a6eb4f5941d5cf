"""The data sets of a study: tables with a target each, from a folder with a manifest or named one by one."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.exceptions import DataError, SettingError
from raytabdl.inputs import Array, Inputs, Rows, Target
from raytabdl.tables import ENDINGS, read_table
from raytabdl.targets import encode_labels, encode_values, infer_kind, infer_target
from raytabdl.task import Task, make_task
from raytabdl.validation import partition

MANIFEST = "manifest.json"
N_FOLDS = 5
"""Of all rows, where a test set is held out: it is one of them. Of the others, fold 0 is for validation."""

LEAST_OF_CLASS = 10
"""Rows that a class keeps in a subsample, where it has them: with folds of a test set and of the training apart."""

_KINDS = {"binary": "classification", "multiclass": "classification"}
_DRAW, _TEST, _FOLDS = range(3)  # what a seed is drawn for


@dataclass(frozen=True)
class DataSet:
    """A table in a file, and what is to be learned from it; a ``kind`` of None is inferred from the target."""

    name: str
    path: Path
    target: str
    kind: str | None = None


@dataclass(frozen=True)
class StudyTask:
    """A data set as it is learned: the task, and rows that no training sees, where they are wanted."""

    name: str
    task: Task
    test: tuple[Inputs, Array] | None = None

    @property
    def n_columns(self) -> int:
        return max(1, int(self.task.inputs.numeric.shape[1]) + len(self.task.inputs.cardinalities))


def data_sets(sources: Sequence[str], names: Iterable[str] = ()) -> list[DataSet]:
    """Those of folders with a manifest, or of ``FILE:TARGET``; only the named ones where there are names.

    Raises SettingError on what is neither, on two of one name, and on names that none has.
    """
    found: dict[str, DataSet] = {}
    for source in sources:
        for data_set in _in_folder(Path(source)) if Path(source).is_dir() else [_in_file(source)]:
            if data_set.name in found:
                raise SettingError(
                    f"data sets must differ in name, got {found[data_set.name].path} and {data_set.path}; "
                    "rename one of the files"
                )
            found[data_set.name] = data_set
    wanted = list(names) or list(found)
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise SettingError(f"the data sets are {', '.join(sorted(found))}; got {', '.join(unknown)}")
    if not wanted:
        raise SettingError("there must be a data set: name a folder with a manifest.json, or FILE:TARGET")
    return [found[name] for name in wanted]


def read_study_task(data_set: DataSet, *, max_rows: int | None, seed: int, with_test: bool) -> StudyTask:
    """The task of a data set, of about ``max_rows`` random rows in which no class is missing.

    With a test set a fifth of them is held out, and a fifth of the others is fold 0. Raises DataError, which names the
    data set.
    """
    frame = read_table(data_set.path)
    if data_set.target not in frame.columns:
        raise DataError(f"{data_set.name}: no column {data_set.target!r} to predict; it has {list(frame)}")
    y = frame.pop(data_set.target)
    try:
        kind = data_set.kind or infer_kind(y.dropna())[0]
        values, classes = _encoded(y, kind)
        target = infer_target(classes)
        rows = subsample(values, target, max_rows or len(values), np.random.default_rng([seed, _DRAW]))
        test_rows = np.empty(0, np.int64)
        if with_test:
            folds = partition(values[rows], target, N_FOLDS, np.random.default_rng([seed, _TEST]))
            rows, test_rows = rows[folds != 0], rows[folds == 0]
        rng = np.random.default_rng([seed, _FOLDS])
        task = make_task(frame.iloc[rows].reset_index(drop=True), values[rows], target, N_FOLDS, rng)
    except DataError as error:
        raise DataError(f"{data_set.name}: {error}") from error
    if not with_test:
        return StudyTask(data_set.name, task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of categories that training did not see: there are some in any test set
        inputs = task.schema.encode(frame.iloc[test_rows].reset_index(drop=True))
    return StudyTask(data_set.name, task, (inputs, values[test_rows]))


def subsample(y: Array, target: Target, n_rows: int, rng: np.random.Generator) -> Rows:
    """About so many random rows, sorted: of each class its share, and ``LEAST_OF_CLASS`` rows where it has as many."""
    if n_rows >= len(y):
        return np.arange(len(y))
    shuffled = rng.permutation(len(y))
    if not target.task_type.is_classification:
        return np.sort(shuffled[:n_rows])
    codes = y[shuffled].astype(np.int64)
    counts = np.bincount(codes, minlength=target.n_classes)
    wanted = np.minimum(counts, np.maximum(np.round(counts * n_rows / len(y)), LEAST_OF_CLASS).astype(np.int64))
    # Counted within each class, in shuffled order, a row has a rank below the number that is wanted of its class.
    by_class = np.argsort(codes, kind="stable")
    ranks = np.empty(len(y), np.int64)
    ranks[by_class] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(shuffled[ranks < wanted[codes]])


def _in_folder(folder: Path) -> list[DataSet]:
    """The data sets of a manifest: records with a name, a target, and perhaps a task and a file."""
    path = folder / MANIFEST
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        return [
            DataSet(
                record["name"],
                folder / record.get("file", f"{record['name']}.parquet"),
                record["target"],
                _KINDS.get(record["task"], record["task"]) if "task" in record else None,
            )
            for record in records
        ]
    except FileNotFoundError as error:
        raise DataError(f"{folder} has no {MANIFEST}; write one, or name its tables as FILE:TARGET") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} must hold a list of records with a name and a target: {error!r}") from error


def _in_file(text: str) -> DataSet:
    file, _, target = text.rpartition(":")
    path = Path(file)
    if not (file and target and path.name.lower().endswith(ENDINGS)):
        raise SettingError(
            f"a data set must be a folder or FILE:TARGET, a file that ends in {', '.join(ENDINGS)}, got {text!r}"
        )
    if not path.is_file():
        raise DataError(f"{path} is no file; a data set is FILE:TARGET")
    return DataSet(path.name.partition(".")[0], path, target)


def _encoded(y: Any, kind: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The target as it is learned, and the classes of a classification."""
    if kind == "regression":
        return encode_values(y), None
    return encode_labels(y)
