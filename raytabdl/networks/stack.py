"""Networks of one shape as one network, whose matrix products are batched."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raytabdl.networks.dropout import Dropout, FadingDropout
from raytabdl.networks.numeric import PBLD
from raytabdl.networks.realmlp import NTKLinear


def stack(networks: Sequence[nn.Module]) -> nn.Module:
    """A network of k members that maps (k, batch, ...) to (k, batch, d_out), each member its own rows.

    Its parameters have the members' names and are stacked: (k, ...), vectors of a module's own (k, 1, n). Layers with
    matrices are exchanged for batched ones. Other modules stay, with their children exchanged: their ``forward`` must
    leave the dimensions before the last alone. Raises TypeError for a module with matrices that is not known, and
    ValueError where the members do not have the same modules.
    """
    first = networks[0]
    if any(type(other) is not type(first) or other._modules.keys() != first._modules.keys() for other in networks):
        raise ValueError(f"networks to stack must have the same modules, got {[str(network) for network in networks]}")
    if (batched := _BATCHED.get(type(first))) is not None:
        return batched(networks)
    stacked = copy.copy(first)
    stacked._parameters = {name: _stacked_vector(networks, name) for name in first._parameters}
    stacked._modules = {
        name: None if child is None else stack([network.get_submodule(name) for network in networks])
        for name, child in first._modules.items()
    }
    return stacked


class BatchedLinear(nn.Module):
    """k linear layers, ``factor`` * W x + b."""

    def __init__(self, layers: Sequence[nn.Linear | NTKLinear]) -> None:
        super().__init__()
        self.weight = _stacked(layers, "weight")
        self.bias = None if layers[0].bias is None else _stacked(layers, "bias")
        self._factor = layers[0].factor if isinstance(layers[0], NTKLinear) else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Maps (k, batch, d_in) to (k, batch, d_out)."""
        weight = self.weight.transpose(1, 2)
        if self.bias is None:
            return torch.bmm(x, weight)
        return torch.baddbmm(self.bias.unsqueeze(1), x, weight, alpha=self._factor)


class BatchedEmbedding(nn.Module):
    """k tables of vectors; the row of padding gets no gradient."""

    def __init__(self, layers: Sequence[nn.Embedding]) -> None:
        super().__init__()
        self.weight = _stacked(layers, "weight")
        self._padding_idx = layers[0].padding_idx

    def forward(self, codes: Tensor) -> Tensor:
        """Maps (k, batch, n) to (k, batch, n, d)."""
        tables = zip(codes, self.weight, strict=True)
        return torch.stack([F.embedding(code, table, padding_idx=self._padding_idx) for code, table in tables])


class BatchedBatchNorm(nn.Module):
    """k batch norms, whose running statistics stay those of the members."""

    def __init__(self, layers: Sequence[nn.BatchNorm1d]) -> None:
        super().__init__()
        self.weight = _stacked(layers, "weight")
        self.bias = _stacked(layers, "bias")
        self._layers = tuple(layers)  # no children: their parameters are those above
        self._eps, self._momentum = (
            layers[0].eps,
            layers[0].momentum or 0.0,
        )  # None: a mean over all, which ours have not

    def forward(self, x: Tensor) -> Tensor:
        """Maps (k, batch, d) to the same shape."""
        if self.training:
            variance, mean = torch.var_mean(x, dim=1, keepdim=True, correction=0)
            self._track(mean.detach(), variance.detach() * (x.shape[1] / (x.shape[1] - 1)))
        else:
            mean = torch.stack([layer.get_buffer("running_mean") for layer in self._layers]).unsqueeze(1)
            variance = torch.stack([layer.get_buffer("running_var") for layer in self._layers]).unsqueeze(1)
        factor = self.weight.unsqueeze(1) * (variance + self._eps).rsqrt()
        return torch.addcmul(self.bias.unsqueeze(1) - mean * factor, x, factor)

    def _track(self, means: Tensor, variances: Tensor) -> None:
        for layer, mean, variance in zip(self._layers, means.squeeze(1), variances.squeeze(1), strict=True):
            layer.get_buffer("running_mean").lerp_(mean, self._momentum)
            layer.get_buffer("running_var").lerp_(variance, self._momentum)
            layer.get_buffer("num_batches_tracked").add_(1)


class BatchedDropout(nn.Module):
    """k dropouts, each with its rate."""

    def __init__(self, layers: Sequence[Dropout]) -> None:
        super().__init__()
        self._layers = tuple(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (k, ...) to the same shape."""
        if not self.training:
            return x
        first, *others = (layer.train() for layer in self._layers)
        if all(other.rate == first.rate for other in others):
            dropped: Tensor = first(x)
            return dropped
        return torch.stack([layer(rows) for layer, rows in zip(self._layers, x, strict=True)])

    def set_progress(self, progress: float) -> None:
        """Tells the members that fade."""
        for layer in self._layers:
            if isinstance(layer, FadingDropout):
                layer.set_progress(progress)


class BatchedPBLD(nn.Module):
    """k periodic embeddings of the same columns."""

    def __init__(self, layers: Sequence[PBLD]) -> None:
        super().__init__()
        self.frequencies = _stacked(layers, "frequencies")
        self.phases = _stacked(layers, "phases")
        self.weight = _stacked(layers, "weight")
        self.bias = _stacked(layers, "bias")

    def forward(self, x: Tensor) -> Tensor:
        """Maps (k, batch, d_num) to (k, batch, d_out)."""
        columns = x.transpose(1, 2).unsqueeze(-1)  # (k, d_num, batch, 1)
        waves = torch.addcmul(self.phases.unsqueeze(2), columns, 2 * math.pi * self.frequencies.unsqueeze(2)).cos()
        embedded = torch.matmul(waves, self.weight) + self.bias.unsqueeze(2)  # (k, d_num, batch, d - 1)
        return torch.cat([embedded.transpose(1, 2).flatten(2), x], dim=2)


def _stacked(modules: Sequence[nn.Module], name: str) -> nn.Parameter:
    return nn.Parameter(torch.stack([module.get_parameter(name).detach() for module in modules]))


def _stacked_vector(modules: Sequence[nn.Module], name: str) -> nn.Parameter | None:
    p = modules[0]._parameters[name]
    if p is None:
        return None
    if p.ndim != 1:
        raise TypeError(f"{type(modules[0]).__name__}.{name} cannot be stacked: it must be a vector, got {p.shape}")
    return nn.Parameter(_stacked(modules, name).detach().unsqueeze(1))  # (k, 1, n) beside (k, batch, n)


_BATCHED: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.Linear: BatchedLinear,
    NTKLinear: BatchedLinear,
    nn.Embedding: BatchedEmbedding,
    nn.BatchNorm1d: BatchedBatchNorm,
    Dropout: BatchedDropout,
    FadingDropout: BatchedDropout,
    PBLD: BatchedPBLD,
}
