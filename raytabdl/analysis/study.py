"""Configurations and their losses, made fit to be analysed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ConfigSpace import ConfigurationSpace
from numpy.typing import NDArray

from raytabdl.component import Config
from raytabdl.exceptions import DataError
from raytabdl.search.vectors import Vectors, to_vectors

MIN_CONFIGURATIONS = 10
"""From fewer a forest learns nothing that could be told from noise."""


@dataclass(frozen=True)
class Study:
    """Configurations with a finite loss each.

    ``vectors`` has ConfigSpace's form, shape (n, len(space)): values in [0, 1], category codes, NaN where inactive.
    """

    space: ConfigurationSpace
    vectors: Vectors
    losses: NDArray[np.float64]

    @classmethod
    def of(cls, space: ConfigurationSpace, configs: Sequence[Config], losses: Sequence[float]) -> Study:
        """The configurations that did not fail, with a warning that counts those that did.

        Raises DataError where too few are left, or where all have the same loss.
        """
        all_losses = np.asarray(losses, dtype=np.float64)
        if len(configs) != len(all_losses):
            raise DataError(f"there must be a loss for each configuration, got {len(configs)=}, {len(all_losses)=}")
        usable = np.flatnonzero(np.isfinite(all_losses)).tolist()
        n_failed = len(all_losses) - len(usable)
        if len(usable) < MIN_CONFIGURATIONS:
            raise DataError(
                f"at least {MIN_CONFIGURATIONS} configurations must have a finite loss, got {len(usable)} of "
                f"{len(configs)}; evaluate more of them"
            )
        if np.ptp(all_losses[usable]) == 0:
            raise DataError(
                f"losses must differ, but all {len(usable)} configurations have {all_losses[usable[0]]:g}; "
                "take another metric or budget"
            )
        if n_failed:
            warnings.warn(
                f"{n_failed} of {len(configs)} configurations failed and are left out", UserWarning, stacklevel=2
            )
        try:
            vectors = to_vectors([configs[index] for index in usable], space)
        except ValueError as error:
            raise DataError(f"the configurations must belong to the space: {error}") from error
        return cls(space, vectors, all_losses[usable])

    @property
    def incumbent(self) -> Vectors:
        """The vector with the lowest loss, the first of several."""
        vector: Vectors = self.vectors[self.losses.argmin()]
        return vector
