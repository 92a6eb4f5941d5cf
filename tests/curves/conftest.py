from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def entry(n_layers: Any, accuracy: list[float], time: list[float]) -> dict[str, Any]:
    """A training in LCBench's form, with its gradients by layer."""
    depth = int(n_layers)
    return {
        "config": {"num_layers": n_layers, "learning_rate": 0.01, "network": "shapedmlpnet"},
        "log": {
            "time": time,
            "Train/val_accuracy": accuracy,
            "Train/gradient_norm": [0.1 * depth] * len(time),
            **{f"Train/layer_wise_gradient_mean_layer_{i}": [0.5] * len(time) for i in range(depth)},
        },
        "results": {"final_val_accuracy": accuracy[-1], "OpenML_task_id": 126025 + depth, "classes": 2},
    }


@pytest.fixture
def content() -> dict[str, Any]:
    """Two data sets with three configurations each, one of a single layer, which LCBench stores as true."""
    return {
        name: {
            "0": entry(True, [50.0, 60.0 + shift, 58.0], [1.0, 2.0, 3.0]),
            "1": entry(3, [50.0, 55.0, 70.0 - shift], [1.0, 3.0, 5.0]),
            "2": entry(2, [50.0, 52.0, 54.0], [2.0, 4.0, 6.0]),
        }
        for name, shift in (("adult", 0.0), ("car", 15.0))
    }


@pytest.fixture
def original(content: dict[str, Any], tmp_path: Path) -> Path:
    """A file as LCBench's own: no blanks, true for one layer."""
    path = tmp_path / "data.json"
    path.write_text(json.dumps(content))
    return path
