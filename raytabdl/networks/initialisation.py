"""The weights that training starts from."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from raytabdl.component import Choice, Space


def init_hidden(linear: nn.Linear, activation: str) -> nn.Linear:
    """The layer with normal weights that keep the variance of what goes through it and the activation behind it.

    He et al. (2015) for relu, silu and mish, variance 1 / d_in for selu (Klambauer et al., 2017) and all others; biases
    are zero.
    """
    is_half = activation in ("relu", "silu", "mish")  # of its inputs about half go through
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu" if is_half else "linear")
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear


def init_output(linear: nn.Linear) -> nn.Linear:
    """The layer with a tenth of those weights: the first predictions are close to even odds, or to the mean."""
    init_hidden(linear, "linear")
    with torch.no_grad():
        linear.weight.mul_(0.1)
    return linear


@torch.no_grad()
def reinitialise(network: nn.Module, initialisation: str, bias: str) -> None:
    """Draws the weights of all linear layers anew, and their biases; "default" and "zero" leave them as they are.

    ``initialisation`` is one of "xavier", variance 2 / (d_in + d_out) (Glorot & Bengio, 2010); "kaiming", variance
    2 / d_in (He et al., 2015); "orthogonal" (Saxe et al., 2014); "sparse", where a neuron reads a tenth of its inputs
    (Martens, 2010), of which the variance is that of "kaiming". Biases that are "normal" have variance 1 / d_in.
    """
    if initialisation not in _INITIALISATIONS or bias not in _BIASES:
        raise ValueError(f"must be one of {list(_INITIALISATIONS)} and {_BIASES}, got {initialisation=}, {bias=}")
    draw = _INITIALISATIONS[initialisation]
    for linear in [module for module in network.modules() if isinstance(module, nn.Linear)]:
        if draw is not None:
            draw(linear.weight)
        if bias == "normal" and linear.bias is not None:
            nn.init.normal_(linear.bias, std=1 / math.sqrt(linear.in_features))


def _sparse(weight: Tensor) -> Tensor:
    d_out, d_in = weight.shape
    n_read = max(1, round(d_in / 10))
    read = torch.rand(d_out, d_in, device=weight.device).topk(n_read).indices
    values = torch.randn(d_out, n_read, device=weight.device) * math.sqrt(2 / n_read)
    return weight.zero_().scatter_(1, read, values)


_INITIALISATIONS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "default": None,
    "xavier": nn.init.xavier_normal_,
    "kaiming": nn.init.kaiming_normal_,
    "orthogonal": nn.init.orthogonal_,
    "sparse": _sparse,
}
_BIASES = ("zero", "normal")

INITIALISATION: Space = {
    "initialisation": Choice(tuple(_INITIALISATIONS), default="default"),
    "bias": Choice(_BIASES, default="zero"),
}
