"""Configurations trained together beside the same ones trained one after another with our own loop."""

from __future__ import annotations

import torch

from benchmarks.training.timing import Row, compare
from raytabdl.networks import ShapedMLP
from raytabdl.networks.stack import stack
from raytabdl.training import AdamW, CosineCycles
from raytabdl.training.batched import BatchedTraining
from raytabdl.training.loop import Training, TrainingData
from raytabdl.training.losses import classification_loss

N_ROWS, D = 2_048, 20


def rows() -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N_ROWS, D, generator=generator)
    data = TrainingData(x, torch.empty(N_ROWS, 0, dtype=torch.int64), (x[:, 0] * x[:, 1] > 0).long())
    return [_row(data, n_members, target) for n_members, target in ((8, 4.0), (32, 7.0))]


def _row(data: TrainingData, n_members: int, target: float) -> Row:
    def together() -> None:
        for _ in BatchedTraining(_trainings(data, n_members), stack).epochs():
            pass

    def apart() -> None:
        for training in _trainings(data, n_members):
            for _ in training.epochs():
                pass

    what = f"{n_members} configurations of width 64, batch 32"
    return compare(what, "one after another, our own loop", together, apart, target)


def _trainings(data: TrainingData, n_members: int) -> list[Training]:
    """MLPs with 3 hidden layers, with learning rates and decays of their own, for 4 epochs."""
    return [
        Training(
            ShapedMLP(D, (), 2, n_layers=4, max_units=64, use_dropout=False),
            data,
            optimizer=AdamW(lr=1e-4 * (k + 1), weight_decay=1e-3 * (k + 1)),
            schedule=CosineCycles(),
            loss=classification_loss,
            batch_size=32,
            n_epochs=4,
            rows_per_epoch=N_ROWS,
            seed=k,
        )
        for k in range(n_members)
    ]
