"""Which of the packages that matter are installed, in which versions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "ray",
    "torch",
    "ConfigSpace",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "scikit-learn",
    "catboost",
    "lightgbm",
    "safetensors",
)
"""What the results of a run depend on."""


def installed(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """The version of each package that is installed, without importing it.

    >>> installed(("numpy", "no-such-package")).keys()
    dict_keys(['numpy'])
    """
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # of a package that is not there nothing is to be told
    return found
