"""The residual network whose widths and dropout rates follow a shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from raytabdl.component import Choice, Integer, Network, Real, Space, When
from raytabdl.networks.embeddings import EMBEDDING, MAX_ONE_HOT, ColumnEmbedding
from raytabdl.networks.heads import HEAD, Head
from raytabdl.networks.initialisation import INITIALISATION, init_hidden, init_output, reinitialise
from raytabdl.networks.residual import RESIDUAL, BlockForm, residual_groups
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

    full_space: ClassVar[Space] = {**RESIDUAL, **HEAD, **INITIALISATION, **EMBEDDING}

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
        activation: str = "relu",
        batch_norm: bool = True,
        skip: bool = True,
        branches: str = "one",
        max_shake_drop: float = 0.5,
        head_layers: int = 1,
        head_units: int = 128,
        initialisation: str = "default",
        bias: str = "zero",
        max_one_hot: int = MAX_ONE_HOT,
        embedding_factor: float = 1.0,
    ) -> None:
        super().__init__()
        if min(n_groups, blocks_per_group) < 1:
            raise ValueError(f"there must be a group and a block in each, got {n_groups=}, {blocks_per_group=}")
        self.embedding = ColumnEmbedding(
            d_num, cardinalities, max_one_hot=max_one_hot, embedding_factor=embedding_factor
        )
        *d_groups, _ = widths(shape, self.embedding.d_out, d_out, max_units, n_groups + 2)
        # The first group has the first rate: there is no dropout between the first layer and the groups.
        rates = dropout_rates(shape, max_dropout if use_dropout else 0.0, n_groups + 1)[:-1]
        form = BlockForm(activation, batch_norm, skip, branches, max_shake_drop)
        self.first = init_hidden(nn.Linear(self.embedding.d_out, d_groups[0]), "linear")
        self.blocks = residual_groups(d_groups, [blocks_per_group] * n_groups, rates, form)
        self.last = form.activate(d_groups[-1])
        self.head = Head(d_groups[-1], head_layers, head_units, activation)
        self.output = init_output(nn.Linear(self.head.d_out, d_out))
        reinitialise(self, initialisation, bias)

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        x = self.blocks(self.first(self.embedding(x_num, x_cat)))
        output: Tensor = self.output(self.head(self.last(x)))
        return output
