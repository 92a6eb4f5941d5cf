"""What is searched: the components to choose from, as one conditional ConfigSpace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from raytabdl.classic.catboost import CatBoost
from raytabdl.classic.forests import RandomForest
from raytabdl.classic.lightgbm import LightGBM
from raytabdl.component import Choice, Classic, Component, ConfigValue, Dimension, Integer, Network, Real
from raytabdl.exceptions import SettingError
from raytabdl.networks import NETWORKS
from raytabdl.preprocessing import (
    DEFAULTS,
    SCALERS,
    AllLevels,
    Codes,
    Encoder,
    Keep,
    NoResampling,
    Resampler,
    Scaler,
    Step,
    ZeroImputer,
)
from raytabdl.training import OPTIMIZERS, SCHEDULES, Optimizer, Schedule

if TYPE_CHECKING:
    # Workers build pipelines and no spaces: the import, with scipy.stats, would delay each of them by a second.
    import ConfigSpace
    from ConfigSpace.hyperparameters import Hyperparameter

ROOT = "model"
"""The hyperparameter that names the network or the classic model; all others are active under some of its values."""

C = TypeVar("C", bound=Component)
T = TypeVar("T")


@dataclass(frozen=True)
class Choices:
    """The families that a search draws its pipelines from; a member is a class, of the package or the user's own."""

    networks: tuple[type[Network], ...] = NETWORKS
    classic: tuple[type[Classic], ...] = (CatBoost, LightGBM, RandomForest)
    levels: tuple[type[Step], ...] = (AllLevels,)
    encoders: tuple[type[Encoder], ...] = (Codes,)
    scalers: tuple[type[Scaler], ...] = SCALERS
    imputers: tuple[type[Step], ...] = (ZeroImputer,)
    features: tuple[type[Step], ...] = (Keep,)
    resamplers: tuple[type[Resampler], ...] = (NoResampling,)
    optimizers: tuple[type[Optimizer], ...] = OPTIMIZERS
    schedules: tuple[type[Schedule], ...] = SCHEDULES
    batch_size: Integer = field(default_factory=lambda: Integer(32, 512, 128, log=True))

    def __post_init__(self) -> None:
        _check_family("network or classic model", (*self.networks, *self.classic))
        if self.networks:
            for label, members in self.preprocessing.items():
                _check_family(label, members)
            _check_family("optimizer", self.optimizers)
            _check_family("schedule", self.schedules)

    @property
    def preprocessing(self) -> dict[str, tuple[type[Component], ...]]:
        """The families of the steps before a network, by the name that a member has in a configuration."""
        return {
            "levels": self.levels,
            "encoder": self.encoders,
            "scaler": self.scalers,
            "imputer": self.imputers,
            "features": self.features,
            "resampler": self.resamplers,
        }

    def only(self, names: Iterable[str]) -> Choices:
        """The same choices with only the named networks and classic models."""
        wanted = set(names)
        known = {member.name for member in (*self.networks, *self.classic)}
        if not wanted <= known:
            raise SettingError(f"models must be some of {sorted(known)}, got {sorted(wanted - known)}")
        return replace(
            self,
            networks=tuple(n for n in self.networks if n.name in wanted),
            classic=tuple(c for c in self.classic if c.name in wanted),
        )


def _check_family(what: str, members: Sequence[type[Component]]) -> None:
    names = [member.name for member in members]
    if not names:
        raise SettingError(f"choices must hold at least one {what}, got none")
    if len(set(names)) < len(names):
        raise SettingError(f"the names of each {what} must differ, got {names}")


def named(members: Iterable[type[C]], name: ConfigValue) -> type[C]:
    """The member of that name."""
    known = {member.name: member for member in members}
    if name not in known:
        raise SettingError(f"must be one of {sorted(known)}, got {name!r}")
    return known[str(name)]


def configuration_space(choices: Choices, seed: int = 0) -> ConfigSpace.ConfigurationSpace:
    """All choices as one conditional space.

    ``model`` is the root; ``network.<name>.<key>`` and ``classic.<name>.<key>`` are active under it. Each network has
    its own ``scaler``, ``optimizer``, ``schedule`` and ``batch_size`` beside its keys, and one of each other family of
    preprocessing that has more members than the one that does nothing.
    """
    import ConfigSpace

    space = ConfigSpace.ConfigurationSpace(seed=seed)
    names = [member.name for member in (*choices.networks, *choices.classic)]
    root = ConfigSpace.CategoricalHyperparameter(ROOT, names)
    space.add(root)
    for model in choices.classic:
        _add(space, f"classic.{model.name}", model.space, root, [model.name])
    for network in choices.networks:
        prefix = f"network.{network.name}"
        _add(space, prefix, network.space, root, [network.name])
        batch_size = network.training_space.get("batch_size", choices.batch_size)
        _add(space, prefix, {"batch_size": batch_size}, root, [network.name])
        for label, members in _training_families(choices, network).items():
            options = [member.name for member in members]
            choice = ConfigSpace.CategoricalHyperparameter(f"{prefix}.{label}", options, default_value=options[0])
            space.add(choice)
            space.add(ConfigSpace.InCondition(choice, root, [network.name]))
            for member in members:
                own = arguments(network.training_space, f"{label}.{member.name}")
                dimensions = {key: own.get(key, dimension) for key, dimension in member.space.items()}
                _add(space, f"{prefix}.{label}.{member.name}", dimensions, choice, [member.name])
    return space


def _training_families(choices: Choices, network: type[Network]) -> dict[str, tuple[type[Component], ...]]:
    """The members that a network is trained with: those of the choices that its own space allows, its default first.

    Where it allows none of them it is trained with all: the user's choice goes before the network's.
    """
    families: dict[str, tuple[type[Component], ...]] = {
        **choices.preprocessing,
        "optimizer": choices.optimizers,
        "schedule": choices.schedules,
    }
    for label, members in families.items():
        own = network.training_space.get(label)
        if isinstance(own, Choice):
            allowed = tuple(member for member in members if member.name in own.options)
            families[label] = tuple(sorted(allowed, key=lambda member: member.name != own.default)) or members
    # A step that does nothing and has no alternative is not named; that of a scaler always was.
    return {k: members for k, members in families.items() if k == "scaler" or members != (DEFAULTS.get(k),)}


def arguments(config: Mapping[str, T], prefix: str) -> dict[str, T]:
    """The keyword arguments under a prefix: ``network.mlp.n_layers`` gives ``n_layers`` for ``network.mlp``."""
    start = f"{prefix}."
    return {key[len(start) :]: value for key, value in config.items() if key.startswith(start)}


def _add(
    space: ConfigSpace.ConfigurationSpace,
    prefix: str,
    dimensions: Mapping[str, Dimension],
    parent: Hyperparameter[Any, Any],
    values: list[str],
) -> None:
    """Adds a component's dimensions, active where the parent takes one of the values, and under their own condition."""
    import ConfigSpace

    added: dict[str, Hyperparameter[Any, Any]] = {}
    for key, dimension in dimensions.items():
        hyperparameter = _hyperparameter(f"{prefix}.{key}" if prefix else key, dimension)
        space.add(hyperparameter)
        added[key] = hyperparameter
    for key, dimension in dimensions.items():
        if dimension.when is None:
            space.add(ConfigSpace.InCondition(added[key], parent, values))
        else:
            # The sibling is active under the parent only, so one condition is enough.
            sibling = added[dimension.when.name]
            space.add(ConfigSpace.InCondition(added[key], sibling, list(dimension.when.values)))


def _hyperparameter(name: str, dimension: Dimension) -> Hyperparameter[Any, Any]:
    import ConfigSpace

    if isinstance(dimension, Choice):
        return ConfigSpace.CategoricalHyperparameter(name, dimension.options, default_value=dimension.default)
    if isinstance(dimension, Integer):
        return ConfigSpace.UniformIntegerHyperparameter(
            name, dimension.low, dimension.high, default_value=dimension.default, log=dimension.log
        )
    assert isinstance(dimension, Real)
    return ConfigSpace.UniformFloatHyperparameter(
        name, dimension.low, dimension.high, default_value=dimension.default, log=dimension.log
    )
