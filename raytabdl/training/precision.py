"""The numbers that a network is trained with: bfloat16 in its matrix products where the GPU has it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def product_dtype(device: torch.device) -> torch.dtype:
    """What matrix products of a training are computed in on a device.

    float32 on a CPU: one without instructions of its own for bfloat16 is a hundred times slower with it.
    """
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_bfloat16 else torch.float32


def training_forward(network: nn.Module, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The network as a training calls it: mixed precision (Micikevicius et al., 2018), its outputs float32.

    Weights, their gradients, moments and the loss stay float32; bfloat16 has float32's exponents, so the loss needs no
    scaling. A prediction is not made this way: a model predicts the same wherever it is loaded.
    """
    dtype = product_dtype(device)
    if dtype is torch.float32:
        return network

    def forward(x_num: Tensor, x_cat: Tensor) -> Tensor:
        # Entered anew for each step, since it keeps the bfloat16 copies of the weights until it is left.
        with torch.autocast(device.type, dtype=dtype):
            outputs: Tensor = network(x_num, x_cat)
        return outputs.float()

    return forward
