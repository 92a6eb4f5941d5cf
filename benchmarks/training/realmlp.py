"""RealMLP of 256 epochs on 8,000 rows of adult beside pytabkit's RealMLP_TD, in its own environment, with 5 seeds.

A seed takes about 5 minutes on one thread. What was measured is kept in ``benchmarks/results/realmlp.jsonl``.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from benchmarks.references.data import Data, Part, without_missing
from benchmarks.references.models import PytabkitReference, pairs
from benchmarks.references.sides import Side, ours, pytabkit
from benchmarks.training.timing import Row
from raytabdl import datasets
from raytabdl.inputs import Target, TaskType

N_TRAIN, N_VALID, N_EPOCHS, N_SEEDS = 8_000, 4_000, 256, 5
RESULTS = Path(__file__).parents[1] / "results" / "realmlp.jsonl"


def rows() -> list[Row]:
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    for seed in range(len(lines), N_SEEDS):
        lines.append(json.dumps([asdict(side) for side in measure(seed, N_TRAIN, N_EPOCHS)]))
        with RESULTS.open("a") as file:
            file.write(lines[-1] + "\n")
    return as_rows([tuple(Side(**side) for side in json.loads(line)) for line in lines])


def as_rows(measured: list[tuple[Side, ...]]) -> list[Row]:
    """Time, and the validation loss, which may be worse by the deviation between the reference's seeds."""
    speeds = [theirs.seconds / ours.seconds for ours, theirs in measured]
    losses = [theirs.valid_loss / ours.valid_loss for ours, theirs in measured]
    references = [theirs.valid_loss for _, theirs in measured]
    spread = statistics.stdev(references) / statistics.mean(references) if len(references) > 1 else 0.0
    what, baseline = f"RealMLP, {N_EPOCHS} epochs, {N_TRAIN:,} rows", "RealMLP_TD of pytabkit"
    return [
        Row(what, baseline, statistics.median(speeds), min(speeds), max(speeds), 2.0),
        Row(f"{what}: least validation loss", baseline, statistics.mean(losses), min(losses), max(losses), 1 - spread),
    ]


def measure(seed: int, n_train: int, n_epochs: int) -> tuple[Side, Side]:
    """Ours and pytabkit's, which are trained on the same rows and choose the epoch by log loss on the same others."""
    data = _data(seed, n_train)
    pair = pairs(data.target)["realmlp"]
    assert isinstance(pair.reference, PytabkitReference)
    theirs = replace(pair.reference, arguments={**pair.reference.arguments, "n_epochs": n_epochs})
    return ours(replace(pair.model, n_epochs=n_epochs), data, seed), pytabkit(theirs, data, seed)


def _data(seed: int, n_train: int) -> Data:
    X, y = datasets.load("adult")
    chosen = np.random.default_rng(seed).permutation(len(X))[: n_train + N_VALID]
    X, codes = without_missing(X), np.unique(y, return_inverse=True)[1]
    train, valid = (Part(X.iloc[rows].reset_index(drop=True), codes[rows]) for rows in np.split(chosen, [n_train]))
    return Data(Target(TaskType.BINARY, 2), train, valid, valid)
