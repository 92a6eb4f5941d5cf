"""The weights that training starts from."""

from __future__ import annotations

import torch
from torch import nn


def init_hidden(linear: nn.Linear, activation: str) -> nn.Linear:
    """The layer with normal weights that keep the variance of what goes through it and the activation behind it.

    He et al. (2015) for relu and silu, variance 1 / d_in for selu (Klambauer et al., 2017) and linear; biases are zero.
    """
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu" if activation in ("relu", "silu") else "linear")
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear


def init_output(linear: nn.Linear) -> nn.Linear:
    """The layer with a tenth of those weights: the first predictions are close to even odds, or to the mean."""
    init_hidden(linear, "linear")
    with torch.no_grad():
        linear.weight.mul_(0.1)
    return linear
