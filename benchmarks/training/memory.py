"""The resident memory of a worker beyond that of a process with torch, in fits of 40 seconds with one worker.

Memory is what a process has to itself (USS): the code of libraries, the pages of Ray's store and those of mapped files
are there once for all workers. A worker shall take no more than 150 MB and its share of the data: the encoded table
once, with a copy of the training part as it was prepared, both of which other workers on the machine share.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.training.timing import Row

SECONDS, N_COLUMNS = 40, 50
ALLOWED_MB = 150.0

_TORCH = (
    "import torch, time; x = torch.ones(256, 256) @ torch.ones(256, 256); print('ready', flush=True); time.sleep(9)"
)
_FIT = """
import sys
import numpy as np
from raytabdl import TabularClassifier
n_rows, n_columns, seconds, folder = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
X = np.random.default_rng(0).normal(size=(n_rows, n_columns)).astype(np.float32)
fit = TabularClassifier(seconds, n_workers=1, run_folder=folder, progress=False)
fit.fit(X, X[:, 0] * X[:, 1] > 0)
"""


def rows() -> list[Row]:
    torch = _memory_of_torch()
    return [_row(n_rows, torch) for n_rows in (5_000, 200_000)]


def _row(n_rows: int, torch_mb: float) -> Row:
    """The allowed memory over the used one: the median while trials run, and where it uses most and least."""
    data_mb = n_rows * N_COLUMNS * 4 / 1e6
    used = [sample - torch_mb for sample in _samples(n_rows)]
    ratios = [(ALLOWED_MB + 2 * data_mb) / max(mb, 1.0) for mb in used]
    what = f"memory of a worker beyond torch's own, {data_mb:.0f} MB of data: {statistics.median(used):.0f} MB"
    baseline = "150 MB and the data (ratio: allowed over used)"
    return Row(what, baseline, statistics.median(ratios), min(ratios), max(ratios), 1.0)


def _memory_of_torch() -> float:
    """That of a process that has imported torch and multiplied matrices, in MB."""
    with subprocess.Popen([sys.executable, "-c", _TORCH], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        memory = psutil.Process(process.pid).memory_full_info().uss / 1e6
        process.kill()
        return memory


def _samples(n_rows: int) -> list[float]:
    """The memory of the worker every half second, from its first trial on, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _FIT, str(n_rows), str(N_COLUMNS), str(SECONDS), f"{folder}/run"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        samples = []
        while process.poll() is None:
            if _has_search_begun(Path(folder) / "run" / "trials.jsonl"):
                samples += _workers(process.pid)
            time.sleep(0.5)
        if process.returncode or not samples:
            raise RuntimeError(
                f"a fit of {n_rows} rows must end well, with a worker: {process.communicate()[1][-2000:]}"
            )
        return samples


def _has_search_begun(trials: Path) -> bool:
    lines = trials.read_text().splitlines() if trials.exists() else []
    return any("quick-" not in json.dumps(json.loads(line)) for line in lines if line.endswith("}"))


def _workers(driver: int) -> list[float]:
    samples = []
    for process in psutil.Process(driver).children(recursive=True):
        try:
            title = " ".join(process.cmdline())  # Tune wraps a trainable in a class of its own
            if title.startswith("ray::") and "Trainable" in title:
                samples.append(process.memory_full_info().uss / 1e6)
        except psutil.Error:  # it has just ended
            continue
    return samples
