"""Learning curves as parquet: a row for each, its tags as lists of numbers; a tenth of the JSON's size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raytabdl.curves.benchmark import Curve, LearningCurve
from raytabdl.exceptions import CurvesError

if TYPE_CHECKING:
    from raytabdl.curves.benchmark import Benchmark

_VERSION_KEY = b"raytabdl_learning_curves"
VERSION = b"1"
"""Of the columns: data set, id, config and results as JSON, and ``log.<tag>``, null where a training lacks the tag."""

_LOG = "log."


def logged(curve: LearningCurve, light: bool) -> Mapping[str, Curve]:
    """What a file keeps of the log; light is without gradients."""
    return {tag: values for tag, values in curve.log.items() if not (light and "gradient" in tag)}


def write(benchmark: Benchmark, path: Path, light: bool) -> None:
    """Writes one group of rows for each data set."""
    tags: dict[str, None] = {}
    for dataset in benchmark.dataset_names:
        for config in benchmark.config_ids(dataset):
            tags.update(dict.fromkeys(logged(benchmark.curve(dataset, config), light)))
    schema = pa.schema(
        [(name, pa.string()) for name in ("dataset", "id", "config", "results")]
        + [(_LOG + tag, pa.list_(pa.float64())) for tag in tags],
        metadata={_VERSION_KEY: VERSION},
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for dataset in benchmark.dataset_names:
            rows = [_row(dataset, c, benchmark.curve(dataset, c), light) for c in benchmark.config_ids(dataset)]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _row(dataset: str, config: str, curve: LearningCurve, light: bool) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "id": config,
        "config": json.dumps(dict(curve.config)),
        "results": json.dumps(dict(curve.results)),
        **{_LOG + tag: values for tag, values in logged(curve, light).items()},
    }


def read(path: Path) -> Iterator[tuple[str, str, LearningCurve]]:
    """The curves of a file, by data set and configuration."""
    try:
        with pq.ParquetFile(path) as file:
            version = (file.schema_arrow.metadata or {}).get(_VERSION_KEY)
            if version != VERSION:
                seen = "no learning curves" if version is None else f"version {version.decode()}"
                raise CurvesError(
                    f"{path} must hold learning curves of version {VERSION.decode()}, got {seen}; "
                    "read it with the release of raytabdl that wrote it, or make it again"
                )
            for batch in file.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    log = {
                        name[len(_LOG) :]: np.asarray(values, dtype=np.float64)
                        for name, values in row.items()
                        if name.startswith(_LOG) and values is not None
                    }
                    curve = LearningCurve(json.loads(row["config"]), log, json.loads(row["results"]))
                    yield row["dataset"], row["id"], curve
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, CurvesError):
            raise
        raise CurvesError(f"{path} is no complete parquet file ({error}); make or fetch it again") from error
