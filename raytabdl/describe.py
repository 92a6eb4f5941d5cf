"""A search space as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raytabdl.component import Choice, ConfigValue, Dimension, Integer
from raytabdl.space import Choices, hyperparameters

if TYPE_CHECKING:
    import pandas as pd


def describe(choices: Choices) -> pd.DataFrame:
    """One row for each hyperparameter: its name, kind, values, default, whether it is log, and where it is active.

    >>> table = describe(Choices().only(["mlp"])).set_index("name")
    >>> table.loc["network.mlp.max_dropout", ["values", "active"]].tolist()
    ['0.02 to 0.6', 'network.mlp.use_dropout = True']
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "name": name,
            "kind": _kind(each.dimension),
            "values": _values(each.dimension),
            "default": _text(each.dimension.default),
            "log": not isinstance(each.dimension, Choice) and each.dimension.log,
            "active": f"{each.parent} = {' or '.join(map(_text, each.values))}" if each.parent else "always",
        }
        for name, each in hyperparameters(choices).items()
    )


def _kind(dimension: Dimension) -> str:
    if isinstance(dimension, Choice):
        return "choice" if len(dimension.options) > 1 else "fixed"
    return "integer" if isinstance(dimension, Integer) else "real"


def _values(dimension: Dimension) -> str:
    if isinstance(dimension, Choice):
        return ", ".join(map(_text, dimension.options))
    return f"{_text(dimension.low)} to {_text(dimension.high)}"


def _text(value: ConfigValue) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
