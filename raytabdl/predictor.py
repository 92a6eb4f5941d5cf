"""The weighted mean of fitted pipelines: what is left of a run when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.decisions import decided
from raytabdl.ensemble import Ensemble
from raytabdl.exceptions import RunFolderError
from raytabdl.inputs import Array, Target
from raytabdl.persistence import check_manifest, reading
from raytabdl.pipeline import Pipeline, load_model
from raytabdl.quick import with_quick
from raytabdl.run_folder import KEPT, RunFolder, read_labels
from raytabdl.schema import Schema
from raytabdl.space import Choices

_CHUNK_ROWS = 50_000
"""Rows that are predicted at once, which bounds the memory; fewer where there are many classes."""

_CHUNK_VALUES = 5_000_000
"""Probabilities of a chunk that one member predicts."""


@dataclass(frozen=True)
class Predictor:
    """Encodes a table and averages the predictions of the ensemble's members."""

    schema: Schema
    target: Target
    classes: NDArray[Any] | None
    ensemble: Ensemble
    members: Mapping[str, Pipeline]

    def predict(self, table: Any) -> Array:
        """Probabilities of shape (n, n_classes) in the order of the classes, or values of shape (n,)."""
        inputs = self.schema.encode(table)
        if len(inputs) == 0:
            return np.empty((0, self.target.n_classes) if self.target.task_type.is_classification else 0)
        parts = []
        n_rows = max(1, min(_CHUNK_ROWS, _CHUNK_VALUES // self.target.d_out))
        for start in range(0, len(inputs), n_rows):
            rows = inputs.take(np.arange(start, min(start + n_rows, len(inputs))))
            parts.append(self.ensemble.predict({name: member.predict(rows) for name, member in self.members.items()}))
        predictions = np.concatenate(parts).astype(np.float64)
        if self.target.task_type.is_classification:
            predictions /= predictions.sum(axis=1, keepdims=True)
        return predictions

    def decide(self, probabilities: Array) -> NDArray[Any]:
        """The classes that the ensemble decides for, by the probabilities that it predicted."""
        assert self.classes is not None
        codes: NDArray[np.int64] = decided(probabilities, self.ensemble.factors).argmax(axis=1)
        return np.asarray(self.classes[codes])


def load_predictor(folder: RunFolder, choices: Choices, *, is_own: bool = False) -> Predictor:
    """The predictor of a finished run or a saved model, after the hashes of its files were checked.

    They are not where it ``is_own``: this process has just written it. Models that were trained again on all rows take
    the place of those that the ensemble was selected among.

    Raises RunFolderError where there is none, CorruptModelError where a file is missing or not what was written.
    """
    return load_selected(folder.answering, choices, is_own=is_own)


def load_selected(folder: RunFolder, choices: Choices, *, is_own: bool = False) -> Predictor:
    """The same with the models that the ensemble was selected among, also where they were trained again since."""
    if not (folder.is_finished or folder.ensemble.exists()):
        way_out = f"; go on with its run: raytabdl resume {folder.path}" if folder.run_json.exists() else ""
        raise RunFolderError(f"{folder.path} holds no finished run and no saved model{way_out}")
    with reading(folder.path):
        ensemble = folder.read_ensemble()
        if not is_own:
            check_manifest(folder.path, [*KEPT, *(f"models/{name}" for name in ensemble.weights)])
        classes, target = read_labels(folder.path / "labels.json")
        schema = folder.read_schema()
    known = with_quick(choices)
    members = {}
    for name in ensemble.weights:
        with reading(folder.model(name)):
            members[name] = load_model(folder.model(name), known)
    return Predictor(schema, target, classes, ensemble, members)
