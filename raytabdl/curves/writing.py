"""Learning curves written as files: LCBench's JSON, full or light, and parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from raytabdl.curves import parquet
from raytabdl.curves.benchmark import Benchmark, LearningCurve
from raytabdl.exceptions import SettingError
from raytabdl.persistence import finite, whole_file


def write_lcbench(benchmark: Benchmark, path: Path, *, light: bool = False) -> None:
    """Writes all curves, whole or not at all: JSON or parquet, by the ending; light is without gradients.

    JSON has no NaN, which becomes null.
    """
    writers = {".json": _write_json, ".parquet": parquet.write}
    if path.suffix not in writers:
        raise SettingError(f"the path must end in {' or '.join(writers)}, got {str(path)!r}")
    with whole_file(path) as temporary:
        writers[path.suffix](benchmark, temporary, light)


def _write_json(benchmark: Benchmark, path: Path, light: bool) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number, dataset in enumerate(benchmark.dataset_names):
            file.write("{" if number == 0 else ",")
            file.write(f"{json.dumps(dataset)}:")
            _write_dataset(file, {c: benchmark.curve(dataset, c) for c in benchmark.config_ids(dataset)}, light)
        file.write("}")


def _write_dataset(file: IO[str], curves: Mapping[str, LearningCurve], light: bool) -> None:
    for number, (config, curve) in enumerate(curves.items()):
        log = parquet.logged(curve, light)
        entry: dict[str, Any] = {
            "config": dict(curve.config),
            "log": {tag: finite(values.tolist()) for tag, values in log.items()},
            "results": finite(curve.results),
        }
        file.write("{" if number == 0 else ",")
        file.write(f"{json.dumps(config)}:{json.dumps(entry, allow_nan=False)}")
    file.write("}")
