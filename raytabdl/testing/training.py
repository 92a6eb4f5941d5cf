"""The contracts of an optimizer and of a schedule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from raytabdl.networks import ShapedMLP
from raytabdl.space import Choices
from raytabdl.testing.contract import configurations, must, without_errors
from raytabdl.training import Optimizer, Schedule

_D = 12
"""Weights of a bowl."""


def check_schedule(cls: type[Schedule]) -> None:
    """Raises ContractError where a schedule breaks a contract.

    Under every configuration of its space its factor is from 0 to 1, more than 0 somewhere, and the same whenever it is
    asked for.
    """
    build: Callable[..., Schedule] = cls
    choices = Choices(networks=(ShapedMLP,), classic=(), schedules=(cls,), full=True)
    for config in configurations(choices, f"network.mlp.schedule.{cls.name}"):
        shares = np.linspace(0, 1, 501).tolist()
        with without_errors(cls, f"give a factor with {dict(config)}"):
            schedule = build(**config)
            factors = [schedule.factor(share) for share in shares]
            backwards = [schedule.factor(share) for share in reversed(shares)][::-1]
        outside = [(share, factor) for share, factor in zip(shares, factors, strict=True) if not 0 <= factor <= 1]
        must(cls, "give factors from 0 to 1", not outside, f"(share of the horizon, factor) = {outside[:3]}")
        must(cls, "give a factor above 0 somewhere", max(factors) > 0, f"0 everywhere with {dict(config)}")
        must(cls, "give the same factor whenever it is asked", factors == backwards, "others in another order")


def check_optimizer(cls: type[Optimizer]) -> None:
    """Raises ContractError where an optimizer breaks a contract.

    It goes down a bowl; its first step under every configuration of its space is downhill, and as long as the learning
    rate says; weight decay makes weights smaller; and as all that it keeps are moments, steps on two segments of the
    weights are one step on both.
    """
    build: Callable[..., Optimizer] = cls
    choices = Choices(networks=(ShapedMLP,), classic=(), optimizers=(cls,), full=True)
    for config in configurations(choices, f"network.mlp.optimizer.{cls.name}"):
        said = f"with {dict(config)}"
        with without_errors(cls, f"make a step {said}"):
            optimizer = build(**config)
            start, gradient = _bowl()
            moves = {lr: _step(optimizer, lr=lr) - start for lr in (0.0, 1e-3, 2e-3)}
            decayed = _step(optimizer, lr=1e-3, weight_decay=0.1, gradient=torch.zeros(_D))
            shares = [optimizer.decay(share) for share in (0.0, 0.5, 1.0)]
        slope = float(moves[1e-3] @ gradient)
        must(cls, f"go downhill in its first step {said}", slope < 0, f"a slope of {slope:.3g}")
        must(cls, f"stay where it is at a learning rate of 0 {said}", not moves[0.0].any(), moves[0.0])
        is_double = torch.allclose(moves[2e-3], 2 * moves[1e-3], rtol=1e-3, atol=1e-6)
        must(cls, f"go twice as far in its first step at twice the learning rate {said}", is_double, moves)
        is_smaller = bool((decayed.abs() < start.abs()).all())
        must(cls, f"make each weight smaller by weight decay {said}", is_smaller, decayed - start)
        must(cls, f"have a weight decay of at least 0 {said}", min(shares) >= 0, shares)
    with without_errors(cls, "make 200 steps"):
        optimizer = build()
        share = float(_loss(_descend(optimizer, 200, (slice(0, _D),))) / _loss(_bowl()[0]))
        whole, halves = (_descend(optimizer, 5, parts) for parts in ((slice(0, _D),), (slice(0, 5), slice(5, _D))))
    must(cls, "go down a bowl in 200 steps", share < 0.05, f"{share:.3g} of the loss at the start")
    must(cls, "treat two segments as one", torch.allclose(whole, halves, atol=1e-5), whole - halves)


def _bowl() -> tuple[Tensor, Tensor]:
    """Weights, and the gradient of ``_loss`` there."""
    weights = torch.linspace(-1.0, 1.0, _D) + 0.1
    return weights, weights * torch.linspace(0.5, 2.0, _D)


def _loss(weights: Tensor) -> Tensor:
    return (weights.square() * torch.linspace(0.5, 2.0, _D)).sum() / 2


def _step(optimizer: Optimizer, *, lr: float, weight_decay: float = 0.0, gradient: Tensor | None = None) -> Tensor:
    weights, slope = _bowl()
    moments = tuple(torch.zeros(optimizer.n_moments, _D))
    gradient = slope if gradient is None else gradient
    optimizer.step(weights, gradient, moments, n_steps=torch.tensor(1.0), lr=lr, weight_decay=weight_decay)
    return weights


def _descend(optimizer: Optimizer, n_steps: int, parts: tuple[slice, ...]) -> Tensor:
    weights, _ = _bowl()
    moments = torch.zeros(optimizer.n_moments, _D)
    for i in range(1, n_steps + 1):
        gradient = weights * torch.linspace(0.5, 2.0, _D)
        for part in parts:
            own = weights[part], gradient[part], tuple(moments[:, part])
            optimizer.step(*own, n_steps=torch.tensor(float(i)), lr=0.03, weight_decay=0.0)
    return weights
