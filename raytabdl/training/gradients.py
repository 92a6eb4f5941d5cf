"""Statistics of gradients, in LCBench's words (Zimmer et al., 2021, section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class GradientStatistics:
    """Of the values of a gradient, over the whole network or in one layer.

    ``norm`` is the mean of the L2 norms of the parameters' gradients, as in LCBench; ``std`` is the standard deviation,
    where LCBench's code gives its square.
    """

    max: float
    mean: float
    median: float
    std: float
    q10: float
    q25: float
    q75: float
    q90: float
    norm: float

    @classmethod
    def of(cls, gradients: Sequence[Tensor]) -> GradientStatistics:
        """Those of the gradients of some parameters."""
        values = torch.cat([gradient.detach().flatten() for gradient in gradients]).double()
        # torch.quantile refuses more than 2**24 values.
        ordered = values.sort().values
        q10, q25, median, q75, q90 = (_quantile(ordered, level) for level in _LEVELS)
        return cls(
            max=float(ordered[-1]),
            mean=float(values.mean()),
            median=median,
            std=float(values.std(correction=0)),
            q10=q10,
            q25=q25,
            q75=q75,
            q90=q90,
            norm=float(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]).mean()),
        )


@dataclass(frozen=True)
class Gradients:
    """Statistics over the whole network, and of each layer, a module with parameters of its own."""

    overall: GradientStatistics
    layers: Mapping[str, GradientStatistics]

    @classmethod
    def of(cls, gradients: Mapping[str, Tensor]) -> Gradients:
        """Those of gradients by the names of their parameters, in the network's order."""
        layers: dict[str, list[Tensor]] = {}
        for name, gradient in gradients.items():
            layers.setdefault(name.rpartition(".")[0], []).append(gradient)
        of_layers = {name: GradientStatistics.of(own) for name, own in layers.items()}
        return cls(GradientStatistics.of(list(gradients.values())), of_layers)


def _quantile(ordered: Tensor, level: float) -> float:
    """The quantile between the two nearest of ordered values, by linear interpolation."""
    position = level * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(torch.lerp(ordered[below], ordered[above], position - below))
