"""LCBench, read from its original files or from ours."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from raytabdl.curves import parquet
from raytabdl.curves.benchmark import Benchmark, LearningCurve
from raytabdl.curves.stream import CutShortError, Stream
from raytabdl.curves.tasks import TASKS
from raytabdl.exceptions import CurvesError

PARTS = ("config", "log", "results")


class LCBench(Benchmark):
    """The curves in a file: LCBench's JSON, full or without gradients, as it is or zipped, or our parquet.

    >>> benchmark = LCBench("data_2k_lw.zip")  # doctest: +SKIP
    >>> benchmark.query("adult", "val_accuracy", 0)[[0, 50]]  # doctest: +SKIP
    array([25.1, 83.6])
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise CurvesError(f"{self.path} must be a file with learning curves; raytabdl lcbench download fetches one")
        self._curves: dict[str, dict[str, LearningCurve]] = {}
        read = parquet.read if self.path.suffix == ".parquet" else _read_json
        for dataset, config, curve in read(self.path):
            self._curves.setdefault(dataset, {})[config] = curve
        if not self._curves:
            raise CurvesError(f"{self.path} must hold learning curves, got none; make or fetch it again")

    @property
    def dataset_names(self) -> tuple[str, ...]:
        return tuple(self._curves)

    def config_ids(self, dataset: str) -> tuple[str, ...]:
        return tuple(self._curves[dataset])

    def _curve(self, dataset: str, config: str) -> LearningCurve:
        return self._curves[dataset][config]

    @property
    def openml_task_ids(self) -> Mapping[str, int]:
        """As the files say, or as LCBench's own data sets have it."""
        ids = {}
        for dataset, curves in self._curves.items():
            stated = next(iter(curves.values())).results.get("OpenML_task_id", TASKS.get(dataset))
            if stated is not None:
                ids[dataset] = int(stated)
        return ids


def _read_json(path: Path) -> Iterator[tuple[str, str, LearningCurve]]:
    with _opened(path) as file:
        stream = Stream(file)
        try:
            for dataset in stream.enter():
                for config in stream.enter():
                    yield dataset, config, _curve(stream.value(), f"{path}: {dataset}, configuration {config}")
        except CutShortError as error:
            raise CurvesError(
                f"{path} ends in the middle{stream.place}: it was cut short; fetch or make it again"
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise CurvesError(f"{path} must be JSON, but is not{stream.place} ({error}); fetch it again") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The JSON file, or the only one in a zip file."""
    if path.suffix != ".zip":
        with path.open("rb") as file:
            yield file
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".json") and not name.startswith("__MACOSX")]
            if len(names) != 1:
                raise CurvesError(f"{path} must hold one JSON file, got {archive.namelist()}; unzip the one to read")
            with archive.open(names[0]) as file:
                yield file
    except (zipfile.BadZipFile, zlib.error) as error:
        raise CurvesError(f"{path} is no complete zip file ({error}); fetch it again") from error


def _curve(entry: Any, place: str) -> LearningCurve:
    """An entry as a curve. Raises CurvesError where it has another form than LCBench's."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(part), dict) for part in PARTS):
        seen = sorted(entry) if isinstance(entry, dict) else type(entry).__name__
        raise CurvesError(
            f"{place} must have {', '.join(PARTS)}, got {seen}: the file is of another version; "
            "data_2k.json and data_2k_lw.json are read"
        )
    config = dict(entry["config"])
    if config.get("num_layers") is True:  # so LCBench has one layer
        config["num_layers"] = 1
    try:
        log = {tag: np.asarray(values, dtype=np.float64) for tag, values in entry["log"].items()}
    except (TypeError, ValueError) as error:
        raise CurvesError(f"{place} must have numbers in its log ({error}); the file is of another version") from error
    results = {name: math.nan if value is None else value for name, value in entry["results"].items()}
    return LearningCurve(config, log, results)
