"""The contracts of a network."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from raytabdl.component import Config, Horizon, Network
from raytabdl.frames import to_frame
from raytabdl.inputs import Target
from raytabdl.members import dimensions
from raytabdl.pipeline import load_model, make_pipeline
from raytabdl.schema import infer_schema
from raytabdl.space import ROOT, Choices
from raytabdl.task import Task
from raytabdl.testing.contract import (
    TARGETS,
    configurations,
    must,
    must_agree,
    must_be_predictions,
    rows,
    truth,
    unknown_rows,
    without_errors,
)
from raytabdl.training.loop import predict
from raytabdl.validation import partition

_TABLES: tuple[tuple[int, tuple[int, ...], int], ...] = ((3, (4, 30), 3), (2, (), 1), (0, (3, 5), 2))
"""Numeric columns, cardinalities and outputs: numbers and categories, and each of them alone."""

_HORIZON = Horizon(max_budget=9, epochs=9, rows_per_epoch=200)


def check_network(cls: type[Network]) -> None:
    """Raises ContractError where a network breaks a contract.

    It builds for every configuration of its space; gives (batch, d_out) or (batch, k, d_out), finite, and in evaluation
    the same for a row whatever is beside it; learns; and a training that was paused, or a model that was saved, goes
    on as if nothing had been.
    """
    choices = Choices(networks=(cls,), classic=(), full=True)
    configs = configurations(choices, f"network.{cls.name}", n=4)
    for config in configs:
        for table in _TABLES:
            _check_outputs(cls, {key: value for key, value in config.items() if key in dimensions(cls)}, *table)
    for target in TARGETS:
        _check_training(cls, choices, configs[0], target)


def _check_outputs(cls: Any, config: Config, d_num: int, cardinalities: Sequence[int], d_out: int) -> None:
    said = f"with {dict(config)}, {d_num=}, {cardinalities=}, {d_out=}"
    X = rows(n=16, d_num=d_num, cardinalities=tuple(cardinalities))
    x_num = torch.from_numpy(np.nan_to_num(X.numeric))
    x_cat = torch.from_numpy(X.categorical.astype(np.int64))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with without_errors(cls, f"build {said}"):
            network = cls(d_num, tuple(cardinalities), d_out, **config)
        with without_errors(cls, f"take a batch of two rows in training {said}"):
            network.initialise(x_num, x_cat)
            network.train()(x_num[:2], x_cat[:2])
        with without_errors(cls, f"take rows in evaluation {said}"):
            outputs = predict(network, x_num, x_cat)
            again = predict(network, x_num, x_cat)
            alone = torch.cat([predict(network, x_num[i : i + 1], x_cat[i : i + 1]) for i in range(5)])
            far = predict(network, 100 * x_num, torch.zeros_like(x_cat))
    is_shape = outputs.ndim in (2, 3) and (outputs.shape[0], outputs.shape[-1]) == (len(x_num), d_out)
    must(cls, f"give (batch, d_out) or (batch, k, d_out) {said}", is_shape, tuple(outputs.shape))
    must(cls, f"be finite for large numbers and unseen categories {said}", bool(far.isfinite().all()), far)
    must_agree(cls, f"give the same in evaluation each time {said}", again.numpy(), outputs.numpy(), 1e-6)
    must_agree(cls, f"treat each row by itself in evaluation {said}", alone.numpy(), outputs[:5].numpy(), 1e-4)


def _check_training(cls: type[Network], choices: Choices, config: Config, target: Target) -> None:
    said = f"in a {target.task_type.value} task"
    whole = {ROOT: cls.name} | {f"network.{cls.name}.{key}": value for key, value in config.items()}
    task = _task(target)
    with tempfile.TemporaryDirectory() as name, without_errors(cls, f"be trained, saved and loaded {said}"):
        straight, same, paused, resumed = (make_pipeline(whole, choices, target, _HORIZON, seed=0) for _ in range(4))
        points = list(straight.train(task, 0))
        list(same.train(task, 0))
        list(islice(paused.train(task, 0), 3))
        paused.save_progress(Path(name))
        resumed.load_progress(task, 0, Path(name))
        list(resumed.train(task, 0))
        straight.save(Path(name))
        loaded = load_model(Path(name), choices)
        predictions = straight.predict(task.inputs)
        for n, X, what in ((len(task.y), task.inputs, "its rows"), (9, unknown_rows(rows(n=9)), "unknown rows")):
            must_be_predictions(cls, straight.predict(X), n, target, f"{what} {said}")
        losses = [point.train_loss for point in points if point.train_loss is not None]
        must(cls, f"learn: its loss in training must fall {said}", min(losses[1:]) < losses[0], losses)
        for other, contract in (
            (same, "be the same from the same seed"),
            (resumed, "go on after a pause as without one"),
            (loaded, "predict the same once saved and loaded, all that it learned being in its state_dict"),
        ):
            must_agree(cls, f"{contract} {said}", other.predict(task.inputs), predictions, 1e-6)


def _task(target: Target) -> Task:
    X = rows(n=120)
    y = truth(X, target)
    folds = partition(y, target, 3, np.random.default_rng(0))
    return Task(X, y, target, infer_schema(to_frame(X.numeric)), folds)
