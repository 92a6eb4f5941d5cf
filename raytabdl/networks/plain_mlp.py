"""The multilayer perceptron with a width and a dropout rate of its own for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from raytabdl.component import Choice, Integer, Network, Real, Space, When
from raytabdl.networks.activations import ACTIVATIONS
from raytabdl.networks.embeddings import EMBEDDING, MAX_ONE_HOT, CategoryEmbedding, check_inputs
from raytabdl.networks.heads import HEAD, Head
from raytabdl.networks.initialisation import INITIALISATION, init_output, reinitialise
from raytabdl.networks.mlp import hidden_layers
from raytabdl.networks.numeric import NUMERIC, numeric_embedding
from raytabdl.networks.piecewise import PiecewiseLinear

_MAX_LAYERS = 5


def _from(i: int) -> When | None:
    """The condition of what belongs to layer ``i``."""
    return When("n_layers", tuple(range(i, _MAX_LAYERS + 1))) if i > 1 else None


class PlainMLP(Network, nn.Module):
    """Blocks of Linear, batch norm, activation and dropout behind an embedding of the numbers (Auto-PyTorch's "MLP").

    ``n_layers`` counts the hidden layers.
    """

    name: ClassVar[str] = "plain_mlp"
    space: ClassVar[Space] = {
        "n_layers": Integer(1, _MAX_LAYERS, default=2),
        **{f"n_units_{i}": Integer(16, 1024, default=128, log=True, when=_from(i)) for i in range(1, _MAX_LAYERS + 1)},
        **{f"dropout_{i}": Real(0.0, 0.8, default=0.1, when=_from(i)) for i in range(1, _MAX_LAYERS + 1)},
        "activation": Choice(("relu", "selu", "silu"), default="relu"),
        "batch_norm": Choice((False, True), default=False),
        **NUMERIC,
    }
    full_space: ClassVar[Space] = {
        "activation": Choice(tuple(ACTIVATIONS), default="relu"),
        **HEAD,
        **INITIALISATION,
        **EMBEDDING,
    }

    def __init__(
        self,
        d_num: int,
        cardinalities: Sequence[int],
        d_out: int,
        *,
        n_layers: int = 2,
        n_units_1: int = 128,
        n_units_2: int = 128,
        n_units_3: int = 128,
        n_units_4: int = 128,
        n_units_5: int = 128,
        dropout_1: float = 0.1,
        dropout_2: float = 0.1,
        dropout_3: float = 0.1,
        dropout_4: float = 0.1,
        dropout_5: float = 0.1,
        activation: str = "relu",
        batch_norm: bool = False,
        numeric: str = "pwl",
        d_numeric: int = 12,
        n_bins: int = 32,
        sigma: float = 0.05,
        head_layers: int = 1,
        head_units: int = 128,
        initialisation: str = "default",
        bias: str = "zero",
        max_one_hot: int = MAX_ONE_HOT,
        embedding_factor: float = 1.0,
    ) -> None:
        super().__init__()
        if not 1 <= n_layers <= _MAX_LAYERS:
            raise ValueError(f"n_layers must be between 1 and {_MAX_LAYERS}, got {n_layers=}")
        self.numbers = numeric_embedding(d_num, numeric=numeric, d_numeric=d_numeric, n_bins=n_bins, sigma=sigma)
        self.categories = CategoryEmbedding(cardinalities, max_one_hot=max_one_hot, embedding_factor=embedding_factor)
        d_in = d_num * (d_numeric if self.numbers else 1) + self.categories.d_out
        check_inputs(d_in, d_num, cardinalities)
        d_layers = [n_units_1, n_units_2, n_units_3, n_units_4, n_units_5][:n_layers]
        rates = [dropout_1, dropout_2, dropout_3, dropout_4, dropout_5][:n_layers]
        self.hidden = hidden_layers([d_in, *d_layers], rates, activation, batch_norm)
        self.head = Head(d_layers[-1], head_layers, head_units, activation)
        self.output = init_output(nn.Linear(self.head.d_out, d_out))
        reinitialise(self, initialisation, bias)

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        numbers = self.numbers(x_num).flatten(1) if self.numbers else x_num
        x = torch.cat([numbers, *self.categories(x_cat)], dim=1)
        output: Tensor = self.output(self.head(self.hidden(x)))
        return output

    def initialise(self, x_num: Tensor, x_cat: Tensor) -> None:
        """Lays the bins of the numbers."""
        if isinstance(self.numbers, PiecewiseLinear):
            self.numbers.initialise(x_num)
