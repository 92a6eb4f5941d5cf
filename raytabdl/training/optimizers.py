"""Optimizers: one step on a vector of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from raytabdl.component import Choice, Component, Real, Space
from raytabdl.training.schedules import Constant, FlatCosine, Schedule

Moments = Sequence[Tensor]
Rate = float | Tensor

_DECAY_SCHEDULES: dict[str, Schedule] = {"constant": Constant(), "flat_cosine": FlatCosine()}


class Optimizer(Component):
    """Steps along gradients. Weights, gradient and each of the moments are vectors, (n,), changed in place.

    ``step`` may be called on each segment of a network's weights apart, with the segment's own rate and decay, or on
    contiguous matrices, (k, n), with rates and decays of (k, 1) or (k, n). ``n_steps``, float32 without a dimension,
    counts from 1.
    """

    n_moments: ClassVar[int]
    """Vectors that are kept from step to step, zero at first."""

    lr: float
    weight_decay: float

    def decay(self, progress: float) -> float:
        """The weight decay at a share of the horizon."""
        return self.weight_decay

    def step(
        self, weights: Tensor, gradient: Tensor, moments: Moments, *, n_steps: Tensor, lr: Rate, weight_decay: Rate
    ) -> None:
        raise NotImplementedError


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019); the decay of a step is lr * weight_decay."""

    name: ClassVar[str] = "adamw"
    n_moments: ClassVar[int] = 2
    space: ClassVar[Space] = {
        "lr": Real(1e-4, 1e-1, default=1e-3, log=True),
        "weight_decay": Real(1e-5, 0.3, default=1e-2, log=True),
        "beta2": Choice((0.95, 0.99, 0.999), default=0.99),
        "decay_schedule": Choice(tuple(_DECAY_SCHEDULES), default="constant"),
    }

    def __init__(
        self, *, lr: float = 1e-3, weight_decay: float = 1e-2, beta2: float = 0.99, decay_schedule: str = "constant"
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.beta2 = beta2
        self.decay_schedule = decay_schedule

    def decay(self, progress: float) -> float:
        return self.weight_decay * _DECAY_SCHEDULES[self.decay_schedule].factor(progress)

    def step(
        self, weights: Tensor, gradient: Tensor, moments: Moments, *, n_steps: Tensor, lr: Rate, weight_decay: Rate
    ) -> None:
        _adam(weights, gradient, moments, n_steps, lr, weight_decay, (0.9, self.beta2))


class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015), with weight decay as an L2 penalty."""

    name: ClassVar[str] = "adam"
    n_moments: ClassVar[int] = 2
    space: ClassVar[Space] = {
        "lr": Real(1e-4, 1e-1, default=1e-3, log=True),
        "weight_decay": Real(1e-7, 1e-2, default=1e-5, log=True),
        "beta1": Real(0.85, 0.999, default=0.9),
        "beta2": Real(0.9, 0.9999, default=0.999),
    }

    def __init__(
        self, *, lr: float = 1e-3, weight_decay: float = 1e-5, beta1: float = 0.9, beta2: float = 0.999
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.beta1 = beta1
        self.beta2 = beta2

    def step(
        self, weights: Tensor, gradient: Tensor, moments: Moments, *, n_steps: Tensor, lr: Rate, weight_decay: Rate
    ) -> None:
        gradient.add_(weights * weight_decay)
        _adam(weights, gradient, moments, n_steps, lr, 0.0, (self.beta1, self.beta2))


class SGD(Optimizer):
    """Stochastic gradient descent with Nesterov momentum, and weight decay as an L2 penalty."""

    name: ClassVar[str] = "sgd"
    n_moments: ClassVar[int] = 1
    space: ClassVar[Space] = {
        "lr": Real(1e-3, 0.3, default=3e-2, log=True),
        "momentum": Real(0.1, 0.99, default=0.9),
        "weight_decay": Real(1e-6, 1e-2, default=1e-5, log=True),
    }

    def __init__(self, *, lr: float = 3e-2, momentum: float = 0.9, weight_decay: float = 1e-5) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.momentum = momentum

    def step(
        self, weights: Tensor, gradient: Tensor, moments: Moments, *, n_steps: Tensor, lr: Rate, weight_decay: Rate
    ) -> None:
        (velocity,) = moments
        gradient.add_(weights * weight_decay)
        velocity.mul_(self.momentum).add_(gradient)
        weights.sub_(gradient.add_(velocity, alpha=self.momentum).mul_(lr))


class RMSprop(Optimizer):
    """Gradients over the root of their mean square (Tieleman & Hinton, 2012), with weight decay as an L2 penalty."""

    name: ClassVar[str] = "rmsprop"
    n_moments: ClassVar[int] = 2
    space: ClassVar[Space] = {
        "lr": Real(1e-4, 1e-1, default=1e-3, log=True),
        "alpha": Real(0.1, 0.99, default=0.99),
        "momentum": Real(0.0, 0.99, default=0.0),
        "weight_decay": Real(1e-7, 1e-2, default=1e-5, log=True),
    }

    def __init__(
        self, *, lr: float = 1e-3, alpha: float = 0.99, momentum: float = 0.0, weight_decay: float = 1e-5
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.alpha = alpha
        self.momentum = momentum

    def step(
        self, weights: Tensor, gradient: Tensor, moments: Moments, *, n_steps: Tensor, lr: Rate, weight_decay: Rate
    ) -> None:
        mean_square, velocity = moments
        gradient.add_(weights * weight_decay)
        mean_square.mul_(self.alpha).addcmul_(gradient, gradient, value=1 - self.alpha)
        velocity.mul_(self.momentum).addcdiv_(gradient, mean_square.sqrt().add_(1e-8))
        weights.sub_(velocity * lr)


def _adam(
    weights: Tensor,
    gradient: Tensor,
    moments: Moments,
    n_steps: Tensor,
    lr: Rate,
    weight_decay: Rate,
    betas: tuple[float, float],
) -> None:
    """Adam with decoupled decay, by the kernel of torch's fused one: in one pass over memory what takes ten apart."""
    if isinstance(lr, float) and isinstance(weight_decay, float):
        _fused_adamw(weights, gradient, moments, n_steps, lr, weight_decay, betas)
        return
    step = torch.zeros_like(weights)
    _fused_adamw(step, gradient, moments, n_steps, 1.0, 0.0, betas)
    step.addcmul_(weights, torch.as_tensor(weight_decay), value=-1)
    weights.addcmul_(step, torch.as_tensor(lr))


def _fused_adamw(
    weights: Tensor,
    gradient: Tensor,
    moments: Moments,
    n_steps: Tensor,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
) -> None:
    mean, mean_square = moments
    torch._fused_adamw_(
        [weights],
        [gradient],
        [mean],
        [mean_square],
        [],
        [n_steps],
        lr=lr,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=weight_decay,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )
