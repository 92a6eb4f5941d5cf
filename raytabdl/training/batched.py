"""Several configurations or folds of one shape, trained in one network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from raytabdl.training.loop import Epoch, Training, TrainingData, batches, scheduled_modules
from raytabdl.training.optimizers import Optimizer
from raytabdl.training.precision import training_forward
from raytabdl.training.weights import clip_

Stack = Callable[[Sequence[nn.Module]], nn.Module]
"""From k networks of one shape to one that maps (k, batch, ...) to (k, batch, d_out), its parameters (k, ...)."""


class BatchedTraining:
    """Trainings that go on together, an epoch at a time, each as it would alone.

    Matrix products of k small networks are one batched product, which saves most of the time that a CPU spends between
    them. Shapes of networks, sizes of batches and horizons are common to all; rows, seeds, optimizers' settings,
    schedules and rates of dropout are each training's own. Their weights become rows of one matrix and stay those of
    the trainings: each can be evaluated and saved meanwhile, and can go on alone. Only random numbers that a network
    draws in training, such as dropout's, differ from those of a training alone.
    """

    def __init__(self, trainings: Sequence[Training], stack: Stack) -> None:
        _check_alike(trainings)
        self.trainings = tuple(trainings)
        self.failures: dict[int, FloatingPointError] = {}
        """Why a training ended early, by its index."""
        self._network = stack([training.network for training in trainings])
        self._forward = training_forward(self._network, trainings[0].data.y.device)
        self._parameters = self._collect()
        self._is_uniform = _differ_in_rates_only([training.optimizer for training in trainings])
        factors = [training.weights.factors() for training in trainings]
        self._lr_factors = _squeezed(torch.stack([lr for lr, _ in factors]))
        self._decay_factors = _squeezed(torch.stack([decay for _, decay in factors]))
        self._n_steps = trainings[0].n_steps.clone()
        self._weight_decay = (torch.empty(0), torch.empty(0))  # of each member, and of each weight
        self._scheduled = scheduled_modules(self._network)

    def epochs(self) -> Iterator[tuple[Epoch | None, ...]]:
        """Trains all for an epoch at a time, up to the horizon; None for one whose loss has become infinite or NaN.

        The seconds of an epoch are shared equally among them.
        """
        first = self.trainings[0]
        while first.n_epochs_done < first.n_epochs and len(self.failures) < len(self.trainings):
            yield self._train_epoch()

    def _collect(self) -> list[nn.Parameter]:
        """Moves weights, gradients and moments of all into matrices; gives the parameters of the common network."""
        first = self.trainings[0]
        weights = first.weights.vector.new_empty(len(self.trainings), len(first.weights.vector))
        self._gradients = torch.zeros_like(weights)
        moments = first.moments.new_empty(len(first.moments), *weights.shape)
        for k, training in enumerate(self.trainings):
            training.place(weights[k], self._gradients[k], moments[:, k])
        self._weights, self._moments = weights, tuple(moments)
        stacked = dict(self._network.named_parameters())
        parameters = [stacked[name] for name in first.weights.names]
        self._gradient_parts: list[Tensor] = []
        begin = 0
        for p, own in zip(parameters, first.weights.parameters, strict=True):
            end = begin + own.numel()
            p.data = weights[:, begin:end].view(p.shape)
            self._gradient_parts.append(self._gradients[:, begin:end].view(p.shape))
            begin = end
        return parameters

    def _train_epoch(self) -> tuple[Epoch | None, ...]:
        began = time.perf_counter()
        first = self.trainings[0]
        rows = _stacked([training.next_rows() for training in self.trainings])
        totals = torch.zeros(len(self.trainings), device=rows.y.device)
        self._network.train()
        with first.drawing():
            for i, (x_num, x_cat, y) in enumerate(batches(rows, first.batch_sizes)):
                progress = first.progress(i)
                for set_progress in self._scheduled:
                    set_progress(progress)
                totals += self._step(x_num, x_cat, y) * y.shape[1]
                learning_rates = self._update(progress)
        for training in self.trainings:
            training.n_steps.copy_(self._n_steps)
        losses = (totals / sum(first.batch_sizes)).tolist()
        seconds = (time.perf_counter() - began) / len(self.trainings)
        return tuple(self._end_epoch(k, losses[k], rate, seconds) for k, rate in enumerate(learning_rates))

    def _update(self, progress: float) -> list[float]:
        """One step of all; in one where their optimizers differ in nothing but rates and decays."""
        if not self._is_uniform:
            self._n_steps += 1
            return [training.update(progress) for training in self.trainings]
        rates = [training.rates(progress) for training in self.trainings]
        self._n_steps += 1
        lr, weight_decay = self._weights.new_tensor(rates).t().unsqueeze(-1)  # (k, 1) each
        if not torch.equal(weight_decay, self._weight_decay[0]):
            self._weight_decay = weight_decay, weight_decay * self._decay_factors
        self.trainings[0].optimizer.step(
            self._weights,
            self._gradients,
            self._moments,
            n_steps=self._n_steps,
            lr=lr * self._lr_factors,
            weight_decay=self._weight_decay[1],
        )
        return [lr for lr, _ in rates]

    def _end_epoch(self, k: int, train_loss: float, learning_rate: float, seconds: float) -> Epoch | None:
        if k in self.failures:
            self.trainings[k].n_epochs_done += 1
            return None
        try:
            return self.trainings[k].end_epoch(train_loss, learning_rate, seconds)
        except FloatingPointError as error:
            self.failures[k] = error
            return None

    def _step(self, x_num: Tensor, x_cat: Tensor, y: Tensor) -> Tensor:
        first = self.trainings[0]
        outputs = self._forward(x_num, x_cat)  # (k, batch, d_out)
        if all(training.loss is first.loss for training in self.trainings):
            losses = first.loss(outputs.flatten(0, 1), y.flatten()).view(y.shape).mean(dim=1)
        else:
            members = zip(self.trainings, outputs, y, strict=True)
            losses = torch.stack([training.loss(*own).mean() for training, *own in members])
        gradients = torch.autograd.grad(losses.sum(), self._parameters, materialize_grads=True)
        # Gradients of batched products are transposed; torch.cat would have them copied before.
        torch._foreach_copy_(self._gradient_parts, gradients)
        clip_(self._gradients, first.max_gradient_norm)
        return losses.detach()


def _stacked(parts: Sequence[TrainingData]) -> TrainingData:
    """Rows of k trainings, (k, n, ...)."""
    return TrainingData(
        torch.stack([part.x_num for part in parts]),
        torch.stack([part.x_cat for part in parts]),
        torch.stack([part.y for part in parts]),
    )


def _differ_in_rates_only(optimizers: Sequence[Optimizer]) -> bool:
    settings = [(type(optimizer), {**vars(optimizer), "lr": 0.0, "weight_decay": 0.0}) for optimizer in optimizers]
    return all(setting == settings[0] for setting in settings)


def _squeezed(factors: Tensor) -> Tensor:
    """Factors of all weights, (k, n), or (1, 1) where they are the same: a pass over memory less in each step."""
    return factors[:1, :1] if bool((factors == factors[0, 0]).all()) else factors


def _check_alike(trainings: Sequence[Training]) -> None:
    first = trainings[0]
    for training in trainings:
        names = training.augmentation.name, training.averaging.name
        if names != ("none", "none"):
            raise ValueError(f"trainings in a batch must have neither augmentation nor averaging, got {names}")
        if training.data.weights is not None:
            raise ValueError("trainings in a batch must have rows without weights")
        if training.with_gradients:
            raise ValueError("trainings in a batch must go without statistics of gradients, got with_gradients=True")
    for other in trainings[1:]:
        for name in ("n_epochs", "n_epochs_done", "batch_sizes", "max_gradient_norm"):
            if (seen := getattr(other, name)) != (expected := getattr(first, name)):
                raise ValueError(f"trainings in a batch must be alike in {name}, got {expected} and {seen}")
        expected, seen = _shapes(first), _shapes(other)
        if list(expected.items()) != list(seen.items()):  # in the order of the segments
            raise ValueError(f"trainings in a batch must have networks of one shape, got {expected} and {seen}")
        if first.optimizer.n_moments != other.optimizer.n_moments:
            raise ValueError(
                "trainings in a batch must have optimizers with as many moments, got "
                f"{first.optimizer.name} and {other.optimizer.name}"
            )


def _shapes(training: Training) -> dict[str, tuple[int, ...]]:
    weights = training.weights
    return {name: tuple(p.shape) for name, p in zip(weights.names, weights.parameters, strict=True)}
