"""Which weights predict, of all that a training goes through."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from raytabdl.component import Component, Integer, Real, Space
from raytabdl.training.weights import Weights

_FIRST_AVERAGED = 0.75
"""The share of the horizon from which on weights are averaged (Izmailov et al., 2018, section 3.2)."""

_MAX_ROWS = 10_000
"""Rows that the statistics of batch norm are taken from: more change nothing that the network notices."""

_N_SNAPSHOTS = 3


@dataclass(frozen=True)
class Moment:
    """Where a training stands after an epoch: the share of the horizon, and whether the learning rate rises next."""

    progress: float
    is_cycle_end: bool


class Averaging(Component):
    """The weights of the last step. Subclasses keep others beside them, or change them as the training goes on."""

    name: ClassVar[str] = "none"

    def begin(self, weights: Weights) -> None:
        """Is told of the weights before the first step."""

    def after_step(self, weights: Weights, n_steps: int) -> None:
        """Is told of each step, after it; ``n_steps`` counts from 1."""

    def after_epoch(self, network: nn.Module, weights: Weights, moment: Moment) -> None:
        """Is told of each epoch, after it."""

    def predictors(self, network: nn.Module, weights: Weights, x_num: Tensor, x_cat: Tensor) -> list[nn.Module]:
        """The networks that predict, by the mean of their predictions; the rows are those of the training."""
        return [network]

    def state(self) -> dict[str, Tensor]:
        """A copy of all that ``restore`` needs."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes a copy of what ``state`` gave."""


class StochasticWeightAveraging(Averaging):
    """The mean of the weights at the ends of the epochs in the last quarter of the horizon (Izmailov et al., 2018).

    Batch norms take their statistics anew for it. Before that quarter the weights of the last step predict.
    """

    name: ClassVar[str] = "swa"

    def __init__(self) -> None:
        self._n_averaged = 0
        self._mean = torch.empty(0)

    def after_epoch(self, network: nn.Module, weights: Weights, moment: Moment) -> None:
        if moment.progress > _FIRST_AVERAGED:
            self._n_averaged += 1
            if self._n_averaged == 1:
                self._mean = weights.vector.clone()
            else:
                self._mean.lerp_(weights.vector, 1 / self._n_averaged)

    def predictors(self, network: nn.Module, weights: Weights, x_num: Tensor, x_cat: Tensor) -> list[nn.Module]:
        if self._n_averaged == 0:
            return [network]
        averaged = weights.network_with(network, self._mean)
        _take_statistics(averaged, x_num[:_MAX_ROWS], x_cat[:_MAX_ROWS])
        return [averaged]

    def state(self) -> dict[str, Tensor]:
        return {"mean": self._mean.clone(), "n_averaged": torch.tensor(self._n_averaged)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._mean = state["mean"].clone()
        self._n_averaged = int(state["n_averaged"])


class SnapshotEnsemble(Averaging):
    """The networks at the ends of the last cycles of the learning rate, up to three (Huang et al., 2017).

    Within a cycle the last step's stands for the one to come.
    """

    name: ClassVar[str] = "snapshot"

    def __init__(self) -> None:
        self._snapshots: list[dict[str, Tensor]] = []
        self._is_at_end = False

    def after_epoch(self, network: nn.Module, weights: Weights, moment: Moment) -> None:
        self._is_at_end = moment.is_cycle_end
        if moment.is_cycle_end:
            snapshot = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
            self._snapshots = [*self._snapshots, snapshot][-_N_SNAPSHOTS:]

    def predictors(self, network: nn.Module, weights: Weights, x_num: Tensor, x_cat: Tensor) -> list[nn.Module]:
        earlier = self._snapshots[:-1] if self._is_at_end else self._snapshots[1 - _N_SNAPSHOTS :]
        networks = [copy.deepcopy(network) for _ in earlier]
        for snapshot_network, snapshot in zip(networks, earlier, strict=True):
            snapshot_network.load_state_dict(snapshot)
        return [*networks, network]

    def state(self) -> dict[str, Tensor]:
        tensors = {f"{i}.{name}": t for i, snapshot in enumerate(self._snapshots) for name, t in snapshot.items()}
        return {
            "is_at_end": torch.tensor(self._is_at_end),
            "n_snapshots": torch.tensor(len(self._snapshots)),
            **{name: tensor.clone() for name, tensor in tensors.items()},
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._is_at_end = bool(state["is_at_end"])
        self._snapshots = [
            {name.removeprefix(f"{i}."): t.clone() for name, t in state.items() if name.startswith(f"{i}.")}
            for i in range(int(state["n_snapshots"]))
        ]


class Lookahead(Averaging):
    """Every few steps the weights go a share of the way from where they were then, and on from there; these predict.

    Zhang et al., 2019, "Lookahead Optimizer: k steps forward, 1 step back": ``n_steps`` is k.
    """

    name: ClassVar[str] = "lookahead"
    space: ClassVar[Space] = {
        "n_steps": Integer(5, 10, default=6),
        "alpha": Real(0.5, 0.8, default=0.5),
    }

    def __init__(self, *, n_steps: int = 6, alpha: float = 0.5) -> None:
        self.n_steps = n_steps
        self.alpha = alpha
        self._slow = torch.empty(0)

    def begin(self, weights: Weights) -> None:
        self._slow = weights.vector.clone()

    def after_step(self, weights: Weights, n_steps: int) -> None:
        if n_steps % self.n_steps == 0:
            self._slow.lerp_(weights.vector, self.alpha)
            weights.vector.copy_(self._slow)

    def predictors(self, network: nn.Module, weights: Weights, x_num: Tensor, x_cat: Tensor) -> list[nn.Module]:
        return [weights.network_with(network, self._slow)]

    def state(self) -> dict[str, Tensor]:
        return {"slow": self._slow.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._slow = state["slow"].clone()


def _take_statistics(network: nn.Module, x_num: Tensor, x_cat: Tensor) -> None:
    """Sets the running statistics of batch norms to those of the rows."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0  # of one batch
        norm.train()
    with torch.inference_mode():
        network(x_num, x_cat)
    network.eval()
