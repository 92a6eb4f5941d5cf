"""All parameters of a network as one vector."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from raytabdl.component import Factors

_MATRIX, _VECTOR = Factors(), Factors(weight_decay=0.0)


@dataclass(frozen=True)
class Segment:
    """Weights side by side that an optimizer treats alike."""

    begin: int
    end: int
    factors: Factors


class Weights:
    """The trainable parameters of a network side by side in one vector, of which they become views.

    Optimizer steps, clipping, averages of weights and checkpoints are arithmetic on this vector. Matrices decay and
    vectors (biases, norms) do not, unless the network says otherwise (``Network.factors``).
    """

    def __init__(self, network: nn.Module, factors: Mapping[str, Factors]) -> None:
        parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        if not parameters:
            raise ValueError("the network must have a parameter to train, got none")
        if unknown := factors.keys() - parameters.keys():
            raise ValueError(f"factors must be those of parameters, got {sorted(unknown)}")
        own = {name: factors.get(name, _MATRIX if p.ndim >= 2 else _VECTOR) for name, p in parameters.items()}
        self._order = list(parameters)
        self.names = sorted(parameters, key=lambda name: (own[name].lr, own[name].weight_decay))
        self.parameters = [parameters[name] for name in self.names]
        self.segments: list[Segment] = []
        end = 0
        for segment_factors, names in groupby(self.names, key=lambda name: own[name]):
            begin = end
            end += sum(parameters[name].numel() for name in names)
            self.segments.append(Segment(begin, end, segment_factors))
        self.vector = torch.cat([p.detach().flatten() for p in self.parameters])
        self.move(self.vector, torch.zeros_like(self.vector))

    def move(self, vector: Tensor, gradient: Tensor) -> None:
        """Keeps the weights in ``vector`` and their gradient in ``gradient``, both (n,), from now on."""
        self.vector = vector.copy_(self.vector)
        self.gradient = gradient
        begin = 0
        for p in self.parameters:
            p.data = self.vector[begin : begin + p.numel()].view(p.shape)
            begin += p.numel()

    def network_with(self, network: nn.Module, vector: Tensor) -> nn.Module:
        """A copy of the network whose weights are those of another vector, (n,)."""
        other = copy.deepcopy(network)
        begin = 0
        for name, p in zip(self.names, self.parameters, strict=True):
            other.get_parameter(name).data.copy_(vector[begin : begin + p.numel()].view(p.shape))
            begin += p.numel()
        return other

    def gradients(self) -> dict[str, Tensor]:
        """Views of the gradient by the names of the parameters, in the network's order."""
        parts = self.gradient.split([p.numel() for p in self.parameters])
        own = {name: part.view(p.shape) for name, p, part in zip(self.names, self.parameters, parts, strict=True)}
        return {name: own[name] for name in self._order}

    def factors(self) -> tuple[Tensor, Tensor]:
        """What learning rate and weight decay are multiplied by for each weight: (n,) each."""
        lr, weight_decay = torch.empty_like(self.vector), torch.empty_like(self.vector)
        for segment in self.segments:
            lr[segment.begin : segment.end] = segment.factors.lr
            weight_decay[segment.begin : segment.end] = segment.factors.weight_decay
        return lr, weight_decay

    def differentiate(self, loss: Tensor) -> None:
        """Computes the gradient of a scalar loss."""
        gradients = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        torch.cat([gradient.flatten() for gradient in gradients], out=self.gradient)


def clip_(gradient: Tensor, max_norm: float) -> None:
    """Scales gradients, (..., n), down to norms of at most ``max_norm``, in place."""
    if math.isfinite(max_norm):
        norm = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
        if norm.device.type == "cpu" and bool((norm <= max_norm).all()):
            return  # most steps: a pass over memory less
        gradient.mul_((max_norm / norm.clamp_(min=1e-12)).clamp_(max=1.0))
