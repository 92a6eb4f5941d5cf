"""Periodic embeddings of numeric columns (Gorishniy et al., 2022, "On Embeddings for Numerical Features")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PLR(nn.Module):
    """relu(linear(cos(2 pi w x), sin(2 pi w x))): periodic, linear, relu, with ``d`` values a column.

    The frequencies w of a column are drawn from N(0, sigma^2), cut off at 3 sigma. The linear layer is the column's
    own, or one for all columns in the ``lite`` form (Gorishniy et al., 2024, "TabR").
    """

    def __init__(self, d_num: int, *, d: int, n_frequencies: int = 48, sigma: float = 0.01, lite: bool = False) -> None:
        super().__init__()
        if min(d, n_frequencies) < 1 or sigma <= 0:
            raise ValueError(f"sizes and sigma must be positive, got {d=}, {n_frequencies=}, {sigma=}")
        self.frequencies = nn.Parameter(torch.empty(d_num, n_frequencies))
        nn.init.trunc_normal_(self.frequencies, std=sigma, a=-3 * sigma, b=3 * sigma)
        bound = 1 / math.sqrt(2 * n_frequencies)
        n_layers = 1 if lite else d_num
        self.weight = nn.Parameter(torch.empty(n_layers, 2 * n_frequencies, d).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_layers, 1, d).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, d_num) to (batch, d_num, d)."""
        angles = x.t().unsqueeze(-1) * (2 * math.pi * self.frequencies).unsqueeze(1)  # (d_num, batch, n_frequencies)
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        if len(self.weight) == 1:  # one matrix product for all columns
            embedded = torch.addmm(self.bias[0], waves.flatten(0, 1), self.weight[0])
            embedded = embedded.view(*waves.shape[:2], self.weight.shape[2])
        else:
            embedded = torch.baddbmm(self.bias, waves, self.weight)
        return embedded.relu_().transpose(0, 1)
