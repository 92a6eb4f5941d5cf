"""Training a network, as a generator of epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raytabdl.training.schedules import Schedule

Loss = Callable[[Tensor, Tensor], Tensor]

_MAX_GRADIENT_NORM = 1.0
_PERMUTATION, _EPOCH = 0, 1  # what a seed is drawn for


@dataclass(frozen=True)
class TrainingData:
    """All rows that a network is trained on, on the device of the network.

    ``x_num`` is float32 of shape (n, d_num), ``x_cat`` int64 of shape (n, d_cat); ``y`` has shape (n,): int64
    classes or float32 standardised values.
    """

    x_num: Tensor
    x_cat: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Epoch:
    """What one epoch did: ``index`` counts from 1, ``train_loss`` is the mean over its rows in training mode, and
    ``learning_rate`` that of its last step.
    """

    index: int
    train_loss: float
    learning_rate: float
    seconds: float


class Training:
    """The course of a network over a horizon of ``n_epochs``, which can be paused after any epoch.

    An epoch is the next ``rows_per_epoch`` rows of a running permutation: every row is seen equally often, and a
    large table has cheap epochs. The network and the optimizer belong to the training and change as it goes on.
    An epoch follows from the seed, its index and the state of network and optimizer, whatever else draws random
    numbers between the epochs; torch's own generator is left as it was.
    """

    def __init__(
        self,
        network: nn.Module,
        data: TrainingData,
        *,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        loss: Loss,
        batch_size: int,
        n_epochs: int,
        rows_per_epoch: int,
        seed: int,
    ) -> None:
        if len(data) < 1:
            raise ValueError(f"there must be a row to train on, got {len(data)=}")
        if batch_size < 2 or rows_per_epoch < 2:
            raise ValueError(f"a batch needs at least 2 rows for batch norm, got {batch_size=}, {rows_per_epoch=}")
        self.network = network
        self.data = data
        self.optimizer = optimizer
        self.schedule = schedule
        self.loss = loss
        self.n_epochs = n_epochs
        self.seed = seed
        self.n_epochs_done = 0
        self._batch_sizes = _batch_sizes(rows_per_epoch, batch_size)
        self._learning_rates = [group["lr"] for group in optimizer.param_groups]
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._permutation = (-1, torch.empty(0, dtype=torch.int64))  # the pass over the table, and its order

    def epochs(self) -> Iterator[Epoch]:
        """Trains for an epoch at a time, up to the horizon; a later call goes on where the last one was left."""
        while self.n_epochs_done < self.n_epochs:
            yield self._train_epoch()

    def state(self) -> dict[str, Tensor]:
        """A copy of all that the next epoch depends on beside the constructor's arguments, under flat names."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for i, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{name}": value for name, value in values.items() if value is not None}
        state = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
        return state | {"n_epochs_done": torch.tensor(self.n_epochs_done)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes a copy of what ``state`` gave in a training with the same arguments; the next epochs are the same."""
        self.n_epochs_done = int(state["n_epochs_done"])
        self.network.load_state_dict(_below("network.", state))
        optimizer_state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _below("optimizer.", state).items():
            i, name = key.split(".", 1)
            optimizer_state.setdefault(int(i), {})[name] = tensor.clone()  # torch would keep the tensor itself
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer_state, "param_groups": groups})

    def _train_epoch(self) -> Epoch:
        began = time.perf_counter()
        device = self.data.y.device
        rows = self._rows(self.n_epochs_done).to(device)
        columns = (self.data.x_num, self.data.x_cat, self.data.y)
        batches = zip(*(torch.split(column[rows], self._batch_sizes) for column in columns), strict=True)
        total_loss = torch.zeros((), device=device)
        self.network.train()
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(_derived_seed(self.seed, _EPOCH, self.n_epochs_done))
            for i, (x_num, x_cat, y) in enumerate(batches):
                self._set_learning_rate(i)
                total_loss += self._step(x_num, x_cat, y) * len(y)
        self.n_epochs_done += 1
        train_loss = total_loss.item() / len(rows)  # the one synchronisation with a GPU
        learning_rate = self.optimizer.param_groups[0]["lr"]
        if not math.isfinite(train_loss):
            raise FloatingPointError(
                f"the loss must stay finite, got {train_loss=} in epoch {self.n_epochs_done} at {learning_rate=:.3g}"
            )
        return Epoch(self.n_epochs_done, train_loss, learning_rate, time.perf_counter() - began)

    def _step(self, x_num: Tensor, x_cat: Tensor, y: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss = self.loss(self.network(x_num, x_cat), y)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._parameters, _MAX_GRADIENT_NORM, foreach=True)
        self.optimizer.step()
        return loss.detach()

    def _set_learning_rate(self, i: int) -> None:
        """Sets the rate of the middle of step ``i`` of this epoch, so that no step falls on the end of a cycle."""
        epochs_done = self.n_epochs_done + (i + 0.5) / len(self._batch_sizes)
        factor = self.schedule.factor(epochs_done / self.n_epochs)
        for group, learning_rate in zip(self.optimizer.param_groups, self._learning_rates, strict=True):
            group["lr"] = learning_rate * factor

    def _rows(self, n_epochs_done: int) -> Tensor:
        """The rows of the next epoch, in order."""
        n, n_rows = len(self.data), sum(self._batch_sizes)
        parts: list[Tensor] = []
        begin, end = n_epochs_done * n_rows, (n_epochs_done + 1) * n_rows  # among all rows ever seen
        while begin < end:
            i_pass, offset = divmod(begin, n)
            if self._permutation[0] != i_pass:
                generator = torch.Generator().manual_seed(_derived_seed(self.seed, _PERMUTATION, i_pass))
                self._permutation = (i_pass, torch.randperm(n, generator=generator))
            parts.append(self._permutation[1][offset : offset + end - begin])
            begin += len(parts[-1])
        return torch.cat(parts)


def predict(network: nn.Module, x_num: Tensor, x_cat: Tensor, batch_size: int = 4096) -> Tensor:
    """The outputs of the network for all rows, of shape (n, d_out), in evaluation mode; its mode is left as it was."""
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            batches = zip(torch.split(x_num, batch_size), torch.split(x_cat, batch_size), strict=True)
            return torch.cat([network(batch_num, batch_cat) for batch_num, batch_cat in batches])
    finally:
        network.train(was_training)


def classification_loss(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """The mean cross entropy of (batch, n_classes) logits, in nats."""
    return F.cross_entropy(logits, y, label_smoothing=label_smoothing)


def regression_loss(output: Tensor, y: Tensor) -> Tensor:
    """The mean squared error of (batch, 1) outputs."""
    return F.mse_loss(output.squeeze(1), y)


def _batch_sizes(n_rows: int, batch_size: int) -> list[int]:
    """Sizes of about ``batch_size`` or less that differ by at most one.

    With a remainder as the last batch, batch norm could meet a single row, and its rows would weigh more.
    """
    n_batches = min(math.ceil(n_rows / batch_size), n_rows // 2)
    return [n_rows // n_batches + (i < n_rows % n_batches) for i in range(n_batches)]


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _derived_seed(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1, np.uint32)[0])
