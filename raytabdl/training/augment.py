"""What is done to a batch of rows before the network sees it, and the loss that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from raytabdl.component import Component, Real, Space
from raytabdl.training.losses import Loss

Model = Callable[[Tensor, Tensor], Tensor]


class Augmentation(Component):
    """Rows as they are. Subclasses change the rows of a batch, and what is asked of the network for them.

    Random numbers are torch's own, which a training seeds for each epoch.
    """

    name: ClassVar[str] = "none"

    def losses(
        self,
        network: Model,
        loss: Loss,
        x_num: Tensor,
        x_cat: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The loss of each row of a batch times its weight, (batch,); x_num (batch, d_num), x_cat (batch, d_cat)."""
        return _weighted(loss(network(x_num, x_cat), y), weights)


class Mixup(Augmentation):
    """Each row is mixed with another, and so are their losses (Zhang et al., 2018, "mixup").

    The share of the row itself is drawn from Beta(alpha, alpha) for the batch. A category has no mixture: each is that
    of the row itself with the share as probability.
    """

    name: ClassVar[str] = "mixup"
    space: ClassVar[Space] = {"alpha": Real(0.05, 1.0, default=0.2)}

    def __init__(self, *, alpha: float = 0.2) -> None:
        self.alpha = alpha

    def losses(
        self,
        network: Model,
        loss: Loss,
        x_num: Tensor,
        x_cat: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        share, other = _beta(self.alpha, y), torch.randperm(len(y), device=y.device)
        mixed_num = torch.lerp(x_num[other], x_num, share)
        mixed_cat = torch.where(torch.rand(x_cat.shape, device=y.device) < share, x_cat, x_cat[other])
        return _mixed(loss, network(mixed_num, mixed_cat), y, weights, other, share)


class RowCutmix(Augmentation):
    """Some columns of each row are those of another, and the losses are mixed by their share.

    CutMix (Yun et al., 2019) on rows in the place of patches of an image (Kadra et al., 2021).
    """

    name: ClassVar[str] = "cutmix"
    space: ClassVar[Space] = {
        "alpha": Real(0.05, 1.0, default=0.5),
        "probability": Real(0.0, 1.0, default=0.5),
    }

    def __init__(self, *, alpha: float = 0.5, probability: float = 0.5) -> None:
        self.alpha = alpha
        self.probability = probability

    def losses(
        self,
        network: Model,
        loss: Loss,
        x_num: Tensor,
        x_cat: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        if float(torch.rand(())) >= self.probability:
            return _weighted(loss(network(x_num, x_cat), y), weights)
        other = torch.randperm(len(y), device=y.device)
        cut = _columns(1 - _beta(self.alpha, y), x_num, x_cat)
        d_num = x_num.shape[1]
        mixed_num = torch.where(cut[:d_num], x_num[other], x_num)
        mixed_cat = torch.where(cut[d_num:], x_cat[other], x_cat)
        return _mixed(loss, network(mixed_num, mixed_cat), y, weights, other, 1 - cut.float().mean())


class RowCutout(Augmentation):
    """Some columns of a batch are blank: numbers 0, their centre, and categories 0, that of unseen ones.

    Cutout (DeVries & Taylor, 2017) on rows in the place of patches of an image (Kadra et al., 2021).
    """

    name: ClassVar[str] = "cutout"
    space: ClassVar[Space] = {
        "share": Real(0.05, 0.8, default=0.2),
        "probability": Real(0.0, 1.0, default=0.5),
    }

    def __init__(self, *, share: float = 0.2, probability: float = 0.5) -> None:
        self.share = share
        self.probability = probability

    def losses(
        self,
        network: Model,
        loss: Loss,
        x_num: Tensor,
        x_cat: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        if float(torch.rand(())) < self.probability:
            cut = _columns(torch.tensor(self.share, device=y.device), x_num, x_cat)
            d_num = x_num.shape[1]
            x_num, x_cat = x_num.masked_fill(cut[:d_num], 0.0), x_cat.masked_fill(cut[d_num:], 0)
        return _weighted(loss(network(x_num, x_cat), y), weights)


class Adversarial(Augmentation):
    """Half of the loss is that of the numbers moved by epsilon against the network (FGSM, Goodfellow et al., 2015)."""

    name: ClassVar[str] = "adversarial"
    space: ClassVar[Space] = {"epsilon": Real(0.001, 0.15, default=0.01, log=True)}

    def __init__(self, *, epsilon: float = 0.01) -> None:
        self.epsilon = epsilon

    def losses(
        self,
        network: Model,
        loss: Loss,
        x_num: Tensor,
        x_cat: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        x_num = x_num.detach().requires_grad_()
        clean = loss(network(x_num, x_cat), y)
        (slope,) = torch.autograd.grad(clean.sum(), x_num, retain_graph=True, materialize_grads=True)
        moved = loss(network(x_num.detach() + self.epsilon * slope.sign(), x_cat), y)
        return _weighted((clean + moved) / 2, weights)


def _beta(alpha: float, like: Tensor) -> Tensor:
    """A number drawn from Beta(alpha, alpha), on the device of ``like``."""
    concentration = torch.tensor(alpha, device=like.device)
    return torch.distributions.Beta(concentration, concentration, validate_args=False).sample()


def _columns(share: Tensor, x_num: Tensor, x_cat: Tensor) -> Tensor:
    """About ``share`` of all columns, at random: (d_num + d_cat,), True for those."""
    return torch.rand(x_num.shape[1] + x_cat.shape[1], device=share.device) < share


def _mixed(loss: Loss, outputs: Tensor, y: Tensor, weights: Tensor | None, other: Tensor, share: Tensor) -> Tensor:
    """Losses of each row and of the other one that it is mixed with, each by its own weight."""
    own, of_other = _weighted(loss(outputs, y), weights), loss(outputs, y[other])
    return torch.lerp(of_other if weights is None else of_other * weights[other], own, share)


def _weighted(losses: Tensor, weights: Tensor | None) -> Tensor:
    return losses if weights is None else losses * weights
