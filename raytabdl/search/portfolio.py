"""Configurations to start with, and how they are made to fit a space."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ConfigSpace import ConfigurationSpace, UniformFloatHyperparameter, UniformIntegerHyperparameter
from ConfigSpace.hyperparameters import Hyperparameter

from raytabdl.component import Config, ConfigValue
from raytabdl.search.vectors import to_config

logger = logging.getLogger(__name__)

ORIGINS = ("hand-chosen", "learned", "earlier run")


@dataclass(frozen=True)
class Member:
    """A configuration of a portfolio; the note says what it is good for."""

    config: Config
    note: str = ""


@dataclass(frozen=True)
class Portfolio:
    """Configurations that are known to work, in the order in which to try them, and where they come from."""

    origin: str
    members: tuple[Member, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.origin not in ORIGINS:
            raise ValueError(f"origin must be one of {ORIGINS}, got {self.origin!r}")

    @classmethod
    def read(cls, path: Path) -> Portfolio:
        """The portfolio in a JSON file ``{"origin", "provenance", "members": [{"note", "config"}, ...]}``."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            members = tuple(Member(config=dict(m["config"]), note=m.get("note", "")) for m in content["members"])
            return cls(content["origin"], members, content.get("provenance", {}))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} must hold a portfolio (origin, members with a config each): {error!r}") from error

    def to_json(self) -> dict[str, Any]:
        """What ``read`` reads."""
        members = [{"note": member.note, "config": _plain(member.config)} for member in self.members]
        return {"origin": self.origin, "provenance": dict(self.provenance), "members": members}


def _plain(config: Config) -> dict[str, ConfigValue]:
    """The configuration with Python's numbers in the place of numpy's."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in config.items()}


def first_configurations(portfolio: Portfolio, space: ConfigurationSpace, *, root: str = "model") -> list[Config]:
    """The members that the space contains, made to fit, in order, each once."""
    projected = (project(member.config, space, root=root) for member in portfolio.members)
    return list({frozenset(config.items()): config for config in projected if config is not None}.values())


def placed(portfolio: Portfolio, space: ConfigurationSpace, *, root: str = "model") -> list[tuple[Member, str]]:
    """Each member with what becomes of it in a space, in words: that it fits, is changed, or is left out."""
    return [(member, _fate(member.config, project(member.config, space, root=root))) for member in portfolio.members]


def misfits(portfolio: Portfolio, space: ConfigurationSpace, *, root: str = "model") -> str:
    """How many members a space does not hold as they are, in words; empty where it holds them all."""
    fates = [fate for _, fate in placed(portfolio, space, root=root)]
    n_left_out, n_changed = fates.count("left out"), sum(fate.startswith("changed") for fate in fates)
    if not n_left_out + n_changed:
        return ""
    return (
        f"of the {len(fates)} members of the portfolio, left out as the space lacks their family or forbids them: "
        f"{n_left_out}; changed to fit it: {n_changed}; raytabdl portfolio show says which"
    )


def _fate(config: Config, projected: Config | None) -> str:
    if projected is None:
        return "left out"
    changed = sorted(name for name, value in config.items() if not _is_same(value, projected.get(name)))
    return f"changed: {', '.join(changed)}" if changed else "fits"


def _is_same(value: ConfigValue, fitted: ConfigValue | None) -> bool:
    """Equal, but for the last digits, which the way to a vector and back may cost a number."""
    if isinstance(value, float) and isinstance(fitted, float):
        return math.isclose(value, fitted, rel_tol=1e-9)
    return value == fitted


def project(config: Config, space: ConfigurationSpace, *, root: str = "model") -> Config | None:
    """The legal configuration of the space that is next to the given one.

    Unknown and inactive names are dropped; what is missing, of another type or a choice that the space lacks
    takes the default; a number out of range is clipped to the range. None where the space lacks the family
    (the value of ``root``) or forbids the result.
    """
    if root not in config or not space[root].legal_value(config[root]):
        return None
    vector = np.full(len(space), np.nan)
    for index, name in enumerate(space.at):  # parents stand before their children
        if all(condition.satisfied_by_vector(vector) for condition in space.parent_conditions_of[name]):
            hyperparameter = space[name]
            value = _fitted(config[name], hyperparameter) if name in config else hyperparameter.default_value
            vector[index] = hyperparameter.to_vector(value)
    if any(clause.is_forbidden_vector(vector) for clause in space.forbidden_clauses):
        logger.info("left out of the portfolio, as the space forbids it: %s", dict(config))
        return None
    return to_config(vector, space)


def _fitted(value: ConfigValue, hyperparameter: Hyperparameter[Any, Any]) -> ConfigValue:
    fitted: ConfigValue = hyperparameter.default_value
    if isinstance(hyperparameter, UniformFloatHyperparameter | UniformIntegerHyperparameter):
        if isinstance(value, int | float) and not isinstance(value, bool):
            clipped = min(max(value, hyperparameter.lower), hyperparameter.upper)
            fitted = round(clipped) if isinstance(hyperparameter, UniformIntegerHyperparameter) else clipped
    elif hyperparameter.legal_value(value):
        fitted = value
    if fitted != value:
        logger.info("portfolio: %s = %r does not fit the space and becomes %r", hyperparameter.name, value, fitted)
    return fitted
