"""The baseline that looks at no feature."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from raytabdl.component import Classic
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.persistence import read_json, write_json
from raytabdl.spread import centre_and_spread


class Dummy(Classic):
    """Predicts the class frequencies, or the constant of the least error."""

    name: ClassVar[str] = "dummy"
    horizon: ClassVar[int] = 1

    def __init__(self, target: Target, *, seed: int, n_threads: int) -> None:
        self.target = target
        self.prior_: list[float] = []

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        if self.target.task_type.is_classification:
            counts = np.bincount(y.astype(np.int64), X.weights, minlength=self.target.n_classes)
            self.prior_ = (counts / counts.sum()).tolist()
        else:
            self.prior_ = [centre_and_spread(y, self.target.error, X.weights)[0]]

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        if self.target.task_type.is_classification:
            return np.tile(np.array(self.prior_), (len(X), 1))
        return np.full(len(X), self.prior_[0])

    def save(self, folder: Path) -> None:
        write_json(folder / "dummy.json", {"prior": self.prior_})

    def load(self, folder: Path) -> None:
        self.prior_ = read_json(folder / "dummy.json")["prior"]
