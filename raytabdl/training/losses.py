"""What a network is trained to make small."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from raytabdl.component import Component, Real, Space
from raytabdl.inputs import Error

Loss = Callable[[Tensor, Tensor], Tensor]
"""From outputs, (batch, d_out) or (batch, k, d_out), and targets, (batch,), to the loss of each row, (batch,)."""


def classification_loss(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """The cross entropy of each row, in nats; of k predictions the mean of theirs."""
    k = logits.shape[1] if logits.ndim == 3 else 1
    losses = F.cross_entropy(
        logits.flatten(0, -2), y.repeat_interleave(k), reduction="none", label_smoothing=label_smoothing
    )
    return losses.view(-1, k).mean(1)  # (batch * k,) -> (batch,)


def regression_loss(output: Tensor, y: Tensor) -> Tensor:
    """The squared error of each row; of k predictions the mean of theirs."""
    return (output.flatten(1) - y[:, None]).square().mean(1)


def absolute_loss(output: Tensor, y: Tensor) -> Tensor:
    """The absolute error of each row; of k predictions the mean of theirs."""
    # Not rounded off at 0, where its slope jumps: the steps end at a learning rate of zero, and a parabola of any width
    # would be led by the mean of the targets within it.
    return (output.flatten(1) - y[:, None]).abs().mean(1)


class Objective(Component):
    """The cross entropy of classes, or the error of a regression."""

    name: ClassVar[str] = "plain"

    error: Error = Error.SQUARED
    """What a regression is to make small; set to that of the target before the loss is asked for."""

    def loss(self, y: Tensor, weights: Tensor | None = None) -> Loss:
        """What is to be made small, for targets of the training part: int64 classes, or float32 standardised values.

        ``weights`` are those of the rows, by which the losses are multiplied later.
        """
        return self.value_loss() if y.is_floating_point() else classification_loss

    def value_loss(self) -> Loss:
        """That of a regression: of standardised values, which are those of a logarithm where that was asked for."""
        return absolute_loss if self.error is Error.ABSOLUTE else regression_loss


class ClassWeighted(Objective):
    """The cross entropy times n / (n_classes * rows of its class): classes weigh the same. A regression is plain.

    A row of a weighted table counts as often as it weighs.
    """

    name: ClassVar[str] = "class_weighted"

    def loss(self, y: Tensor, weights: Tensor | None = None) -> Loss:
        if y.is_floating_point():
            return self.value_loss()
        counts = torch.bincount(y, weights)
        n_rows = len(y) if weights is None else weights.sum()
        factors = n_rows / ((counts > 0).sum() * torch.where(counts > 0, counts, 1))
        return lambda logits, classes: classification_loss(logits, classes) * factors[classes]


class LabelSmoothing(Objective):
    """The cross entropy to a mixture of the class and even odds (Szegedy et al., 2016). A regression is plain."""

    name: ClassVar[str] = "label_smoothing"
    space: ClassVar[Space] = {"smoothing": Real(0.005, 0.2, default=0.1, log=True)}

    def __init__(self, *, smoothing: float = 0.1) -> None:
        self.smoothing = smoothing

    def loss(self, y: Tensor, weights: Tensor | None = None) -> Loss:
        if y.is_floating_point():
            return self.value_loss()
        return partial(classification_loss, label_smoothing=self.smoothing)
