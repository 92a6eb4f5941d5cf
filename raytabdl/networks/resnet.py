"""The residual network whose widths and dropout rates follow a shape."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from raytabdl.component import Choice, Integer, Network, Real, Space, When
from raytabdl.networks.dropout import Dropout
from raytabdl.networks.embeddings import ColumnEmbedding
from raytabdl.networks.initialisation import init_hidden, init_output
from raytabdl.networks.shapes import SHAPES, dropout_rates, widths


class ShapedResNet(Network, nn.Module):
    """A linear layer and groups of pre-activation residual blocks (Zimmer et al., 2021, "shaped ResNet").

    All blocks of a group have one width and one dropout rate. The shape runs over the first layer, the groups and
    the output.
    """

    name: ClassVar[str] = "resnet"
    space: ClassVar[Space] = {
        "n_groups": Integer(1, 4, default=2),
        "blocks_per_group": Integer(1, 3, default=1),
        "max_units": Integer(32, 512, default=128, log=True),
        "shape": Choice(SHAPES, default="brick"),
        "use_dropout": Choice((False, True), default=True),
        "max_dropout": Real(0.02, 0.6, default=0.15, when=When("use_dropout", (True,))),
    }

    def __init__(
        self,
        d_num: int,
        cardinalities: Sequence[int],
        d_out: int,
        *,
        n_groups: int = 2,
        blocks_per_group: int = 1,
        max_units: int = 128,
        shape: str = "brick",
        use_dropout: bool = True,
        max_dropout: float = 0.15,
    ) -> None:
        super().__init__()
        if min(n_groups, blocks_per_group) < 1:
            raise ValueError(f"there must be a group and a block in each, got {n_groups=}, {blocks_per_group=}")
        self.embedding = ColumnEmbedding(d_num, cardinalities)
        *d_groups, _ = widths(shape, self.embedding.d_out, d_out, max_units, n_groups + 2)
        # The first group has the first rate: there is no dropout between the first layer and the groups.
        rates = dropout_rates(shape, max_dropout if use_dropout else 0.0, n_groups + 1)[:-1]
        self.first = init_hidden(nn.Linear(self.embedding.d_out, d_groups[0]), "linear")
        self.blocks = nn.Sequential(
            *(
                _Block(d_before if i == 0 else d, d, rate)
                for (d_before, d), rate in zip(pairwise(d_groups), rates, strict=True)
                for i in range(blocks_per_group)
            )
        )
        self.last = _norm_relu(d_groups[-1])
        self.output = init_output(nn.Linear(d_groups[-1], d_out))

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        x = self.blocks(self.first(self.embedding(x_num, x_cat)))
        output: Tensor = self.output(self.last(x))
        return output


class _Block(nn.Module):
    """x + Linear(Dropout(relu(BN(Linear(relu(BN(x))))))); with a new width, the shortcut is Linear(relu(BN(x)))."""

    def __init__(self, d_in: int, d_out: int, dropout: float) -> None:
        super().__init__()
        self.activate = _norm_relu(d_in)
        self.branch = nn.Sequential(
            init_hidden(nn.Linear(d_in, d_out, bias=False), "relu"),
            *_norm_relu(d_out),
            *([Dropout(dropout)] if dropout > 0 else []),
            init_hidden(nn.Linear(d_out, d_out), "relu"),
        )
        self.shortcut = None if d_in == d_out else init_hidden(nn.Linear(d_in, d_out), "relu")

    def forward(self, x: Tensor) -> Tensor:
        activated = self.activate(x)
        branch: Tensor = self.branch(activated)
        return branch + (x if self.shortcut is None else self.shortcut(activated))


def _norm_relu(d: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(d), nn.ReLU())
