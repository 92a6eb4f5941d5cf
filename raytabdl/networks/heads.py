"""Fully connected layers between the body of a network and its output layer."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from raytabdl.component import Integer, Space, When
from raytabdl.networks.activations import activation_of
from raytabdl.networks.initialisation import init_hidden

HEAD: Space = {
    "head_layers": Integer(1, 4, default=1),
    "head_units": Integer(64, 512, default=128, log=True, when=When("head_layers", (2, 3, 4))),
}


class Head(nn.Sequential):
    """Linear layers, each with its activation; ``n_layers`` counts the output layer behind them, so 1 is nothing."""

    def __init__(self, d_in: int, n_layers: int, n_units: int, activation: str) -> None:
        if min(n_layers, n_units) < 1:
            raise ValueError(f"a head must have an output layer and units, got {n_layers=}, {n_units=}")
        d_layers = [d_in] + [n_units] * (n_layers - 1)
        layers = [(init_hidden(nn.Linear(*d), activation), activation_of(activation)) for d in pairwise(d_layers)]
        super().__init__(*(module for layer in layers for module in layer))
        self.d_out = d_layers[-1]
