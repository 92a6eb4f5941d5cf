"""Dropout that is quick on a CPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Module):
    """Zeroes each value with probability ``rate`` in training, and scales the others by 1 / (1 - rate).

    torch's own takes 0.57 ms to draw a mask of 256 x 256 on one thread, as long as 1.5 matrix products of that size.
    Here 64 random bits serve four values, in a third of the time; the rate is rounded to a multiple of 2**-16.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be in [0, 1), got {rate=}")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Maps any shape to the same shape."""
        if not self.training or self.rate == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.rate)
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        threshold = min(round(self.rate * 2**16), 2**16 - 1)
        kept = words.view(torch.int16)[: x.numel()].view(x.shape) >= threshold - 2**15
        return x * (kept * (2**16 / (2**16 - threshold)))

    def extra_repr(self) -> str:
        return f"{self.rate:.3g}"


class FadingDropout(Dropout):
    """Dropout whose rate stays for half of a training and fades to zero by half a cosine (Holzmüller et al., 2024)."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self.max_rate = rate

    def set_progress(self, progress: float) -> None:
        """Sets the rate for a share of the horizon; the factor is that of ``FlatCosine``, which is a sibling's."""
        self.rate = self.max_rate * (1 + math.cos(math.pi * max(0.0, 2 * progress - 1))) / 2
