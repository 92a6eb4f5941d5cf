"""Activations that are quick on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def parametric(name: str, x: Tensor, slope: Tensor) -> Tensor:
    """x + slope * (activation(x) - x): the activation at slope 1, the identity at 0 (Holzmüller et al., 2024)."""
    if name == "mish":
        return _ParametricMish.apply(x, slope)  # type: ignore[no-any-return,no-untyped-call]
    return torch.lerp(x, _PLAIN[name](x), slope)


_PLAIN = {"selu": F.selu, "silu": F.silu}
PARAMETRIC = ("selu", "mish", "silu")


class _ParametricMish(torch.autograd.Function):
    """x (1 + slope (t - 1)), where t = tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2) (mish: Misra, 2020).

    One exponential serves value and gradients, in the place of the exponential, logarithm and tangent of torch's mish.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        exponential = x.clamp(max=20.0).exp_()  # above, the ratio below is 1
        ratio = (exponential + 2).mul_(exponential)
        ratio.div_(ratio + 2)
        ctx.save_for_backward(x, slope, exponential, ratio)
        return (ratio - 1).mul_(slope).add_(1).mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, slope, exponential, ratio = ctx.saved_tensors
        derivative = torch.addcmul(torch.ones((), dtype=x.dtype, device=x.device), ratio, ratio, value=-1).mul_(x)
        derivative.mul_(exponential).div_(exponential + 1).add_(ratio)
        to_slope = (ratio - 1).mul_(x).mul_(gradient).sum_to_size(slope.shape)
        return derivative.sub_(1).mul_(slope).add_(1).mul_(gradient), to_slope
