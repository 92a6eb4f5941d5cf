from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from raytabdl.curves import LCBench
from raytabdl.curves.surrogate import random_configs

N_CONFIGS = 60
DATASETS = ("easy", "hard", "a-data-set-with-a-rather-long-name_complete")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in LCBench's form in which only the learning rate matters, and all is decided after 25 epochs."""
    configs = random_configs(N_CONFIGS, seed=0)
    epochs = np.append(np.arange(51.0), 50.0)
    content = {}
    for place, dataset in enumerate(DATASETS):
        content[dataset] = {}
        for number, config in enumerate(configs):
            off = abs(math.log10(float(config["learning_rate"])) + 2.5) / 1.5
            end = 95 - 20 * place - 30 * off
            # Small rates are slow: early ranks are not the last ones.
            start = end - 40 if config["learning_rate"] < 10**-2.5 else end - 10  # type: ignore[operator]
            accuracy = start + (end - start) * np.minimum(epochs / 25, 1)
            log = {"epoch": epochs.tolist(), "Train/val_accuracy": accuracy.tolist()}
            content[dataset][str(number)] = {"config": config, "log": log, "results": {"final": end}}
    path = tmp_path_factory.mktemp("curves") / "data.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="session")
def benchmark(source: Path) -> LCBench:
    return LCBench(source)
