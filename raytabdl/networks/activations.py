"""Activations that are quick on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def parametric(name: str, x: Tensor, slope: Tensor) -> Tensor:
    """x + slope * (activation(x) - x): the activation at slope 1, the identity at 0 (Holzmüller et al., 2024)."""
    if name == "mish":
        return _ParametricMish.apply(x, slope)  # type: ignore[no-any-return,no-untyped-call]
    return torch.lerp(x, _PLAIN[name](x), slope)


_PLAIN = {"selu": F.selu, "silu": F.silu}
PARAMETRIC = ("selu", "mish", "silu")


class Mish(nn.Module):
    """x tanh(log(1 + e^x)) (Misra, 2020)."""

    def forward(self, x: Tensor) -> Tensor:
        return _Mish.apply(x)  # type: ignore[no-any-return,no-untyped-call]


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "mish": Mish,
}


def activation_of(name: str) -> nn.Module:
    """The activation of that name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got activation={name!r}")
    return ACTIVATIONS[name]()


class _Mish(torch.autograd.Function):
    """x t, where t = tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2).

    One exponential serves value and gradient, in the place of the exponential, logarithm and tangent of torch's mish.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        exponential, ratio = _exponential_and_ratio(x)
        ctx.save_for_backward(x, exponential, ratio)
        return x * ratio

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _mish_derivative(*ctx.saved_tensors).mul_(gradient)


class _ParametricMish(torch.autograd.Function):
    """x (1 + slope (t - 1)), with t as in ``_Mish``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        exponential, ratio = _exponential_and_ratio(x)
        ctx.save_for_backward(x, slope, exponential, ratio)
        return (ratio - 1).mul_(slope).add_(1).mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, slope, exponential, ratio = ctx.saved_tensors
        to_slope = (ratio - 1).mul_(x).mul_(gradient).sum_to_size(slope.shape)
        derivative = _mish_derivative(x, exponential, ratio)
        return derivative.sub_(1).mul_(slope).add_(1).mul_(gradient), to_slope


def _exponential_and_ratio(x: Tensor) -> tuple[Tensor, Tensor]:
    """e^x and t."""
    exponential = x.clamp(max=20.0).exp_()  # above, the ratio below is 1
    ratio = (exponential + 2).mul_(exponential)
    return exponential, ratio.div_(ratio + 2)


def _mish_derivative(x: Tensor, exponential: Tensor, ratio: Tensor) -> Tensor:
    derivative = torch.addcmul(torch.ones((), dtype=x.dtype, device=x.device), ratio, ratio, value=-1).mul_(x)
    return derivative.mul_(exponential).div_(exponential + 1).add_(ratio)
