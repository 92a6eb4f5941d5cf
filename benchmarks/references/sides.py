"""A model and its reference on the same rows; both predict by the epoch with the least validation loss."""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.compare.systems import PYTABKIT
from benchmarks.references.data import Data, Part
from benchmarks.references.models import Model, PytabkitReference, RtdlReference, usual_epochs
from raytabdl.inputs import Inputs
from raytabdl.preprocessing import Preprocessing
from raytabdl.schema import infer_schema
from raytabdl.training.loop import Training, TrainingData, predict
from raytabdl.training.losses import Objective

ADAPTER = Path(__file__).with_name("pytabkit_model.py")


@dataclass(frozen=True)
class Side:
    """The losses of one of the two, and the seconds that it trained, preprocessing and validation included."""

    valid_loss: float
    test_loss: float
    seconds: float


@dataclass(frozen=True)
class _Tensors:
    """The parts as networks see them."""

    train: TrainingData
    valid: TrainingData
    test: TrainingData
    cardinalities: tuple[int, ...]


def ours(model: Model, data: Data, seed: int) -> Side:
    began = time.perf_counter()
    tensors = _prepared(model, data, seed)
    torch.manual_seed(seed)
    build: Any = model.network
    d_num = tensors.train.x_num.shape[1]
    network = build(d_num, tensors.cardinalities, data.target.d_out, **model.arguments)
    network.initialise(tensors.train.x_num, tensors.train.x_cat)
    training = Training(
        network,
        tensors.train,
        optimizer=model.optimizer,
        schedule=model.schedule,
        loss=Objective().loss(tensors.train.y),
        batch_size=model.batch_size,
        n_epochs=model.n_epochs,
        rows_per_epoch=len(tensors.train),
        seed=seed,
    )
    return _best_epoch(training.epochs(), network, data, tensors, began)


def rtdl(reference: RtdlReference, model: Model, data: Data, seed: int) -> Side:
    began = time.perf_counter()
    tensors = _prepared(model, data, seed)
    torch.manual_seed(seed)
    network = reference.build(tensors.train.x_num.shape[1], tensors.cardinalities, data.target.d_out)
    loss = Objective().loss(tensors.train.y)
    epochs = usual_epochs(network, tensors.train, model, loss, model.optimizer.lr)
    return _best_epoch(epochs, network, data, tensors, began)


def pytabkit(reference: PytabkitReference, data: Data, seed: int) -> Side:
    """Raises RuntimeError where its environment is missing, or the fit failed."""
    if not PYTABKIT.interpreter.exists():
        raise RuntimeError(f"{PYTABKIT.interpreter} is missing: python -m benchmarks.compare.peers pytabkit")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, part in (("train", data.train), ("valid", data.valid), ("test", data.test)):
            table = pa.Table.from_pandas(part.X.assign(target=part.y), preserve_index=False)
            pq.write_table(table.replace_schema_metadata(None), folder / f"{label}.parquet")
        order = {
            "estimator": reference.estimator,
            "arguments": dict(reference.arguments),
            "seed": seed,
            "is_regression": not data.target.task_type.is_classification,
        }
        (folder / "order.json").write_text(json.dumps(order))
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        command = [str(PYTABKIT.interpreter), str(ADAPTER), name]
        environment = {**kept, "OMP_NUM_THREADS": "1", "TMPDIR": name}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{reference.estimator} failed: {done.stderr[-2000:]}")
        losses = [data.loss(np.load(folder / f"{label}.npy"), part) for label, part in _scored(data)]
        return Side(*losses, json.loads((folder / "answer.json").read_text())["seconds"])


def _scored(data: Data) -> tuple[tuple[str, Part], tuple[str, Part]]:
    return ("valid", data.valid), ("test", data.test)


def _best_epoch(epochs: Iterator[object], network: nn.Module, data: Data, tensors: _Tensors, began: float) -> Side:
    best = Side(math.inf, math.nan, math.nan)
    for _ in epochs:
        valid_loss = data.loss(_predictions(network, tensors.valid), data.valid)
        if valid_loss < best.valid_loss:
            best = Side(valid_loss, data.loss(_predictions(network, tensors.test), data.test), math.nan)
    return Side(best.valid_loss, best.test_loss, time.perf_counter() - began)


def _predictions(network: nn.Module, rows: TrainingData) -> NDArray[Any]:
    """The mean of the k predictions that a network may have: of probabilities, or of values."""
    outputs = predict(network, rows.x_num, rows.x_cat)
    if rows.y.is_floating_point():
        return outputs.flatten(1).mean(1).double().numpy()
    probabilities = outputs.softmax(-1)
    return (probabilities.mean(1) if probabilities.ndim == 3 else probabilities).double().numpy()


def _prepared(model: Model, data: Data, seed: int) -> _Tensors:
    schema = infer_schema(data.train.X)
    preprocessing = Preprocessing(model.steps)
    train, _ = preprocessing.fit_resample(schema.encode(data.train.X), data.train.y, data.target, seed)
    valid, test = (preprocessing.transform(schema.encode(part.X)) for part in (data.valid, data.test))
    parts = ((train, data.train), (valid, data.valid), (test, data.test))
    return _Tensors(*(_as_tensors(inputs, part) for inputs, part in parts), cardinalities=train.cardinalities)


def _as_tensors(inputs: Inputs, part: Part) -> TrainingData:
    y: Tensor = torch.from_numpy(part.y)
    return TrainingData(
        torch.from_numpy(np.ascontiguousarray(inputs.numeric)),
        torch.from_numpy(inputs.categorical.astype(np.int64)),
        y.float() if y.is_floating_point() else y.long(),
    )
