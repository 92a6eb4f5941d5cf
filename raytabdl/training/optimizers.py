"""Optimizers, and which parameters decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import nn

from raytabdl.component import Choice, Component, Real, Space


class Optimizer(Component):
    """Settings that ``build`` makes a torch optimizer of."""

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """An optimizer that updates the parameters; biases and norms, which are vectors, do not decay."""
        raise NotImplementedError


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019); the decay of a step is lr * weight_decay."""

    name: ClassVar[str] = "adamw"
    space: ClassVar[Space] = {
        "lr": Real(1e-4, 1e-1, default=1e-3, log=True),
        "weight_decay": Real(1e-5, 0.3, default=1e-2, log=True),
        "beta2": Choice((0.95, 0.99, 0.999), default=0.99),
    }

    def __init__(self, *, lr: float = 1e-3, weight_decay: float = 1e-2, beta2: float = 0.99) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.beta2 = beta2

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        groups = _groups(parameters, self.weight_decay)
        return torch.optim.AdamW(groups, lr=self.lr, betas=(0.9, self.beta2), fused=True)


class SGD(Optimizer):
    """Stochastic gradient descent with Nesterov momentum, and weight decay as an L2 penalty."""

    name: ClassVar[str] = "sgd"
    space: ClassVar[Space] = {
        "lr": Real(1e-3, 0.3, default=3e-2, log=True),
        "momentum": Real(0.1, 0.99, default=0.9),
        "weight_decay": Real(1e-6, 1e-2, default=1e-5, log=True),
    }

    def __init__(self, *, lr: float = 3e-2, momentum: float = 0.9, weight_decay: float = 1e-5) -> None:
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        groups = _groups(parameters, self.weight_decay)
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=True, fused=True)


def _groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
