"""The residual network with a width, a number of blocks and a dropout rate of its own for each group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from raytabdl.component import Integer, Network, Real, Space, When
from raytabdl.networks.embeddings import EMBEDDING, MAX_ONE_HOT, ColumnEmbedding
from raytabdl.networks.heads import HEAD, Head
from raytabdl.networks.initialisation import INITIALISATION, init_hidden, init_output, reinitialise
from raytabdl.networks.residual import RESIDUAL, BlockForm, residual_groups

_MAX_GROUPS = 4


def _from(i: int) -> When | None:
    """The condition of what belongs to group ``i``."""
    return When("n_groups", tuple(range(i, _MAX_GROUPS + 1))) if i > 1 else None


class PlainResNet(Network, nn.Module):
    """A linear layer and groups of pre-activation residual blocks (Auto-PyTorch's "ResNet").

    The first layer is as wide as the first group.
    """

    name: ClassVar[str] = "plain_resnet"
    space: ClassVar[Space] = {
        "n_groups": Integer(1, _MAX_GROUPS, default=2),
        **{f"n_units_{i}": Integer(16, 1024, default=128, log=True, when=_from(i)) for i in range(1, _MAX_GROUPS + 1)},
        **{f"n_blocks_{i}": Integer(1, 4, default=1, when=_from(i)) for i in range(1, _MAX_GROUPS + 1)},
        **{f"dropout_{i}": Real(0.0, 0.8, default=0.1, when=_from(i)) for i in range(1, _MAX_GROUPS + 1)},
    }
    full_space: ClassVar[Space] = {**RESIDUAL, **HEAD, **INITIALISATION, **EMBEDDING}

    def __init__(
        self,
        d_num: int,
        cardinalities: Sequence[int],
        d_out: int,
        *,
        n_groups: int = 2,
        n_units_1: int = 128,
        n_units_2: int = 128,
        n_units_3: int = 128,
        n_units_4: int = 128,
        n_blocks_1: int = 1,
        n_blocks_2: int = 1,
        n_blocks_3: int = 1,
        n_blocks_4: int = 1,
        dropout_1: float = 0.1,
        dropout_2: float = 0.1,
        dropout_3: float = 0.1,
        dropout_4: float = 0.1,
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
        if not 1 <= n_groups <= _MAX_GROUPS:
            raise ValueError(f"n_groups must be between 1 and {_MAX_GROUPS}, got {n_groups=}")
        self.embedding = ColumnEmbedding(
            d_num, cardinalities, max_one_hot=max_one_hot, embedding_factor=embedding_factor
        )
        d_groups = [n_units_1, n_units_2, n_units_3, n_units_4][:n_groups]
        n_blocks = [n_blocks_1, n_blocks_2, n_blocks_3, n_blocks_4][:n_groups]
        rates = [dropout_1, dropout_2, dropout_3, dropout_4][:n_groups]
        form = BlockForm(activation, batch_norm, skip, branches, max_shake_drop)
        self.first = init_hidden(nn.Linear(self.embedding.d_out, d_groups[0]), "linear")
        self.blocks = residual_groups([d_groups[0], *d_groups], n_blocks, rates, form)
        self.last = form.activate(d_groups[-1])
        self.head = Head(d_groups[-1], head_layers, head_units, activation)
        self.output = init_output(nn.Linear(self.head.d_out, d_out))
        reinitialise(self, initialisation, bias)

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        x = self.blocks(self.first(self.embedding(x_num, x_cat)))
        output: Tensor = self.output(self.head(self.last(x)))
        return output
