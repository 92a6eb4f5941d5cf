"""TabM: k multilayer perceptrons that share most of their weights (Gorishniy et al., 2025, "TabM")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from raytabdl.component import Choice, Factors, Integer, Network, Real, Space, When
from raytabdl.networks.dropout import Dropout
from raytabdl.networks.embeddings import CategoryEmbedding, check_inputs
from raytabdl.networks.numeric import MAX_EMBEDDED
from raytabdl.networks.piecewise import PiecewiseLinear

_ROWS = 512
"""Rows of members that go through the network together: their activations stay in the cache."""


class TabM(Network, nn.Module):
    """Blocks of linear layer, relu and dropout that k members share, and an output layer for each.

    In the ``mini`` variant a member differs by the scale of its inputs. In ``tabm`` it has for each layer a scale of
    the inputs, one of the outputs, and a bias. The scales of the inputs are random at first, alike within a column.
    """

    name: ClassVar[str] = "tabm"
    relative_cost: ClassVar[float] = 3.0
    space: ClassVar[Space] = {
        "variant": Choice(("mini", "tabm"), default="mini"),
        "k": Choice((8, 16, 32), default=8),
        "n_blocks": Integer(1, 4, default=2),
        "d_block": Integer(64, 512, default=128, log=True),
        "dropout": Real(0.0, 0.5, default=0.0),
        "embedding": Choice(("pwl", "none"), default="pwl"),
        "n_bins": Integer(2, 64, default=32, log=True, when=When("embedding", ("pwl",))),
        "d_embedding": Integer(4, 24, default=12, when=When("embedding", ("pwl",))),
    }
    training_space: ClassVar[Space] = {
        "scaler": Choice(("quantile", "robust"), default="quantile"),
        "optimizer": Choice(("adamw",), default="adamw"),
        "optimizer.adamw.lr": Real(1e-4, 5e-3, default=2e-3, log=True),
        "optimizer.adamw.weight_decay": Real(1e-4, 0.1, default=3e-4, log=True),
        "optimizer.adamw.beta2": Choice((0.999, 0.99), default=0.999),
        "schedule": Choice(("cosine_cycles", "cosine"), default="cosine_cycles"),
        "batch_size": Integer(32, 512, default=128, log=True),
    }

    def __init__(
        self,
        d_num: int,
        cardinalities: Sequence[int],
        d_out: int,
        *,
        variant: str = "mini",
        k: int = 8,
        n_blocks: int = 2,
        d_block: int = 128,
        dropout: float = 0.0,
        embedding: str = "pwl",
        n_bins: int = 32,
        d_embedding: int = 12,
    ) -> None:
        super().__init__()
        if variant not in ("mini", "tabm") or embedding not in ("pwl", "none"):
            raise ValueError(f"must be mini or tabm, and pwl or none, got {variant=}, {embedding=}")
        if min(k, n_blocks) < 1:
            raise ValueError(f"there must be a member and a block, got {k=}, {n_blocks=}")
        self.k = k
        is_embedded = embedding == "pwl" and 0 < d_num <= MAX_EMBEDDED
        self.numbers = PiecewiseLinear(d_num, d=d_embedding, n_bins=n_bins) if is_embedded else None
        self.categories = CategoryEmbedding(cardinalities, max_one_hot=16)
        d_columns = [d_embedding if is_embedded else 1] * d_num + self.categories.d_columns
        d_in = sum(d_columns)
        check_inputs(d_in, d_num, cardinalities)
        # Alike within a column: signs of plain numbers, normal factors of vectors.
        scales = torch.randn(k, len(d_columns)) if is_embedded else 2.0 * torch.randint(2, (k, len(d_columns))) - 1
        self.scale = nn.Parameter(scales.repeat_interleave(torch.tensor(d_columns), dim=1))
        d_before = [d_in] + [d_block] * (n_blocks - 1)
        self.blocks = nn.ModuleList(
            _Shared(d, d_block) if variant == "mini" else _Adapted(d, d_block, k, is_first=i == 0)
            for i, d in enumerate(d_before)
        )
        self.dropout = Dropout(dropout)
        self.output_weight = nn.Parameter(_uniform((k, d_block, d_out), d_block))
        self.output_bias = nn.Parameter(_uniform((k, 1, d_out), d_block))

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, k, d_out)."""
        numbers = self.numbers(x_num).flatten(1) if self.numbers else x_num
        x = torch.cat([numbers, *self.categories(x_cat)], dim=-1)
        n_together = max(1, _ROWS // max(1, len(x)))
        groups = [slice(i, i + n_together) for i in range(0, self.k, n_together)]
        return torch.cat([self._outputs(x, members) for members in groups]).transpose(0, 1)

    def factors(self) -> Mapping[str, Factors]:
        """Biases do not decay, those of the members neither, which are matrices."""
        return {name: Factors(weight_decay=0.0) for name, _ in self.named_parameters() if name.endswith("bias")}

    def initialise(self, x_num: Tensor, x_cat: Tensor) -> None:
        """Lays the bins of the numbers."""
        if self.numbers:
            self.numbers.initialise(x_num)

    def _outputs(self, x: Tensor, members: slice) -> Tensor:
        """The outputs of some members, (batch, d_in) to (n_members, batch, d_out)."""
        x = x * self.scale[members].unsqueeze(1)
        for block in self.blocks:
            x = self.dropout(block(x, members))
        outputs: Tensor = torch.baddbmm(self.output_bias[members], x, self.output_weight[members])
        return outputs


class _Shared(nn.Module):
    """relu(W x + b), alike for all members."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_uniform((d_out, d_in), d_in))
        self.bias = nn.Parameter(_uniform((d_out,), d_in))

    def forward(self, x: Tensor, members: slice) -> Tensor:
        """Maps (n_members, batch, d_in) to (n_members, batch, d_out)."""
        # One matrix product; relu before the view, since torch copies all that is changed in place through a view.
        return torch.addmm(self.bias, x.flatten(0, 1), self.weight.t()).relu_().view(*x.shape[:2], len(self.weight))


class _Adapted(nn.Module):
    """relu(s W (r x) + b) with r, s and b of each member (Wen et al., 2020, "BatchEnsemble").

    The scales are one and the biases alike at first. The first layer has no r: its inputs are scaled already.
    """

    def __init__(self, d_in: int, d_out: int, k: int, is_first: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(_uniform((d_out, d_in), d_in))
        self.scale_in = None if is_first else nn.Parameter(torch.ones(k, 1, d_in))
        self.scale_out = nn.Parameter(torch.ones(k, 1, d_out))
        self.bias = nn.Parameter(_uniform((d_out,), d_in).repeat(k, 1, 1))

    def forward(self, x: Tensor, members: slice) -> Tensor:
        """Maps (n_members, batch, d_in) to (n_members, batch, d_out)."""
        scaled = x if self.scale_in is None else x * self.scale_in[members]
        products = torch.mm(scaled.flatten(0, 1), self.weight.t()).view(*x.shape[:2], len(self.weight))
        return torch.addcmul(self.bias[members], products, self.scale_out[members]).relu_()


def _uniform(shape: tuple[int, ...], d_in: int) -> Tensor:
    return torch.empty(shape).uniform_(-1 / math.sqrt(d_in), 1 / math.sqrt(d_in))
