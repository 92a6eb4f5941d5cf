"""RealMLP: the multilayer perceptron with many small improvements (Holzmüller et al., 2024, "Better by Default")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from raytabdl.component import Choice, Factors, Integer, Network, Real, Space
from raytabdl.networks.activations import PARAMETRIC, parametric
from raytabdl.networks.dropout import FadingDropout
from raytabdl.networks.embeddings import CategoryEmbedding, check_inputs
from raytabdl.networks.numeric import MAX_EMBEDDED, PBLD

_MAX_ROWS = 10_000
"""Rows that the initialisation looks at."""


class RealMLP(Network, nn.Module):
    """Blocks of linear layer in NTK parametrisation, parametric activation and dropout.

    In front of them are one-hot codes of up to 9 levels, vectors of 8 values for more, PBLD embeddings of the numbers,
    and a learned scale of each value. Weights and biases start from what they see of the training rows.
    """

    name: ClassVar[str] = "realmlp"
    space: ClassVar[Space] = {
        "n_layers": Integer(2, 4, default=3),
        "d_hidden": Choice((64, 128, 256, 384), default=256),
        "activation": Choice(PARAMETRIC, default="selu"),
        "dropout": Real(0.0, 0.5, default=0.15),
        "sigma": Real(0.02, 2.0, default=0.1, log=True),
        "scale_lr_factor": Real(2.0, 10.0, default=6.0, log=True),
        "first_lr_factor": Real(0.3, 1.5, default=1.0, log=True),
    }
    training_space: ClassVar[Space] = {
        "scaler": Choice(("robust", "quantile"), default="robust"),
        "optimizer": Choice(("adamw",), default="adamw"),
        "optimizer.adamw.lr": Real(0.01, 0.4, default=0.04, log=True),
        "optimizer.adamw.weight_decay": Real(1e-3, 0.1, default=0.02, log=True),
        "optimizer.adamw.beta2": Choice((0.95, 0.99), default=0.95),
        "optimizer.adamw.decay_schedule": Choice(("flat_cosine", "constant"), default="flat_cosine"),
        "schedule": Choice(("coslog_cycles", "coslog4", "cosine_cycles"), default="coslog_cycles"),
        "batch_size": Integer(64, 512, default=256, log=True),
    }
    max_epochs: ClassVar[int] = 270
    max_gradient_norm: ClassVar[float] = math.inf

    def __init__(
        self,
        d_num: int,
        cardinalities: Sequence[int],
        d_out: int,
        *,
        n_layers: int = 3,
        d_hidden: int = 256,
        activation: str = "selu",
        dropout: float = 0.15,
        sigma: float = 0.1,
        scale_lr_factor: float = 6.0,
        first_lr_factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.categories = CategoryEmbedding(cardinalities, max_one_hot=9, d_embedding=8, signs=True)
        self.numbers = PBLD(d_num, sigma=sigma) if 0 < d_num <= MAX_EMBEDDED else None
        d_in = self.categories.d_out + (self.numbers.d_out if self.numbers else d_num)
        check_inputs(d_in, d_num, cardinalities)
        self.scale = nn.Parameter(torch.ones(d_in))
        self.hidden = nn.ModuleList(
            _Block(before, d, activation, dropout) for before, d in pairwise([d_in, *[d_hidden] * n_layers])
        )
        self.output = NTKLinear(d_hidden, d_out)
        self._scale_lr_factor = scale_lr_factor
        self._first_lr_factor = first_lr_factor

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        x = self._scaled(x_num, x_cat)
        for block in self.hidden:
            x = block(x)
        output: Tensor = self.output(x)
        return output

    def factors(self) -> Mapping[str, Factors]:
        """Biases learn at a tenth of the rate and do not decay; embeddings of numbers and activations at a tenth.

        Decay has the factor of the rate once more, as in the authors' code (pytabkit), which the recipe was tuned with:
        the scale of the inputs, at 6 times the rate, decays 36 times as fast as the weights.
        """
        factors = {"scale": Factors(self._scale_lr_factor, self._scale_lr_factor)}
        for name, _ in self.named_parameters():
            first = self._first_lr_factor if name.startswith("hidden.0.linear") else 1.0
            if name.startswith("numbers.") or name.endswith(".slope"):
                factors[name] = Factors(0.1, 0.1)
            elif name.endswith("bias"):
                factors[name] = Factors(0.1 * first, 0.0)
            elif name.startswith("hidden.0.linear"):
                factors[name] = Factors(first, first)
        return factors

    @torch.no_grad()
    def initialise(self, x_num: Tensor, x_cat: Tensor) -> None:
        """Draws the weights so that each layer's outputs have unit variance on the training rows."""
        rows = torch.randperm(len(x_num))[:_MAX_ROWS].to(x_num.device)
        x = self._scaled(x_num[rows], x_cat[rows])
        for block in self.hidden:
            assert isinstance(block, _Block)
            x = block.activate(block.linear.initialise(x))
        self.output.initialise(x)

    def _scaled(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        numbers = self.numbers(x_num) if self.numbers else x_num
        return torch.cat([numbers, *self.categories(x_cat)], dim=-1) * self.scale


class _Block(nn.Module):
    """Linear, x + slope * (activation(x) - x) with a slope for each neuron, dropout."""

    def __init__(self, d_in: int, d_out: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.linear = NTKLinear(d_in, d_out)
        self.slope = nn.Parameter(torch.ones(d_out))
        self.dropout = FadingDropout(dropout)
        self._activation = activation

    def activate(self, x: Tensor) -> Tensor:
        return parametric(self._activation, x, self.slope)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.dropout(self.activate(self.linear(x)))
        return output


class NTKLinear(nn.Module):
    """W x / sqrt(d_in) + b with weights of about unit variance, so that one learning rate fits layers of all widths."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d_out, d_in))
        self.bias = nn.Parameter(torch.zeros(d_out))
        self.factor = 1 / math.sqrt(d_in)

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight.t(), alpha=self.factor)

    def initialise(self, x: Tensor) -> Tensor:
        """Scales the weights to outputs of unit variance on rows x, and draws the biases: "he+5" (Steinwart, 2019).

        A bias is minus a random convex combination of the outputs of 5 rows, so that the kinks lie among the data.
        Gives the outputs.
        """
        outputs = x @ self.weight.t() * self.factor
        deviations = outputs.std(dim=0, correction=0)
        deviations[deviations < 1e-6] = 1.0  # inputs that are all alike: the weights stay
        self.weight.div_(deviations[:, None])
        outputs = outputs / deviations
        d_out = len(self.bias)
        rows = torch.randint(len(x), (5, d_out), device=x.device)
        shares = torch.empty(5, d_out, device=x.device).exponential_()
        self.bias.copy_(-(outputs.gather(0, rows) * shares / shares.sum(0)).sum(0))
        return outputs + self.bias
