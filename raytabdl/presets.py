"""Search spaces by name: small, medium and full."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from raytabdl import preprocessing
from raytabdl.classic import ALL_CLASSIC
from raytabdl.component import Integer, Real
from raytabdl.exceptions import SettingError
from raytabdl.networks import ALL_NETWORKS, ShapedMLP
from raytabdl.preprocessing import StandardScaler
from raytabdl.space import FAMILIES, Choices
from raytabdl.training import (
    ALL_OPTIMIZERS,
    ALL_SCHEDULES,
    AUGMENTATIONS,
    AVERAGINGS,
    OBJECTIVES,
    SGD,
    STOPPINGS,
    Cosine,
)
from raytabdl.updates import Update


def small() -> Choices:
    """The seven hyperparameters of LCBench with its ranges (Zimmer et al., 2021, "search space 1"); all else is fixed.

    A shaped MLP in the form of a funnel, trained by SGD under a cosine, on standardised numbers.
    """
    open_: dict[str, Update] = {
        "n_layers": Integer(1, 5, 4),
        "max_units": Integer(64, 1024, 256, log=True),
        "max_dropout": Real(0.0, math.nextafter(1.0, 0.0), 0.15),  # a rate of 1 would leave nothing
        "batch_size": Integer(16, 512, 128, log=True),
        "optimizer.sgd.lr": Real(1e-4, 1e-1, 3e-2, log=True),
        "optimizer.sgd.momentum": Real(0.1, 0.99, 0.9),
        "optimizer.sgd.weight_decay": Real(1e-5, 1e-1, 1e-5),
    }
    fixed: dict[str, Update] = {"shape": "funnel", "activation": "relu", "batch_norm": False, "use_dropout": True}
    choices = Choices(
        networks=(ShapedMLP,), classic=(), scalers=(StandardScaler,), optimizers=(SGD,), schedules=(Cosine,)
    )
    return choices.updated({f"network.mlp.{key}": update for key, update in {**open_, **fixed}.items()})


def medium() -> Choices:
    """What is searched unless something else is asked for: it suits a laptop."""
    return Choices()


def full() -> Choices:
    """Every member of every family, with every dimension: for many workers, or a long time."""
    members: dict[str, Any] = {
        **{FAMILIES[label]: own for label, own in preprocessing.FAMILIES.items()},
        "optimizers": ALL_OPTIMIZERS,
        "schedules": ALL_SCHEDULES,
        "objectives": OBJECTIVES,
        "augmentations": AUGMENTATIONS,
        "averagings": AVERAGINGS,
        "stoppings": STOPPINGS,
    }
    return Choices(networks=ALL_NETWORKS, classic=ALL_CLASSIC, full=True, **members)


PRESETS: dict[str, Callable[[], Choices]] = {"small": small, "medium": medium, "full": full}


def preset_name(choices: Choices) -> str | None:
    """The name by which ``preset`` gives the same choices, or None where there is none."""
    return next((name for name, build in PRESETS.items() if build() == choices), None)


def preset(choices: str | Choices | None) -> Choices:
    """The preset of that name; choices as they are; ``medium`` for None."""
    if isinstance(choices, Choices):
        return choices
    name = "medium" if choices is None else choices
    if name not in PRESETS:
        raise SettingError(f"choices must be one of {list(PRESETS)} or a Choices, got {name!r}")
    return PRESETS[name]()
