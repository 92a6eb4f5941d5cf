"""Automated deep learning for tables, on Ray Tune.

>>> from raytabdl import TabularClassifier
>>> clf = TabularClassifier(time_limit=60, metric="log_loss", seed=0)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raytabdl.estimators import Figures, TabularClassifier, TabularRegressor
    from raytabdl.validation import TimeOrder

__version__ = "0.1.0"
__all__ = ["Figures", "TabularClassifier", "TabularRegressor", "TimeOrder", "__version__"]


def __getattr__(name: str) -> object:
    # The estimators bring pandas, and a fit torch and Ray: a second or more that `import raytabdl` does not cost.
    if name in __all__:
        return getattr(import_module("raytabdl.validation" if name == "TimeOrder" else "raytabdl.estimators"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
