"""Residual branches with random weights, of which values and gradients have different ones."""

from __future__ import annotations

import torch
from torch import Tensor


def shake_shake(first: Tensor, second: Tensor, training: bool) -> Tensor:
    """a * first + (1 - a) * second with a from U(0, 1) for each row, drawn apart for the gradients (Gastaldi, 2017).

    In evaluation it is the mean of the two.
    """
    if not training:
        return (first + second) / 2
    to_values, to_gradients = torch.rand(2, len(first), 1, dtype=first.dtype, device=first.device)
    difference = first - second
    mixed: Tensor = second + to_gradients * difference + ((to_values - to_gradients) * difference).detach()
    return mixed


def shake_drop(branch: Tensor, p_kept: float, training: bool) -> Tensor:
    """The branch with probability ``p_kept``, else a * branch with a from U(-1, 1) (Yamada et al., 2019).

    Both are drawn for each row. Gradients pass with a from U(0, 1) where the branch was not kept. In evaluation it is
    the expectation, p_kept * branch.
    """
    if not training:
        return p_kept * branch
    kept, to_values, to_gradients = torch.rand(3, len(branch), 1, dtype=branch.dtype, device=branch.device)
    is_kept = kept < p_kept
    to_values = torch.where(is_kept, 1.0, 2 * to_values - 1)
    to_gradients = torch.where(is_kept, 1.0, to_gradients)
    dropped: Tensor = to_gradients * branch + ((to_values - to_gradients) * branch).detach()
    return dropped
