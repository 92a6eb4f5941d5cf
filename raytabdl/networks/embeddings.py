"""From the columns of a table to one vector a row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from raytabdl.component import Integer, Real, Space

MAX_ONE_HOT = 4
D_EMBEDDING = (4, 8, 16)

EMBEDDING: Space = {
    "max_one_hot": Integer(1, 300, default=MAX_ONE_HOT, log=True),
    "embedding_factor": Real(0.25, 4.0, default=1.0, log=True),
}


class ColumnEmbedding(nn.Module):
    """The numeric columns beside a code of each categorical one; ``d_out`` values a row."""

    def __init__(
        self,
        d_num: int,
        cardinalities: Sequence[int],
        *,
        max_one_hot: int = MAX_ONE_HOT,
        embedding_factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.categories = CategoryEmbedding(cardinalities, max_one_hot=max_one_hot, embedding_factor=embedding_factor)
        self.d_out = d_num + self.categories.d_out
        check_inputs(self.d_out, d_num, cardinalities)

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (..., d_num) and (..., d_cat) to (..., d_out)."""
        codes = self.categories(x_cat)
        return torch.cat([x_num, *codes], dim=-1) if codes else x_num


class CategoryEmbedding(nn.Module):
    """A code of each categorical column, ``d_out`` values a row in all; ``d_columns`` are those of each column in turn.

    A column with up to ``max_one_hot`` levels is one-hot. In others each level has a learned vector, of ``d_embedding``
    values, or by default of 4 values up to 16 levels, of 8 up to 64, of 16 above, times ``embedding_factor``. Level 0,
    which stands for categories unseen in training, is the zero vector in both. With ``signs`` two levels are -1 and 1
    in the place of one-hot.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        *,
        max_one_hot: int = MAX_ONE_HOT,
        d_embedding: int | None = None,
        embedding_factor: float = 1.0,
        signs: bool = False,
    ) -> None:
        super().__init__()
        n_levels = [cardinality - 1 for cardinality in cardinalities]  # beside the unseen one
        one_hot = [j for j, n in enumerate(n_levels) if n <= max_one_hot and not (signs and n == 2)]
        binary = [j for j, n in enumerate(n_levels) if n == 2 and signs]
        learned: dict[int, list[int]] = {}  # by the length of the vectors
        for j in sorted({*range(len(n_levels))} - {*one_hot, *binary}):
            d = d_embedding or max(1, round(embedding_factor * _d_embedding(n_levels[j])))
            learned.setdefault(d, []).append(j)
        self.codes = nn.ModuleList(
            [
                *([_OneHot(one_hot, n_levels)] if one_hot else []),
                *([_Sign(binary)] if binary else []),
                *(_Learned(members, [n_levels[j] for j in members], d) for d, members in sorted(learned.items())),
            ]
        )
        self.d_columns = [n_levels[j] for j in one_hot] + [1] * len(binary)
        self.d_columns += [d for d, members in sorted(learned.items()) for _ in members]
        self.d_out = sum(self.d_columns)

    def forward(self, x_cat: Tensor) -> list[Tensor]:
        """Maps (..., d_cat) to tensors whose last dimensions are ``d_out`` in all."""
        return [code(x_cat) for code in self.codes]


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
        return (x_cat.index_select(-1, self.columns) == self.levels).float()


class _Sign(nn.Module):
    """-1 for level 1, 1 for level 2 and 0 for level 0 of the given columns."""

    columns: Tensor

    def __init__(self, columns: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("columns", torch.tensor(columns), persistent=False)

    def forward(self, x_cat: Tensor) -> Tensor:
        codes = x_cat.index_select(-1, self.columns)
        return ((2 * codes - 3) * (codes > 0)).float()


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
        codes = x_cat.index_select(-1, self.columns)
        vectors: Tensor = self.table((codes + self.offsets) * (codes > 0))
        return vectors.flatten(-2)  # (..., n_columns, d) -> (..., n_columns * d)


def _d_embedding(n_levels: int) -> int:
    return next((d for d in D_EMBEDDING if d * d >= n_levels), D_EMBEDDING[-1])


def check_inputs(d_in: int, d_num: int, cardinalities: Sequence[int]) -> None:
    """Raises ValueError where a network would have nothing to look at."""
    if d_in == 0:
        raise ValueError(f"there must be a numeric column or a level of a category, got {d_num=}, {cardinalities=}")
