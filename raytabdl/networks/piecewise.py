"""Piecewise-linear embeddings of numeric columns (Gorishniy et al., 2022, "On Embeddings for Numerical Features")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_MAX_ROWS = 20_000
"""Quantiles of more rows change nothing that a network notices."""


class LinearEmbedding(nn.Module):
    """w x + b with vectors w and b of ``d`` values for each column."""

    def __init__(self, d_num: int, d: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(d)
        self.weight = nn.Parameter(torch.empty(d_num, d).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(d_num, d).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (..., d_num) to (..., d_num, d)."""
        return torch.addcmul(self.bias, x.unsqueeze(-1), self.weight)


class PiecewiseLinear(nn.Module):
    """A linear embedding plus a continuous function that is linear between the quantiles of a column.

    This is version "B" without activation (Gorishniy et al., 2025, "TabM"): the piecewise part starts at zero. A column
    with fewer distinct values has fewer than ``n_bins`` bins, and the rest of its codes stays zero.
    """

    bins: Tensor

    def __init__(self, d_num: int, *, d: int, n_bins: int) -> None:
        super().__init__()
        if min(d, n_bins) < 1:
            raise ValueError(f"sizes must be at least 1, got {d=}, {n_bins=}")
        self.linear = LinearEmbedding(d_num, d)
        self.weight = nn.Parameter(torch.zeros(d_num, n_bins, d))
        # Slope, intercept, least and greatest value of the code of each bin.
        self.register_buffer("bins", torch.zeros(4, d_num, n_bins))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Lays the bins between the quantiles of each column of the training rows, (n, d_num)."""
        if len(x) > _MAX_ROWS:
            x = x[torch.randperm(len(x))[:_MAX_ROWS].to(x.device)]
        levels = torch.linspace(0, 1, self.bins.shape[2] + 1, dtype=x.dtype, device=x.device)
        self.bins.zero_()
        for bins, column in zip(self.bins.unbind(1), x.t(), strict=True):
            edges = _apart(torch.quantile(column, levels))
            n, width = len(edges) - 1, edges.diff()
            bins[0, :n] = 1 / width
            bins[1, :n] = -edges[:-1] / width
            bins[2, 1:n] = 0
            bins[3, : max(0, n - 1)] = 1
            # The outermost bins go on beyond the rows seen.
            bins[2, : min(1, n)] = -math.inf
            bins[3, max(0, n - 1) : n] = math.inf

    def encode(self, columns: Tensor) -> Tensor:
        """The share of each bin that lies below a value, (d_num, batch, 1) to (d_num, batch, n_bins); no gradients."""
        slope, intercept, least, greatest = self.bins.unsqueeze(2)
        return torch.addcmul(intercept, columns, slope).clamp_(least, greatest)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, d_num) to (batch, d_num, d)."""
        columns = x.t().unsqueeze(-1)
        linear = torch.addcmul(self.linear.bias.unsqueeze(1), columns, self.linear.weight.unsqueeze(1))
        return torch.baddbmm(linear, self.encode(columns), self.weight).transpose(0, 1)


def _apart(edges: Tensor) -> Tensor:
    """The sorted edges without those that rounding could not tell from the one before."""
    gaps = edges.diff()
    far = gaps > 1e-6 * edges.abs().max() + torch.finfo(edges.dtype).tiny
    return torch.cat([edges[:1], edges[1:][far]])
