"""The multilayer perceptron whose widths and dropout rates follow a shape."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from raytabdl.component import Choice, Integer, Network, Real, Space, When
from raytabdl.networks.activations import ACTIVATIONS, activation_of
from raytabdl.networks.dropout import Dropout
from raytabdl.networks.embeddings import EMBEDDING, MAX_ONE_HOT, ColumnEmbedding
from raytabdl.networks.heads import HEAD, Head
from raytabdl.networks.initialisation import INITIALISATION, init_hidden, init_output, reinitialise
from raytabdl.networks.shapes import SHAPES, dropout_rates, widths


class ShapedMLP(Network, nn.Module):
    """Blocks of Linear, batch norm, activation and dropout (Zimmer et al., 2021, "shaped MLP").

    ``n_layers`` counts the output layer, as in the paper: 1 is a linear model.
    """

    name: ClassVar[str] = "mlp"
    space: ClassVar[Space] = {
        "n_layers": Integer(2, 6, default=4),
        "max_units": Integer(32, 512, default=256, log=True),
        "shape": Choice(SHAPES, default="brick"),
        # No mish: its curve is close to that of silu, which takes a fraction of its time.
        "activation": Choice(("relu", "selu", "silu"), default="relu"),
        "batch_norm": Choice((False, True), default=False),
        "use_dropout": Choice((False, True), default=True),
        "max_dropout": Real(0.02, 0.6, default=0.15, when=When("use_dropout", (True,))),
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
        n_layers: int = 4,
        max_units: int = 256,
        shape: str = "brick",
        activation: str = "relu",
        batch_norm: bool = False,
        use_dropout: bool = True,
        max_dropout: float = 0.15,
        head_layers: int = 1,
        head_units: int = 128,
        initialisation: str = "default",
        bias: str = "zero",
        max_one_hot: int = MAX_ONE_HOT,
        embedding_factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.embedding = ColumnEmbedding(
            d_num, cardinalities, max_one_hot=max_one_hot, embedding_factor=embedding_factor
        )
        d_in = self.embedding.d_out
        *d_hidden, _ = widths(shape, d_in, d_out, max_units, n_layers)
        rates = dropout_rates(shape, max_dropout if use_dropout else 0.0, n_layers)
        self.hidden = hidden_layers([d_in, *d_hidden], rates[:-1], activation, batch_norm)  # no dropout on the output
        self.head = Head([d_in, *d_hidden][-1], head_layers, head_units, activation)
        self.output = init_output(nn.Linear(self.head.d_out, d_out))
        reinitialise(self, initialisation, bias)

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        output: Tensor = self.output(self.head(self.hidden(self.embedding(x_num, x_cat))))
        return output


def hidden_layers(d_layers: Sequence[int], rates: Sequence[float], activation: str, batch_norm: bool) -> nn.Sequential:
    """Linear, batch norm, activation and dropout between each pair of widths."""
    layers: list[nn.Module] = []
    for (d_before, d), rate in zip(pairwise(d_layers), rates, strict=True):
        layers.append(init_hidden(nn.Linear(d_before, d, bias=not batch_norm), activation))
        if batch_norm:
            layers.append(nn.BatchNorm1d(d))
        layers.append(activation_of(activation))
        if rate > 0:
            layers.append(Dropout(rate))
    return nn.Sequential(*layers)
