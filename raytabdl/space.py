"""What is searched: the components to choose from, as one conditional ConfigSpace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from raytabdl.classic import CLASSIC
from raytabdl.component import Choice, Classic, Component, ConfigValue, Dimension, Forbidden, Integer, Network, Space
from raytabdl.configspace import Hyperparameter, build
from raytabdl.exceptions import SettingError
from raytabdl.members import check_family, check_names, dimensions
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
from raytabdl.training import (
    OPTIMIZERS,
    SCHEDULES,
    Augmentation,
    Averaging,
    Objective,
    Optimizer,
    Schedule,
    Stopping,
)
from raytabdl.updates import Update, read_updates, unknown, updated

if TYPE_CHECKING:
    import ConfigSpace

ROOT = "model"
"""The hyperparameter that names the network or the classic model; all others are active under some of its values."""

MODELS = ("networks", "classic")
FAMILIES = {
    "levels": "levels",
    "encoder": "encoders",
    "scaler": "scalers",
    "imputer": "imputers",
    "features": "features",
    "resampler": "resamplers",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "objective": "objectives",
    "augmentation": "augmentations",
    "averaging": "averagings",
    "stopping": "stoppings",
}
"""What each network is trained with: its hyperparameter, and the members in ``Choices``."""

_PLAIN: Mapping[str, type[Component]] = {
    **{label: member for label, member in DEFAULTS.items() if label != "scaler"},
    "objective": Objective,
    "augmentation": Augmentation,
    "averaging": Averaging,
    "stopping": Stopping,
}
"""The member of a family that changes nothing: where it has no alternative a configuration does not name it."""

C = TypeVar("C", bound=Component)
T = TypeVar("T")


@dataclass(frozen=True)
class Choices:
    """The families that a search draws its pipelines from; a member is a class, of the package or the user's own.

    ``updates`` are set by ``updated``, which checks them. Names of ``forbidden`` are whole, as in a configuration.
    """

    networks: tuple[type[Network], ...] = NETWORKS
    classic: tuple[type[Classic], ...] = CLASSIC
    levels: tuple[type[Step], ...] = (AllLevels,)
    encoders: tuple[type[Encoder], ...] = (Codes,)
    scalers: tuple[type[Scaler], ...] = SCALERS
    imputers: tuple[type[Step], ...] = (ZeroImputer,)
    features: tuple[type[Step], ...] = (Keep,)
    resamplers: tuple[type[Resampler], ...] = (NoResampling,)
    optimizers: tuple[type[Optimizer], ...] = OPTIMIZERS
    schedules: tuple[type[Schedule], ...] = SCHEDULES
    objectives: tuple[type[Objective], ...] = (Objective,)
    augmentations: tuple[type[Augmentation], ...] = (Augmentation,)
    averagings: tuple[type[Averaging], ...] = (Averaging,)
    stoppings: tuple[type[Stopping], ...] = (Stopping,)
    batch_size: Integer = field(default_factory=lambda: Integer(32, 512, 128, log=True))
    full: bool = False
    """Whether the dimensions in ``full_space`` are searched as well."""
    updates: Mapping[str, Dimension] = field(default_factory=dict)
    forbidden: tuple[Forbidden, ...] = ()

    def __post_init__(self) -> None:
        check_family("network or classic model", (*self.networks, *self.classic))
        if self.networks:
            for label in FAMILIES:
                check_family(label, self.family(label))

    def family(self, label: str) -> tuple[type[Component], ...]:
        """The members of what a network is trained with, by the name of its hyperparameter, such as ``scaler``."""
        members: tuple[type[Component], ...] = getattr(self, FAMILIES[label])
        return members

    def only(self, models: Iterable[str] | None = None, **families: Iterable[str]) -> Choices:
        """The same choices with only the named networks and classic models, and the named members of other families.

        >>> [scaler.name for scaler in Choices().only(["mlp"], scalers=["robust"]).scalers]
        ['robust']
        """
        return self._select(models, families, keep=True)

    def without(self, models: Iterable[str] = (), **families: Iterable[str]) -> Choices:
        """The same choices without the named networks, classic models and members of other families."""
        return self._select(models, families, keep=False)

    def updated(self, updates: Mapping[str, Update]) -> Choices:
        """The same choices with another range, scale, default or options of some hyperparameters, or one value.

        >>> changed = Choices().updated({"network.mlp.n_layers": {"high": 8}, "network.mlp.scaler": "robust"})
        >>> changed.updates["network.mlp.n_layers"]
        Integer(low=2, high=8, default=4, log=False, when=None)
        """
        own = {hyperparameter.name: hyperparameter.dimension for hyperparameter in _own(self)}
        new = dict(self.updates)
        for name, update in updates.items():
            if name == ROOT:
                raise SettingError(f"{ROOT} must not be updated: only(...) and without(...) choose among the models")
            if name not in own:
                raise unknown("the hyperparameter to update", name, own)
            new[name] = updated(name, own[name], new.get(name, own[name]), update)
        return replace(self, updates=new)

    def updated_from(self, path: str | Path) -> Choices:
        """The same choices with the updates of a YAML file: ``network.mlp.n_layers: {high: 8}`` in a line."""
        return self.updated(read_updates(Path(path)))

    def _select(self, models: Iterable[str] | None, families: Mapping[str, Iterable[str]], *, keep: bool) -> Choices:
        members: dict[str, tuple[type[Component], ...]] = {
            family: getattr(self, family) for family in (*MODELS, *FAMILIES.values())
        }
        wanted: dict[str, set[str]] = {}
        if models is not None:
            names = set(models)
            check_names("models", names, (*self.networks, *self.classic))
            wanted = {family: names for family in MODELS}
        for family, own in families.items():
            if family not in FAMILIES.values():
                raise unknown("the family", family, tuple(FAMILIES.values()))
            wanted[family] = set(own)
            check_names(family, wanted[family], members[family])
        selected: dict[str, Any] = {
            family: tuple(member for member in members[family] if (member.name in names) is keep)
            for family, names in wanted.items()
        }
        return replace(self, **selected)


def named(members: Iterable[type[C]], name: ConfigValue) -> type[C]:
    """The member of that name."""
    known = {member.name: member for member in members}
    if name not in known:
        raise SettingError(f"must be one of {sorted(known)}, got {name!r}")
    return known[str(name)]


def arguments(config: Mapping[str, T], prefix: str) -> dict[str, T]:
    """The keyword arguments under a prefix: ``network.mlp.n_layers`` gives ``n_layers`` for ``network.mlp``."""
    start = f"{prefix}."
    return {key[len(start) :]: value for key, value in config.items() if key.startswith(start)}


def hyperparameters(choices: Choices) -> dict[str, Hyperparameter]:
    """All that can be active, by name and with its updates.

    ``model`` is the root; ``network.<name>.<key>`` and ``classic.<name>.<key>`` are active under it. Each network has
    its own ``scaler``, ``optimizer``, ``schedule`` and ``batch_size`` beside its keys, and one of each other family of
    preprocessing that has more members than the one that does nothing.
    """
    known = {own.name: replace(own, dimension=choices.updates.get(own.name, own.dimension)) for own in _own(choices)}

    def active_under(name: str) -> tuple[ConfigValue, ...]:
        """The values of the parent that an update may have left, unless the parent is never active itself."""
        parent = known[known[name].parent]
        assert isinstance(parent.dimension, Choice | Integer)
        if parent.parent and not active_under(parent.name):
            return ()
        return tuple(filter(parent.dimension.takes, known[name].values))

    root, *others = known
    possible = {name: replace(known[name], values=active_under(name)) for name in others}
    return {root: known[root]} | {name: each for name, each in possible.items() if each.values}


def _own(choices: Choices) -> Iterator[Hyperparameter]:
    """Each hyperparameter as the components declare it."""
    names = tuple(member.name for member in (*choices.networks, *choices.classic))
    yield Hyperparameter(ROOT, Choice(names, names[0]))
    for model in choices.classic:
        yield from _below(f"classic.{model.name}", dimensions(model, full=choices.full), ROOT, model.name)
    for network in choices.networks:
        prefix = f"network.{network.name}"
        yield from _below(prefix, dimensions(network, full=choices.full), ROOT, network.name)
        batch_size = network.training_space.get("batch_size", choices.batch_size)
        yield Hyperparameter(f"{prefix}.batch_size", batch_size, ROOT, (network.name,))
        for label, members in _training_families(choices, network).items():
            options = tuple(member.name for member in members)
            choice = Hyperparameter(f"{prefix}.{label}", Choice(options, options[0]), ROOT, (network.name,))
            yield choice
            for member in members:
                own = arguments(network.training_space, f"{label}.{member.name}")
                shared = dimensions(member, full=choices.full)
                ranges = {key: own.get(key, dimension) for key, dimension in shared.items()}
                yield from _below(f"{choice.name}.{member.name}", ranges, choice.name, member.name)


def _below(prefix: str, space: Space, parent: str, value: str) -> Iterator[Hyperparameter]:
    """A component's dimensions, active where the parent takes the value, or under their own condition."""
    for key, dimension in space.items():
        name = f"{prefix}.{key}"
        if dimension.when is None:
            yield Hyperparameter(name, dimension, parent, (value,))
        else:
            # The sibling is active under the parent only, so one condition is enough.
            yield Hyperparameter(name, dimension, f"{prefix}.{dimension.when.name}", dimension.when.values)


def _training_families(choices: Choices, network: type[Network]) -> dict[str, tuple[type[Component], ...]]:
    """The members that a network is trained with: those of the choices that its own space allows, its default first.

    Where it allows none of them it is trained with all: the user's choice goes before the network's.
    """
    families = {label: choices.family(label) for label in FAMILIES}
    for label, members in families.items():
        own = network.training_space.get(label)
        if isinstance(own, Choice):
            allowed = tuple(member for member in members if member.name in own.options)
            families[label] = tuple(sorted(allowed, key=lambda member: member.name != own.default)) or members
    return {label: members for label, members in families.items() if members != (_PLAIN.get(label),)}


def configuration_space(choices: Choices, seed: int = 0) -> ConfigSpace.ConfigurationSpace:
    """All choices as one conditional space, without what is forbidden."""
    return build(hyperparameters(choices), _forbidden(choices), seed)


def _forbidden(choices: Choices) -> Iterator[Forbidden]:
    """What the choices and their members forbid, by whole names."""
    known = {own.name for own in _own(choices)}
    for forbidden in choices.forbidden:
        for name in forbidden.values:
            if name not in known:
                raise unknown("what is forbidden", name, known)
        yield forbidden
    for model in choices.classic:
        yield from _forbidden_below(f"classic.{model.name}", model)
    for network in choices.networks:
        prefix = f"network.{network.name}"
        yield from _forbidden_below(prefix, network)
        for label, members in _training_families(choices, network).items():
            for member in members:
                yield from _forbidden_below(f"{prefix}.{label}.{member.name}", member)


def _forbidden_below(prefix: str, member: type[Component]) -> Iterator[Forbidden]:
    for forbidden in member.forbidden:
        yield Forbidden({f"{prefix}.{key}": values for key, values in forbidden.values.items()})
