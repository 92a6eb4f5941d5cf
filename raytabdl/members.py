"""What the members of a family must hold to, seen before a run begins."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence

from raytabdl.component import Choice, Component, Integer, Space
from raytabdl.exceptions import SettingError
from raytabdl.updates import unknown


def dimensions(member: type[Component], *, full: bool = True) -> Space:
    """The dimensions of a member, those that only the full preset searches included."""
    return {**member.space, **member.full_space} if full else member.space


def check_family(what: str, members: Sequence[type[Component]]) -> None:
    """Raises SettingError where a family has no member, two of one name, or one whose constructor lacks a keyword."""
    names = [member.name for member in members]
    if not names:
        raise SettingError(f"choices must hold at least one {what}, got none")
    if len(set(names)) < len(names):
        raise SettingError(f"the names of each {what} must differ, got {names}")
    for member in members:
        _check_member(member)


def _check_member(member: type[Component]) -> None:
    known = dimensions(member)
    parameters = inspect.signature(member).parameters.values()
    keywords = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for key, dimension in known.items():
        if key not in keywords and not takes_any:
            raise SettingError(
                f"the constructor of {member.__name__} must take each key of its space as a keyword, and lacks "
                f"{key!r}; it takes {sorted(keywords)}"
            )
        if dimension.when is not None:
            parent = known.get(dimension.when.name)
            if not isinstance(parent, Choice | Integer) or not any(map(parent.takes, dimension.when.values)):
                raise SettingError(
                    f"{key!r} of {member.__name__} must be active under a value of a Choice or an Integer, got "
                    f"{dimension.when}, "
                    f"where {dimension.when.name!r} is {parent}"
                )
    for forbidden in member.forbidden:
        for key in forbidden.values:
            if key not in known:
                raise unknown(f"what {member.__name__} forbids", key, known)


def check_names(what: str, names: set[str], members: Iterable[type[Component]]) -> None:
    """Raises SettingError where a name is none of the members'."""
    known = {member.name for member in members}
    if not names <= known:
        raise SettingError(f"{what} must be some of {sorted(known)}, got {sorted(names - known)}")
