"""Real tables for the demo and the tests, under the licences that README.md beside this file names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """What there is to know of a bundled table without reading it."""

    name: str
    task: Literal["binary", "multiclass", "regression"]
    target: str
    licence: str
    attribution: str
    changes: str

    @property
    def path(self) -> Path:
        return Path(__file__).with_name(f"{self.name}.parquet")


_DATASETS = (
    Dataset(
        name="adult",
        task="binary",
        target="class",
        licence="CC BY 4.0",
        attribution="Becker, B. and Kohavi, R. (1996). Adult. UCI Machine Learning Repository. "
        "https://doi.org/10.24432/C5XW20",
        changes="training and test parts joined, '?' read as missing, stored as parquet",
    ),
    Dataset(
        name="car",
        task="multiclass",
        target="class",
        licence="CC BY 4.0",
        attribution="Bohanec, M. (1988). Car Evaluation. UCI Machine Learning Repository. "
        "https://doi.org/10.24432/C5JP48",
        changes="column names capitalised, stored as parquet",
    ),
    Dataset(
        name="airfoil_self_noise",
        task="regression",
        target="scaled_sound_pressure",
        licence="CC BY 4.0",
        attribution="Brooks, T., Pope, D. and Marcolini, M. (1989). Airfoil Self-Noise. "
        "UCI Machine Learning Repository. https://doi.org/10.24432/C5VW2C",
        changes="columns named, stored as parquet",
    ),
)


def names() -> tuple[str, ...]:
    """The bundled tables.

    >>> names()
    ('adult', 'car', 'airfoil_self_noise')
    """
    return tuple(dataset.name for dataset in _DATASETS)


def describe(name: str) -> Dataset:
    """The task, the target column, the licence and the attribution of a bundled table."""
    for dataset in _DATASETS:
        if dataset.name == name:
            return dataset
    raise ValueError(f"the bundled tables are {', '.join(names())}; got {name!r}")


def load(name: str) -> tuple[pd.DataFrame, pd.Series]:
    """The features and the target, rows in source order: shuffle before taking a part."""
    import pandas as pd

    dataset = describe(name)
    table = pd.read_parquet(dataset.path)
    return table.drop(columns=dataset.target), table[dataset.target]
