"""Embeddings of numeric columns: a vector for each number, from which a network reads steps and waves."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from raytabdl.component import Choice, Integer, Real, Space, When
from raytabdl.networks.periodic import PLR
from raytabdl.networks.piecewise import PiecewiseLinear

MAX_EMBEDDED = 100
"""With more numeric columns than these the numbers go in as they are: their embeddings would take most of the time."""

NUMERIC: Space = {
    "numeric": Choice(("none", "pwl", "plr", "plr_lite", "pbld"), default="pwl"),
    "d_numeric": Integer(4, 24, default=12, when=When("numeric", ("pwl", "plr", "plr_lite", "pbld"))),
    "n_bins": Integer(2, 64, default=32, log=True, when=When("numeric", ("pwl",))),
    "sigma": Real(0.01, 1.0, default=0.05, log=True, when=When("numeric", ("plr", "plr_lite", "pbld"))),
}


class PBLD(nn.Module):
    """Periodic with bias, linear, densely connected (Holzmüller et al., 2024): ``d`` values a column.

    A column x becomes (x, linear(cos(2 pi w x + b))) with frequencies and a linear layer of its own; the frequencies
    w are drawn from N(0, sigma^2) and the phases b from U(-pi, pi).
    """

    def __init__(self, d_num: int, *, n_frequencies: int = 16, d: int = 4, sigma: float = 0.1) -> None:
        super().__init__()
        self.d_out = d_num * d
        bound = 1 / math.sqrt(n_frequencies)
        self.frequencies = nn.Parameter(sigma * torch.randn(d_num, n_frequencies))
        self.phases = nn.Parameter(torch.empty(d_num, n_frequencies).uniform_(-math.pi, math.pi))
        self.weight = nn.Parameter(torch.empty(d_num, n_frequencies, d - 1).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(d_num, d - 1).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, d_num) to (batch, d_out): the embedded values, column by column, then the columns themselves."""
        columns = x.t().unsqueeze(-1)  # (d_num, batch, 1)
        waves = torch.addcmul(self.phases.unsqueeze(1), columns, 2 * math.pi * self.frequencies.unsqueeze(1)).cos()
        embedded = torch.baddbmm(self.bias.unsqueeze(1), waves, self.weight)  # (d_num, batch, d - 1)
        return torch.cat([embedded.transpose(0, 1).flatten(1), x], dim=1)


def numeric_embedding(d_num: int, *, numeric: str, d_numeric: int, n_bins: int, sigma: float) -> nn.Module | None:
    """The embedding of that name, ``d_numeric`` values a column; none for no columns, and for very many."""
    embeddings: dict[str, Callable[[], nn.Module]] = {
        "pwl": lambda: PiecewiseLinear(d_num, d=d_numeric, n_bins=n_bins),
        "plr": lambda: PLR(d_num, d=d_numeric, sigma=sigma),
        "plr_lite": lambda: PLR(d_num, d=d_numeric, sigma=sigma, lite=True),
        "pbld": lambda: PBLD(d_num, d=d_numeric, sigma=sigma),
    }
    if numeric not in ("none", *embeddings):
        raise ValueError(f"numeric must be one of none, {', '.join(embeddings)}, got {numeric=}")
    return embeddings[numeric]() if numeric != "none" and 0 < d_num <= MAX_EMBEDDED else None
