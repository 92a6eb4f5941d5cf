"""Training a network: the loop, optimizers and schedules."""

from __future__ import annotations

from raytabdl.training.optimizers import SGD, AdamW, Optimizer
from raytabdl.training.schedules import Cosine, CosineCycles, Schedule

OPTIMIZERS: tuple[type[Optimizer], ...] = (AdamW, SGD)
SCHEDULES: tuple[type[Schedule], ...] = (CosineCycles, Cosine)

__all__ = ["OPTIMIZERS", "SCHEDULES", "SGD", "AdamW", "Cosine", "CosineCycles", "Optimizer", "Schedule"]
