"""An epoch of our loop beside the usual one, and beside its bare matrix products."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.training.timing import Row, compare
from raytabdl.networks import ShapedMLP
from raytabdl.training import AdamW, CosineCycles
from raytabdl.training.loop import Training, TrainingData, predict
from raytabdl.training.losses import classification_loss

N_ROWS, N_VALID, D, BATCH = 20_000, 5_000, 20, 256
N_EPOCHS = 2


def rows() -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N_ROWS + N_VALID, D, generator=generator)
    y = (x[:, 0] * x[:, 1] > 0).long()
    return [
        compare(
            f"epoch of an MLP 3x256, batch {BATCH}, {N_ROWS:,} rows, {D} features",
            "the usual loop: DataLoader, AdamW foreach, both validating each epoch",
            lambda: _ours(x, y, 256),
            lambda: _usual(x, y, 256),
            1.4,
        ),
        *(
            compare(
                f"epoch of an MLP 3x{width}",
                "its matrix products alone (ratio: their share of the epoch)",
                lambda width=width: _ours(x, y, width),
                lambda width=width: _products(width),
                share,
            )
            for width, share in ((256, 0.6), (512, 0.75))
        ),
    ]


def _ours(x: Tensor, y: Tensor, width: int) -> None:
    training = Training(
        ShapedMLP(D, (), 2, n_layers=4, max_units=width, use_dropout=False),
        TrainingData(x[:N_ROWS], torch.empty(N_ROWS, 0, dtype=torch.int64), y[:N_ROWS]),
        optimizer=AdamW(),
        schedule=CosineCycles(),
        loss=classification_loss,
        batch_size=BATCH,
        n_epochs=N_EPOCHS,
        rows_per_epoch=N_ROWS,
        seed=0,
    )
    x_cat = torch.empty(N_VALID, 0, dtype=torch.int64)
    for _ in training.epochs():
        F.cross_entropy(predict(training.network, x[N_ROWS:], x_cat), y[N_ROWS:])


def _usual(x: Tensor, y: Tensor, width: int) -> None:
    network = nn.Sequential(
        *(nn.Linear(D, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()),
        *(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, foreach=True)
    loader = DataLoader(TensorDataset(x[:N_ROWS], y[:N_ROWS]), batch_size=BATCH, shuffle=True)
    valid = DataLoader(TensorDataset(x[N_ROWS:], y[N_ROWS:]), batch_size=BATCH)
    for _ in range(N_EPOCHS):
        network.train()
        for x_batch, y_batch in loader:
            optimizer.zero_grad()
            F.cross_entropy(network(x_batch), y_batch).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for x_batch, y_batch in valid:
                F.cross_entropy(network(x_batch), y_batch, reduction="sum")


def _products(width: int) -> None:
    """Forward, weight and (but for the first layer) input gradient of each batch, and forward for the validation."""
    sizes = [(D, width), (width, width), (width, width), (width, 2)]
    inputs = [torch.randn(BATCH, d_in) for d_in, _ in sizes]
    weights = [torch.randn(d_out, d_in) for d_in, d_out in sizes]
    gradients = [torch.randn(BATCH, d_out) for _, d_out in sizes]
    for _ in range(N_EPOCHS):
        for _ in range(-(-N_ROWS // BATCH)):
            for i, (x, weight, gradient) in enumerate(zip(inputs, weights, gradients, strict=True)):
                torch.mm(x, weight.t())
                torch.mm(gradient.t(), x)
                if i > 0:
                    torch.mm(gradient, weight)
        for _ in range(-(-N_VALID // BATCH)):
            for x, weight in zip(inputs, weights, strict=True):
                torch.mm(x, weight.t())
