"""What a member of a family declares: a name, and a ``space`` that names keyword arguments of its constructor.

``cls(**config)`` builds a component from the values of its space; a class passed by value travels to a Ray
worker, a name in a registry would not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from raytabdl.inputs import Array, Inputs, Target

ConfigValue = bool | int | float | str
Config = Mapping[str, ConfigValue]


@dataclass(frozen=True)
class When:
    """The values of a sibling ``Choice`` or ``Integer`` under which a hyperparameter is active."""

    name: str
    values: tuple[ConfigValue, ...]


@dataclass(frozen=True)
class Real:
    """A real hyperparameter on [low, high]."""

    low: float
    high: float
    default: float
    log: bool = False
    when: When | None = None

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.default, self.log)


@dataclass(frozen=True)
class Integer:
    """An integer hyperparameter from low to high, both included."""

    low: int
    high: int
    default: int
    log: bool = False
    when: When | None = None

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.default, self.log)

    def takes(self, value: ConfigValue) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """A categorical hyperparameter: one of ``options``, which have no order."""

    options: tuple[ConfigValue, ...]
    default: ConfigValue
    when: When | None = None

    def __post_init__(self) -> None:
        if self.default not in self.options:
            raise ValueError(f"default must be one of the options, got {self.default=}, {self.options=}")

    def takes(self, value: ConfigValue) -> bool:
        return value in self.options


Dimension = Real | Integer | Choice
Space = Mapping[str, Dimension]


@dataclass(frozen=True)
class Forbidden:
    """Values that may not occur together, by name; a tuple stands for any of its values.

    >>> Forbidden({"shape": ("funnel", "stairs"), "n_layers": 1}).values["n_layers"]
    1
    """

    values: Mapping[str, ConfigValue | tuple[ConfigValue, ...]]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"a forbidden combination must have at least one name, got {self.values=}")


@dataclass(frozen=True)
class Horizon:
    """How long a training at the full budget is.

    A budget counts units, ``max_budget`` of them in all. A network trains ``epochs`` epochs of at most
    ``rows_per_epoch`` rows, a classic model ``iteration_share`` of its own ``horizon`` iterations, if it is shortened.
    With ``seconds``, so many of training are the full budget too: what ends first. A network knows by its pace how many
    epochs they are, and plans its schedule for these, at least nine; a classic model ends after the step in which they
    are over.
    """

    max_budget: int
    epochs: int
    rows_per_epoch: int
    iteration_share: float = 1.0
    seconds: float | None = None

    def epochs_of(self, network: type[Network]) -> int:
        """The epochs that a network trains at the full budget.

        One that takes long trains fewer, a multiple of 27 or 9: the rungs, thirds of it, fall on whole ones.
        """
        n_epochs = self.epochs
        if network.relative_cost > 1:
            n_epochs = min(n_epochs, on_rungs(self.epochs / network.relative_cost))
        return min(n_epochs, network.max_epochs)

    def iterations(self, model: type[Classic], budget: int) -> int:
        """The iterations that a classic model has done at a budget."""
        share = min(self.iteration_share, model.most_horizons) if model.is_shortened else 1.0
        return max(1, round(model.horizon * share * budget / self.max_budget))


def on_rungs(n_epochs: float) -> int:
    """So many epochs or a few less, at least 9, such that thirds of thirds of them are whole epochs."""
    n_whole = max(int(n_epochs), 9)
    return n_whole - n_whole % (27 if n_whole >= 27 else 9)


class Component:
    """A member of a family.

    The names in ``space`` are keyword arguments of the constructor; the values of an inactive
    hyperparameter (``When``) are absent from a configuration, so the constructor gives them a default.
    """

    name: ClassVar[str]
    space: ClassVar[Space] = {}

    full_space: ClassVar[Space] = {}
    """Dimensions beside ``space``, and wider ones in the place of those there, that only the full preset searches."""

    forbidden: ClassVar[tuple[Forbidden, ...]] = ()
    """Combinations of values of its own space that are never suggested."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """One that has a space of its own inherits nothing that belongs to another space."""
        super().__init_subclass__(**kwargs)
        if "space" in vars(cls):
            cls.full_space = vars(cls).get("full_space", {})
            cls.forbidden = vars(cls).get("forbidden", ())


@dataclass(frozen=True)
class Factors:
    """What the learning rate and the weight decay are multiplied by for a parameter; the decay also by the former."""

    lr: float = 1.0
    weight_decay: float = 1.0


class Network(Component):
    """A torch module from encoded rows to outputs; also a ``torch.nn.Module``.

    ``cls(d_num, cardinalities, d_out, **config)`` builds it; ``forward(x_num, x_cat)`` maps float32 of shape
    (batch, d_num) without NaN and int64 of shape (batch, d_cat) to (batch, d_out): logits, or the standardised target.
    (batch, k, d_out) are k predictions, each trained by its own loss and averaged in the end.

    A module in it with a method ``set_progress`` is told the share of the horizon before each step.
    """

    training_space: ClassVar[Space] = {}
    """Its own ranges, in the place of those that networks share: ``optimizer.adamw.lr``, ``scaler``, ``batch_size``.

    ``encoder`` and other families of preprocessing as well, by their names in a configuration.
    """

    max_epochs: ClassVar[int] = 108
    """More than these are not trained, whatever the time."""

    relative_cost: ClassVar[float] = 1.0
    """How many times as long as an MLP of 3 layers of 256 an epoch takes; so many times fewer epochs are trained."""

    max_gradient_norm: ClassVar[float] = 1.0

    def factors(self) -> Mapping[str, Factors]:
        """How the optimizer treats parameters, by name; for others matrices decay, and vectors do not."""
        return {}

    def initialise(self, x_num: Any, x_cat: Any) -> None:
        """Sets weights that depend on the training rows, tensors as in ``forward``, before the first step."""


class Classic(Component):
    """A model that is trained in iterations (boosting rounds, trees) instead of epochs.

    A subclass names the values of its space as keyword arguments, with defaults, in the place of ``config``. Rows of
    the training part may have weights (``X.weights``), which it trains by if it can. The values of a regression are
    standardised, and it makes the errors small that ``target.error`` names, if it can.
    """

    horizon: ClassVar[int]
    """Iterations at the full budget, before the share that the time limit leaves (``Horizon``)."""

    most_horizons: ClassVar[float] = 2.0
    """So many times the iterations of its horizon it is trained at most, whatever the time."""

    is_shortened: ClassVar[bool] = True
    """Whether that share is for it; not where iterations cost next to nothing, or are parts of the rows."""

    def __init__(self, target: Target, *, seed: int, n_threads: int, **config: ConfigValue) -> None:
        raise NotImplementedError

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        """Trains until the model has ``n_iterations`` in all."""
        raise NotImplementedError

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        """Predictions of the first ``n_iterations``, in the form that ``Target`` describes."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Writes the model, without pickle, into an existing folder."""
        raise NotImplementedError

    def save_progress(self, folder: Path) -> None:
        """Writes what ``load`` needs so that ``advance`` can go on; the model itself is enough for most."""
        self.save(folder)

    def load(self, folder: Path) -> None:
        """Takes the state that ``save`` or ``save_progress`` wrote."""
        raise NotImplementedError


def _check_range(low: float, high: float, default: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= default <= high and low < high):
        raise ValueError(f"must hold low <= default <= high and low < high, got {low=}, {default=}, {high=}")
    if log and low <= 0:
        raise ValueError(f"low must be positive on a log scale, got {low=}")
