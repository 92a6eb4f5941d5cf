"""Training a network: the loop, optimizers and schedules."""

from __future__ import annotations

from raytabdl.training.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from raytabdl.training.schedules import Constant, Cosine, CosineCycles, Coslog, CoslogCycles, FlatCosine, Schedule

OPTIMIZERS: tuple[type[Optimizer], ...] = (AdamW, SGD)
SCHEDULES: tuple[type[Schedule], ...] = (CosineCycles, Cosine, Coslog, CoslogCycles)

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "CosineCycles",
    "Coslog",
    "CoslogCycles",
    "FlatCosine",
    "Optimizer",
    "RMSprop",
    "Schedule",
]
