"""LCBench as a surrogate: a network that has learned the learning curves of its 2,000 configurations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

from raytabdl.component import Config
from raytabdl.search.brackets import Budgets
from raytabdl.simulation.benchmark import Curve

N_EPOCHS = 50
INPUTS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
TIME, VALID_ACCURACY = 0, 1  # columns of the output


class LCBenchSurrogate:
    """The error on the validation rows of one task of LCBench (Zimmer et al. 2021), as YAHPO Gym predicts it.

    ``folder`` holds ``model.onnx`` and ``encoding.json`` of YAHPO Gym's scenario ``lcbench``. Budgets are shares of 50
    epochs. Only good for comparing optimizers: it invents optima. Five layers are left out of the space, as the
    surrogate extrapolates to them. Needs the extra ``surrogate``.
    """

    def __init__(self, folder: Path, task_id: str) -> None:
        codes = json.loads((folder / "encoding.json").read_text(encoding="utf-8"))["OpenML_task_id"]
        if task_id not in codes:
            raise ValueError(f"task_id must be one of {sorted(codes)}, got {task_id!r}")
        self.budgets = Budgets()
        self.space = _space()
        self._code = codes[task_id]
        self._session = _session(folder / "model.onnx")

    def curve(self, config: Config) -> Curve:
        return self.curves([config])[0]

    def curves(self, configs: Sequence[Config]) -> list[Curve]:
        """The curves of many configurations at once, which is faster by far."""
        rungs = self.budgets.rungs
        # Its epoch 1 is the network before training, so epoch k + 1 follows after k epochs.
        epochs = [1 + max(round(N_EPOCHS * budget / self.budgets.max_budget), 1) for budget in rungs]
        rows = [[epoch, *(config[name] for name in INPUTS)] for config in configs for epoch in epochs]
        x_cont = np.array(rows, dtype=np.float32)
        x_cat = np.full((len(rows), 1), self._code, dtype=np.int32)
        output = self._session.run(["output"], {"x_cat": x_cat, "x_cont": x_cont})[0]
        output = np.asarray(output, dtype=np.float64).reshape(len(configs), len(rungs), -1)
        losses = 1.0 - output[:, :, VALID_ACCURACY] / 100
        seconds = np.maximum.accumulate(np.maximum(output[:, :, TIME], 1e-3), axis=1)  # predicted: may fall
        return [
            Curve(dict(zip(rungs, own_losses, strict=True)), dict(zip(rungs, own_seconds, strict=True)))
            for own_losses, own_seconds in zip(losses.tolist(), seconds.tolist(), strict=True)
        ]


def _space() -> ConfigurationSpace:
    space = ConfigurationSpace()
    space.add(
        Categorical("model", ["mlp"]),
        Integer("batch_size", (16, 512), log=True),
        Float("learning_rate", (1e-4, 1e-1), log=True),
        Float("momentum", (0.1, 0.99)),
        Float("weight_decay", (1e-5, 1e-1)),
        Integer("num_layers", (1, 4)),
        Integer("max_units", (64, 1024), log=True),
        Float("max_dropout", (0.0, 1.0)),
    )
    return space


@cache
def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
