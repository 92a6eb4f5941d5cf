"""Training a network: the loop, optimizers and schedules."""

from __future__ import annotations

from raytabdl.training.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from raytabdl.training.schedules import Constant, Cosine, CosineCycles, Coslog, CoslogCycles, FlatCosine, Schedule

OPTIMIZERS: tuple[type[Optimizer], ...] = (AdamW, SGD)
SCHEDULES: tuple[type[Schedule], ...] = (CosineCycles, Cosine, Coslog, CoslogCycles)
ALL_OPTIMIZERS: tuple[type[Optimizer], ...] = (*OPTIMIZERS, Adam, RMSprop)
ALL_SCHEDULES: tuple[type[Schedule], ...] = (*SCHEDULES, FlatCosine, Constant)
"""With those that only the full preset searches."""

__all__ = [
    "ALL_OPTIMIZERS",
    "ALL_SCHEDULES",
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
