"""From the columns of a table to one vector a row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

MAX_ONE_HOT = 4
D_EMBEDDING = (4, 8, 16)


class ColumnEmbedding(nn.Module):
    """The numeric columns beside a code of each categorical one; ``d_out`` values a row.

    A column with up to 4 levels is one-hot. In others each level has a learned vector: of 4 values up to 16 levels,
    of 8 up to 64, of 16 above. Level 0, which stands for categories unseen in training, is the zero vector in both.
    """

    def __init__(self, d_num: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        n_levels = [cardinality - 1 for cardinality in cardinalities]  # beside the unseen one
        columns: dict[int, list[int]] = {}  # by size of the vectors, 0 for one-hot
        for j, n in enumerate(n_levels):
            columns.setdefault(_d_embedding(n), []).append(j)
        self.codes = nn.ModuleList(
            _Learned(members, [n_levels[j] for j in members], d) if d else _OneHot(members, n_levels)
            for d, members in sorted(columns.items())
        )
        self.d_out = d_num + sum(d * len(members) for d, members in columns.items())
        self.d_out += sum(n_levels[j] for j in columns.get(0, []))
        if self.d_out == 0:
            raise ValueError(f"there must be a numeric column or a level of a category, got {d_num=}, {cardinalities=}")

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        if not self.codes:
            return x_num
        return torch.cat([x_num, *(code(x_cat) for code in self.codes)], dim=1)


class _OneHot(nn.Module):
    """One value for each level but 0 of the given columns, side by side."""

    columns: Tensor
    levels: Tensor

    def __init__(self, columns: Sequence[int], n_levels: Sequence[int]) -> None:
        super().__init__()
        pairs = [(j, level) for j in columns for level in range(1, n_levels[j] + 1)]
        self.register_buffer("columns", torch.tensor([j for j, _ in pairs], dtype=torch.int64), persistent=False)
        self.register_buffer("levels", torch.tensor([level for _, level in pairs]), persistent=False)

    def forward(self, x_cat: Tensor) -> Tensor:
        return (x_cat.index_select(1, self.columns) == self.levels).float()


class _Learned(nn.Module):
    """Vectors of one size for the levels of the given columns, in one table, so that one look-up serves all."""

    columns: Tensor
    offsets: Tensor

    def __init__(self, columns: Sequence[int], n_levels: Sequence[int], d: int) -> None:
        super().__init__()
        n_before = [sum(n_levels[:i]) for i in range(len(n_levels))]
        self.register_buffer("columns", torch.tensor(columns), persistent=False)
        self.register_buffer("offsets", torch.tensor(n_before), persistent=False)
        # Row 0 is the unseen level of every column: padding_idx keeps it at zero.
        self.table = nn.Embedding(1 + sum(n_levels), d, padding_idx=0)
        with torch.no_grad():
            self.table.weight.div_(math.sqrt(d))  # vectors of length about 1, as in one-hot

    def forward(self, x_cat: Tensor) -> Tensor:
        codes = x_cat.index_select(1, self.columns)
        vectors: Tensor = self.table((codes + self.offsets) * (codes > 0))
        return vectors.flatten(1)  # (batch, n_columns, d) -> (batch, n_columns * d)


def _d_embedding(n_levels: int) -> int:
    if n_levels <= MAX_ONE_HOT:
        return 0
    return next((d for d in D_EMBEDDING if d * d >= n_levels), D_EMBEDDING[-1])
