"""Training a network: the loop, and the families of what it is trained with."""

from __future__ import annotations

from raytabdl.training.augment import Adversarial, Augmentation, Mixup, RowCutmix, RowCutout
from raytabdl.training.averaging import Averaging, Lookahead, SnapshotEnsemble, StochasticWeightAveraging
from raytabdl.training.losses import ClassWeighted, LabelSmoothing, Objective
from raytabdl.training.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from raytabdl.training.schedules import (
    Constant,
    Cosine,
    CosineCycles,
    CosineRestarts,
    Coslog,
    CoslogCycles,
    Cyclic,
    Exponential,
    FlatCosine,
    Plateau,
    Schedule,
    Step,
)
from raytabdl.training.stopping import Patience, Stopping

OPTIMIZERS: tuple[type[Optimizer], ...] = (AdamW, SGD)
ALL_OPTIMIZERS: tuple[type[Optimizer], ...] = (*OPTIMIZERS, Adam, RMSprop)
SCHEDULES: tuple[type[Schedule], ...] = (CosineCycles, Cosine, Coslog, CoslogCycles)
ALL_SCHEDULES: tuple[type[Schedule], ...] = (
    *SCHEDULES,
    FlatCosine,
    CosineRestarts,
    Cyclic,
    Step,
    Exponential,
    Plateau,
    Constant,
)
"""With those that only the full preset searches."""
AUGMENTATIONS: tuple[type[Augmentation], ...] = (Augmentation, Mixup, RowCutmix, RowCutout, Adversarial)
AVERAGINGS: tuple[type[Averaging], ...] = (Averaging, StochasticWeightAveraging, SnapshotEnsemble, Lookahead)
OBJECTIVES: tuple[type[Objective], ...] = (Objective, ClassWeighted, LabelSmoothing)
STOPPINGS: tuple[type[Stopping], ...] = (Stopping, Patience)

__all__ = [
    "ALL_OPTIMIZERS",
    "ALL_SCHEDULES",
    "AUGMENTATIONS",
    "AVERAGINGS",
    "OBJECTIVES",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "STOPPINGS",
    "Adam",
    "AdamW",
    "Adversarial",
    "Augmentation",
    "Averaging",
    "ClassWeighted",
    "Constant",
    "Cosine",
    "CosineCycles",
    "CosineRestarts",
    "Coslog",
    "CoslogCycles",
    "Cyclic",
    "Exponential",
    "FlatCosine",
    "LabelSmoothing",
    "Lookahead",
    "Mixup",
    "Objective",
    "Optimizer",
    "Patience",
    "Plateau",
    "RMSprop",
    "RowCutmix",
    "RowCutout",
    "Schedule",
    "SnapshotEnsemble",
    "Step",
    "StochasticWeightAveraging",
    "Stopping",
]
