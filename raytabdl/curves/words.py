"""What a training of ours is called in LCBench's files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from raytabdl.component import Config, ConfigValue
from raytabdl.curves.benchmark import PREFIX, Curve

SMALL = {
    "network.mlp.batch_size": "batch_size",
    "network.mlp.optimizer.sgd.lr": "learning_rate",
    "network.mlp.optimizer.sgd.momentum": "momentum",
    "network.mlp.optimizer.sgd.weight_decay": "weight_decay",
    "network.mlp.n_layers": "num_layers",
    "network.mlp.max_units": "max_units",
    "network.mlp.max_dropout": "max_dropout",
}
"""The seven hyperparameters of the small space, by LCBench's names for them."""

_FIXED: Mapping[str, ConfigValue] = {
    "network": "shapedmlpnet",
    "mlp_shape": "funnel",
    "activation": "relu",
    "optimizer": "sgd",
    "learning_rate_scheduler": "cosine_annealing",
    "cosine_annealing_eta_min": 0.0,
    "loss": "cross_entropy",
    "imputation_strategy": "mean",
    "normalization_strategy": "standardize",
}

STATUS, DIVERGED, LATE = "status", "diverged", "late"
"""A result that only those have that did not come to their end, and its values."""

_FINAL = ("train", "val", "test")


def lcbench_config(config: Config, n_epochs: int) -> Config:
    """A configuration of the small space, in which all but the seven is fixed, by LCBench's names."""
    varied = {theirs: config[ours] for ours, theirs in SMALL.items()}
    return {**_FIXED, "cosine_annealing_T_max": n_epochs, **varied}


def joined(records: Sequence[Mapping[str, float]], n_values: int) -> dict[str, Curve]:
    """Curves of so many values from the tags of each epoch; NaN where an epoch lacks a tag, and after the last one."""
    tags: dict[str, None] = {}
    for record in records:
        tags.update(dict.fromkeys(record))
    padding = [math.nan] * (n_values - len(records))
    return {tag: np.array([*(record.get(tag, math.nan) for record in records), *padding]) for tag in tags}


def final_results(log: Mapping[str, Curve]) -> dict[str, float]:
    """The last value of each score of a curve, by LCBench's names: ``final_val_accuracy``."""
    results = {}
    for tag, values in log.items():
        part, _, score = tag.removeprefix(PREFIX).partition("_")
        if part in _FINAL and tag.startswith(PREFIX):
            name = "accuracy" if (part, score) == ("test", "result") else score
            results[f"final_{part}_{name}"] = float(values[-1])
    return results
