"""Which rows of its table a network is trained on in an epoch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PASS, EPOCH, SHUFFLE = 0, 1, 2
"""What a seed is drawn for: the order of a pass over the table, what an epoch draws, and the order of its rows."""

_N_PLACES = np.iinfo(np.uint16).max
"""Of a pass, among which the rows of a class are spread; those that fall on one come class by class."""


class Passes:
    """Epochs of ``n_rows`` rows each, which are stretches of one pass over the table after another.

    So every row is seen equally often. Each pass has an order of its own. An epoch that is a part of the table has the
    classes in their shares, give or take a row or two, and its rows are in an order of their own.
    """

    def __init__(self, y: Tensor, n_rows: int, seed: int) -> None:
        self._y = y
        self._n_rows = n_rows
        self._seed = seed
        self._is_stratified = n_rows < len(y) and not y.is_floating_point()
        self._pass = (-1, torch.empty(0, dtype=torch.int64))  # its number, and its order

    def rows(self, epoch: int) -> Tensor:
        """The rows of an epoch, counted from 0, in the order in which the network sees them."""
        parts: list[Tensor] = []
        begin, end = epoch * self._n_rows, (epoch + 1) * self._n_rows  # among all rows ever seen
        while begin < end:
            number, offset = divmod(begin, len(self._y))
            parts.append(self._order(number)[offset : offset + end - begin])
            begin += len(parts[-1])
        rows = torch.cat(parts)
        if not self._is_stratified:
            return rows
        # Along a pass the rows of a class are evenly spaced; the batches of an epoch have them as chance wills.
        return rows[torch.randperm(len(rows), generator=self._generator(SHUFFLE, epoch))]

    def _order(self, number: int) -> Tensor:
        if self._pass[0] != number:
            generator = self._generator(PASS, number)
            if self._is_stratified:
                self._pass = (number, stratified_order(self._y.cpu().numpy(), generator))
            else:
                self._pass = (number, torch.randperm(len(self._y), generator=generator))
        return self._pass[1]

    def _generator(self, purpose: int, number: int) -> torch.Generator:
        return torch.Generator().manual_seed(derived_seed(self._seed, purpose, number))


def stratified_order(y: NDArray[np.int64], generator: torch.Generator) -> Tensor:
    """All rows in a random order in which those of each class are evenly spaced; ``y``, (n,), holds the class codes."""
    order = torch.randperm(len(y), generator=generator).numpy()
    counts = np.bincount(y)
    # Codes and places are small integers: numpy sorts these in linear time.
    order = order[y.astype(np.min_scalar_type(len(counts)))[order].argsort(kind="stable")]
    offsets = torch.rand(len(counts), generator=generator).tolist()  # or rare classes would come all at once
    spaced = [(np.arange(n) + offset) / n for n, offset in zip(counts, offsets, strict=True) if n]
    places = (np.concatenate(spaced) * _N_PLACES).astype(np.uint16)
    return torch.from_numpy(order[places.argsort(kind="stable")])


def derived_seed(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1, np.uint32)[0])
