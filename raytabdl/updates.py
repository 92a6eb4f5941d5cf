"""Changes of a search space by name: another range, scale, default or options, or one fixed value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from raytabdl.component import Choice, ConfigValue, Dimension, Integer, Real
from raytabdl.exceptions import SettingError

Update: TypeAlias = Dimension | ConfigValue | Mapping[str, object]
"""A whole dimension; or the value to fix it to; or some of ``low``, ``high``, ``log``, ``default`` and ``options``."""


def updated(name: str, own: Dimension, current: Dimension, update: Update) -> Dimension:
    """The dimension after an update; ``own`` is that of the component, ``current`` may have been updated before.

    It stays active when it was. A default that no longer fits becomes the nearest value, or the first option.

    >>> updated("depth", Integer(4, 8, 6), Integer(4, 8, 6), {"high": 5})
    Integer(low=4, high=5, default=5, log=False, when=None)
    >>> updated("depth", Integer(4, 8, 6), Integer(4, 8, 6), 7)
    Choice(options=(7,), default=7, when=None)
    """
    if isinstance(update, Real | Integer | Choice):
        return _of_kind(name, own, replace(update, when=own.when))
    if isinstance(update, Mapping):
        # What was fixed before opens again in the component's own range.
        return _of_kind(name, own, _changed(name, current if type(current) is type(own) else own, update))
    if not isinstance(update, bool | int | float | str):
        raise SettingError(
            f"the update of {name} must be one value or a mapping of low, high, log, default, options; got {update!r}"
        )
    value = _number(name, "its value", own, update) if isinstance(own, Real | Integer) else update
    return _of_kind(name, own, Choice((value,), value, own.when))


def read_updates(path: Path) -> dict[str, Update]:
    """The updates in a YAML file, by name: ``network.mlp.n_layers: {high: 8}``, ``network.mlp.scaler: robust``."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingError(f"{path} cannot be read as YAML: {error}") from error
    if not (isinstance(content, dict) and all(isinstance(name, str) for name in content)):
        raise SettingError(f"{path} must map names of hyperparameters to updates, got {content!r}")
    return content


def unknown(what: str, given: object, known: Collection[str]) -> SettingError:
    """What is raised for a name that there is not: with the names that are close, or else with all or how many."""
    close = get_close_matches(str(given), known, n=3, cutoff=0.7)
    if close:
        return SettingError(f"{what} must be a known one, got {given!r}; close to it are {', '.join(close)}")
    listed = ", ".join(sorted(known)) if len(known) <= 20 else f"{len(known)} names; `raytabdl space` lists them"
    return SettingError(f"{what} must be a known one, got {given!r}; known are {listed}")


def _changed(name: str, base: Dimension, changes: Mapping[str, object]) -> Dimension:
    numeric = isinstance(base, Real | Integer)
    known = ("options", "default", *(("low", "high", "log") if numeric else ()))
    for key in changes:
        if key not in known:
            raise unknown(f"what is updated of {name}", key, known)
    if "options" in changes or isinstance(base, Choice):
        if extra := changes.keys() & {"low", "high", "log"}:
            raise SettingError(f"{name} must have options or a range, got options and {sorted(extra)}")
        return _options(name, base, changes)
    low, high, default = (_number(name, key, base, changes.get(key, getattr(base, key))) for key in _RANGE)
    log = changes.get("log", base.log)
    if not isinstance(log, bool):
        raise SettingError(f"log of {name} must be true or false, got {log!r}")
    if "default" not in changes:
        default = min(max(default, low), high)
    try:
        if isinstance(base, Integer):
            return Integer(int(low), int(high), int(default), log, base.when)
        return Real(low, high, default, log, base.when)
    except ValueError as error:
        raise SettingError(f"the range of {name} {error}") from error


_RANGE = ("low", "high", "default")


def _options(name: str, base: Dimension, changes: Mapping[str, object]) -> Choice:
    given = changes.get("options", base.options if isinstance(base, Choice) else ())
    if not isinstance(given, list | tuple) or not given:
        raise SettingError(f"options of {name} must be a list of at least one value, got {given!r}")
    options = tuple(_number(name, "an option", base, v) if isinstance(base, Real | Integer) else v for v in given)
    default = changes.get("default", base.default if base.default in options else options[0])
    if default not in options:
        raise SettingError(f"default of {name} must be one of {list(options)}, got {default!r}")
    return Choice(options, options[options.index(default)], base.when)


def _number(name: str, key: str, base: Real | Integer, value: object) -> float | int:
    """YAML takes 1e-4, without a point, for a string."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or (isinstance(base, Integer) and not number.is_integer()):
        kind = "an integer" if isinstance(base, Integer) else "a number"
        raise SettingError(f"{key} of {name} must be {kind}, got {value!r}")
    return int(number) if isinstance(base, Integer) else number


def _of_kind(name: str, own: Dimension, new: Dimension) -> Dimension:
    """The new dimension, once its values are such that the constructor, which takes those of its own, can take."""
    if isinstance(own, Choice):
        if not isinstance(new, Choice):
            raise SettingError(f"{name} must stay a Choice, got {new}")
        # A number may be one that is not among the options; what a name stands for is known to the component only.
        names = [option for option in new.options if isinstance(option, str | bool) and option not in own.options]
        kinds = {type(option) for option in own.options}
        others = [option for option in new.options if type(option) not in kinds]
        if names or others:
            raise SettingError(f"options of {name} must be of {list(own.options)}, got {(names or others)[0]!r}")
    elif isinstance(own, Integer) and isinstance(new, Real):
        raise SettingError(f"{name} must stay an Integer, got {new}")
    elif isinstance(new, Choice):
        numbers = tuple(_number(name, "an option", own, option) for option in new.options)
        return Choice(numbers, numbers[new.options.index(new.default)], new.when)
    return new
