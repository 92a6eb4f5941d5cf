"""The multilayer perceptron whose widths and dropout rates follow a shape."""

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

# No mish: its curve is close to that of silu, which takes a seventh of its time.
_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "selu": nn.SELU, "silu": nn.SiLU}


class ShapedMLP(Network, nn.Module):
    """Blocks of Linear, batch norm, activation and dropout (Zimmer et al., 2021, "shaped MLP").

    ``n_layers`` counts the output layer, as in the paper: 1 is a linear model.
    """

    name: ClassVar[str] = "mlp"
    space: ClassVar[Space] = {
        "n_layers": Integer(2, 6, default=4),
        "max_units": Integer(32, 512, default=256, log=True),
        "shape": Choice(SHAPES, default="brick"),
        "activation": Choice(tuple(_ACTIVATIONS), default="relu"),
        "batch_norm": Choice((False, True), default=False),
        "use_dropout": Choice((False, True), default=True),
        "max_dropout": Real(0.02, 0.6, default=0.15, when=When("use_dropout", (True,))),
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
    ) -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(_ACTIVATIONS)}, got {activation=}")
        self.embedding = ColumnEmbedding(d_num, cardinalities)
        d_in = self.embedding.d_out
        *d_hidden, _ = widths(shape, d_in, d_out, max_units, n_layers)
        rates = dropout_rates(shape, max_dropout if use_dropout else 0.0, n_layers)
        layers: list[nn.Module] = []
        for (d_before, d), rate in zip(pairwise([d_in, *d_hidden]), rates, strict=False):  # no dropout on the output
            layers.append(init_hidden(nn.Linear(d_before, d, bias=not batch_norm), activation))
            if batch_norm:
                layers.append(nn.BatchNorm1d(d))
            layers.append(_ACTIVATIONS[activation]())
            if rate > 0:
                layers.append(Dropout(rate))
        self.hidden = nn.Sequential(*layers)
        self.output = init_output(nn.Linear([d_in, *d_hidden][-1], d_out))

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        output: Tensor = self.output(self.hidden(self.embedding(x_num, x_cat)))
        return output
