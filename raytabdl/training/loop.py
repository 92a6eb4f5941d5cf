"""Training a network, as a generator of epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raytabdl.component import Network
from raytabdl.training.augment import Augmentation
from raytabdl.training.averaging import Averaging, Moment
from raytabdl.training.gradients import Gradients
from raytabdl.training.losses import Loss
from raytabdl.training.optimizers import Optimizer
from raytabdl.training.precision import training_forward
from raytabdl.training.rows import EPOCH, Passes, derived_seed
from raytabdl.training.schedules import Schedule
from raytabdl.training.weights import Weights, clip_


@dataclass(frozen=True)
class TrainingData:
    """All rows that a network is trained on, on the device of the network.

    ``x_num`` is float32 of shape (n, d_num), ``x_cat`` int64 of shape (n, d_cat); ``y`` has shape (n,): int64
    classes or float32 standardised values. The loss of a row is multiplied by its weight, where there are ``weights``
    (float32, (n,), 1 on average).
    """

    x_num: Tensor
    x_cat: Tensor
    y: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Epoch:
    """What one epoch did: ``index`` counts from 1, ``train_loss`` is the mean over its rows in training mode, and
    ``learning_rate`` and ``gradients`` are those of its last step.
    """

    index: int
    train_loss: float
    learning_rate: float
    seconds: float
    gradients: Gradients | None = None


class Training:
    """The course of a network over a horizon of ``n_epochs``, which can be paused after any epoch.

    An epoch is the next ``rows_per_epoch`` rows: every row is seen equally often, and a large table has cheap epochs,
    in which its classes have their shares. The network belongs to the training and changes as it goes on. An epoch
    follows from the seed, its index and the state, whatever else draws random numbers between the epochs; torch's own
    generator is left as it was.
    """

    def __init__(
        self,
        network: nn.Module,
        data: TrainingData,
        *,
        optimizer: Optimizer,
        schedule: Schedule,
        loss: Loss,
        batch_size: int,
        n_epochs: int,
        rows_per_epoch: int,
        seed: int,
        augmentation: Augmentation | None = None,
        averaging: Averaging | None = None,
        with_gradients: bool = False,
    ) -> None:
        if len(data) < 1:
            raise ValueError(f"there must be a row to train on, got {len(data)=}")
        if batch_size < 2 or rows_per_epoch < 2:
            raise ValueError(f"a batch needs at least 2 rows for batch norm, got {batch_size=}, {rows_per_epoch=}")
        self.network = network
        self._forward = training_forward(network, data.y.device)
        self.data = data
        self.optimizer = optimizer
        self.schedule = schedule
        self.loss = loss
        self.augmentation = augmentation or Augmentation()
        self.averaging = averaging or Averaging()
        self.n_epochs = n_epochs
        self.seed = seed
        self.with_gradients = with_gradients
        self.n_epochs_done = 0
        self.batch_sizes = _batch_sizes(rows_per_epoch, batch_size)
        self.weights = Weights(network, network.factors() if isinstance(network, Network) else {})
        self.moments = self.weights.vector.new_zeros(optimizer.n_moments, len(self.weights.vector))
        self.place(self.weights.vector, self.weights.gradient, self.moments)
        self.n_steps = torch.zeros((), dtype=torch.float32, device=self.moments.device)
        self.averaging.begin(self.weights)
        self.max_gradient_norm = getattr(network, "max_gradient_norm", Network.max_gradient_norm)
        self._passes = Passes(data.y, rows_per_epoch, seed)

    def epochs(self) -> Iterator[Epoch]:
        """Trains for an epoch at a time, up to the horizon; a later call goes on where the last one was left."""
        while self.n_epochs_done < self.n_epochs:
            yield self._train_epoch()

    def state(self) -> dict[str, Tensor]:
        """A copy of all that the next epoch depends on beside the constructor's arguments, under flat names."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        state = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
        state |= {f"averaging.{name}": tensor for name, tensor in self.averaging.state().items()}
        schedule = torch.tensor(self.schedule.state(), dtype=torch.float64)
        return state | {
            "schedule": schedule,
            "moments": self.moments.clone(),
            "n_epochs": torch.tensor(self.n_epochs),
            "n_epochs_done": torch.tensor(self.n_epochs_done),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes a copy of what ``state`` gave in a training with the same arguments; the next epochs are the same."""
        self.n_epochs = int(state["n_epochs"])
        self.n_epochs_done = int(state["n_epochs_done"])
        self.n_steps.fill_(self.n_epochs_done * len(self.batch_sizes))
        self.network.load_state_dict(_below("network.", state))
        self.moments.copy_(state["moments"])
        self.averaging.restore(_below("averaging.", state))
        self.schedule.restore(state["schedule"].tolist())

    def shorten(self, n_epochs: int) -> None:
        """Ends at an earlier epoch: what follows the horizon, as the learning rate does, goes on from its new share."""
        if not self.n_epochs_done <= n_epochs <= self.n_epochs:
            raise ValueError(
                "a horizon does not end before what was done, and is not made longer, "
                f"got {n_epochs=}, {self.n_epochs_done=}, {self.n_epochs=}"
            )
        self.n_epochs = n_epochs

    def predictors(self) -> list[nn.Module]:
        """The networks that predict now, by the mean of their predictions."""
        return self.averaging.predictors(self.network, self.weights, self.data.x_num, self.data.x_cat)

    def update(self, progress: float) -> float:
        """One step of the optimizer along the gradient; gives the learning rate."""
        lr, weight_decay = self.rates(progress)
        self.n_steps += 1
        for weights, gradient, moments, factors in self._segments:
            own = {"lr": lr * factors.lr, "weight_decay": weight_decay * factors.weight_decay}
            self.optimizer.step(weights, gradient, moments, n_steps=self.n_steps, **own)
        return lr

    def rates(self, progress: float) -> tuple[float, float]:
        """The learning rate and the weight decay at a share of the horizon."""
        return self.optimizer.lr * self.schedule.factor(progress), self.optimizer.decay(progress)

    def place(self, vector: Tensor, gradient: Tensor, moments: Tensor) -> None:
        """Keeps weights and gradient, (n,), and moments, (n_moments, n), in the given memory from now on."""
        self.weights.move(vector, gradient)
        self.moments = moments.copy_(self.moments)
        parts = [(slice(segment.begin, segment.end), segment.factors) for segment in self.weights.segments]
        self._segments = [(vector[p], gradient[p], tuple(moments[:, p]), factors) for p, factors in parts]

    def progress(self, i: int) -> float:
        """The share of the horizon in the middle of step ``i`` of this epoch: no step falls on the end of a cycle."""
        return (self.n_epochs_done + (i + 0.5) / len(self.batch_sizes)) / self.n_epochs

    def next_rows(self) -> TrainingData:
        """The rows of the next epoch, in order."""
        rows = self._passes.rows(self.n_epochs_done).to(self.data.y.device)
        weights = None if self.data.weights is None else self.data.weights[rows]
        return TrainingData(self.data.x_num[rows], self.data.x_cat[rows], self.data.y[rows], weights)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Random numbers are those of the next epoch, and torch's own generator is left as it was."""
        device = self.data.y.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(derived_seed(self.seed, EPOCH, self.n_epochs_done))
            yield

    def end_epoch(
        self, train_loss: float, learning_rate: float, seconds: float, gradients: Gradients | None = None
    ) -> Epoch:
        """Counts the epoch. Raises FloatingPointError where its loss is not finite."""
        moment = Moment((self.n_epochs_done + 1) / self.n_epochs, self._ends_cycle())
        self.n_epochs_done += 1
        if not math.isfinite(train_loss):
            raise FloatingPointError(
                f"the loss must stay finite, got {train_loss=} in epoch {self.n_epochs_done} at {learning_rate=:.3g}"
            )
        self.schedule.observe(train_loss)
        self.averaging.after_epoch(self.network, self.weights, moment)
        return Epoch(self.n_epochs_done, train_loss, learning_rate, seconds, gradients)

    def _train_epoch(self) -> Epoch:
        began = time.perf_counter()
        total_loss = torch.zeros((), device=self.data.y.device)
        gradients = None
        n_steps = self.n_epochs_done * len(self.batch_sizes)
        self.network.train()
        scheduled = scheduled_modules(self.network)
        with self.drawing():
            for i, batch in enumerate(batches(self.next_rows(), self.batch_sizes)):
                progress = self.progress(i)
                for set_progress in scheduled:
                    set_progress(progress)
                loss = self.augmentation.losses(self._forward, self.loss, *batch).mean()
                self.weights.differentiate(loss)
                if self.with_gradients and i == len(self.batch_sizes) - 1:
                    gradients = Gradients.of(self.weights.gradients())
                clip_(self.weights.gradient, self.max_gradient_norm)
                total_loss += loss.detach() * len(batch[0])
                learning_rate = self.update(progress)
                self.averaging.after_step(self.weights, n_steps + i + 1)
        train_loss = total_loss.item() / sum(self.batch_sizes)  # the one synchronisation with a GPU
        return self.end_epoch(train_loss, learning_rate, time.perf_counter() - began, gradients)

    def _ends_cycle(self) -> bool:
        """Whether the learning rate is at its lowest in the last step of this epoch."""
        if self.n_epochs_done + 1 == self.n_epochs:
            return True
        n = len(self.batch_sizes)
        before, last, following = (self.schedule.factor(max(0.0, self.progress(i))) for i in (n - 2, n - 1, n))
        return last <= before and last < following


def predict(network: nn.Module, x_num: Tensor, x_cat: Tensor, batch_size: int = 4096) -> Tensor:
    """The outputs of the network for all rows, in evaluation mode; its mode is left as it was."""
    was_training = network.training
    if was_training:  # to go over all modules takes as long as to predict a row
        network.eval()
    try:
        with torch.inference_mode():
            batches = [slice(begin, begin + batch_size) for begin in range(0, max(1, len(x_num)), batch_size)]
            return torch.cat([network(x_num[batch], x_cat[batch]) for batch in batches])
    finally:
        if was_training:
            network.train()


def batches(data: TrainingData, sizes: Sequence[int]) -> Iterator[tuple[Tensor, ...]]:
    """The rows in parts of the given sizes, with weights last where there are any; they are the last dimension but one
    of ``x_num``, the last of ``y``.
    """
    n_leading = data.y.ndim - 1  # before the rows
    columns = (data.x_num, data.x_cat, data.y, *(() if data.weights is None else (data.weights,)))
    return zip(*(torch.split(column, list(sizes), dim=n_leading) for column in columns), strict=True)


def scheduled_modules(network: nn.Module) -> list[Callable[[float], None]]:
    """The methods by which modules are told the share of the horizon before each step."""
    hooks = (getattr(module, "set_progress", None) for module in network.modules())
    return [hook for hook in hooks if callable(hook)]


def _batch_sizes(n_rows: int, batch_size: int) -> list[int]:
    """Sizes of about ``batch_size`` or less that differ by at most one.

    With a remainder as the last batch, batch norm could meet a single row, and its rows would weigh more.
    """
    n_batches = min(math.ceil(n_rows / batch_size), n_rows // 2)
    return [n_rows // n_batches + (i < n_rows % n_batches) for i in range(n_batches)]


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
