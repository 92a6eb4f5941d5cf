"""A list of hyperparameters as one conditional ConfigSpace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raytabdl.component import Choice, ConfigValue, Dimension, Forbidden, Integer, Real
from raytabdl.exceptions import SettingError

if TYPE_CHECKING:
    # Workers build pipelines and no spaces: the import, with scipy.stats, would delay each of them by a second.
    import ConfigSpace
    from ConfigSpace.forbidden import ForbiddenClause, ForbiddenConjunction
    from ConfigSpace.hyperparameters import Hyperparameter as Searched


@dataclass(frozen=True)
class Hyperparameter:
    """A dimension by its whole name, active where its parent has one of the values; only the root has no parent."""

    name: str
    dimension: Dimension
    parent: str = ""
    values: tuple[ConfigValue, ...] = ()


def build(
    known: Mapping[str, Hyperparameter], all_forbidden: Iterable[Forbidden], seed: int
) -> ConfigSpace.ConfigurationSpace:
    """The space of the hyperparameters, without what is forbidden."""
    import ConfigSpace

    space = ConfigSpace.ConfigurationSpace(seed=seed)
    searched = {name: _searched(name, each.dimension) for name, each in known.items()}
    # All at once: the space is sorted anew and its default checked after each addition.
    space.add(
        *searched.values(),
        *(
            ConfigSpace.InCondition(searched[name], searched[each.parent], list(each.values))
            for name, each in known.items()
            if each.parent
        ),
    )
    for forbidden in all_forbidden:
        clause = _clause(space, forbidden)
        if clause is not None:
            try:
                space.add(clause)
            except ConfigSpace.exceptions.ForbiddenValueError as error:
                raise SettingError(
                    f"the defaults of a space must not be forbidden, got {dict(forbidden.values)}; change a default"
                ) from error
    return space


def _clause(
    space: ConfigSpace.ConfigurationSpace, forbidden: Forbidden
) -> ForbiddenClause | ForbiddenConjunction | None:
    """The clause in ConfigSpace's form, or None where the space has no such combination."""
    import ConfigSpace

    clauses = []
    for name, values in forbidden.values.items():
        if name not in space:
            return None
        if isinstance(space[name], ConfigSpace.UniformFloatHyperparameter):
            raise SettingError(
                f"what is forbidden must be values of a Choice or an Integer, got {name!r}, which is Real"
            )
        legal = [v for v in (values if isinstance(values, tuple) else (values,)) if space[name].legal_value(v)]
        if not legal:
            return None
        clauses.append(ConfigSpace.ForbiddenInClause(space[name], legal))
    return clauses[0] if len(clauses) == 1 else ConfigSpace.ForbiddenAndConjunction(*clauses)


def _searched(name: str, dimension: Dimension) -> Searched[Any, Any]:
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
