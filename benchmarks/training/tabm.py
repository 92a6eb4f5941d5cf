"""CPU time of an epoch of TabM-mini beside the package tabm, trained as its README does, on one thread.

``python -m benchmarks.training.tabm`` takes a minute and prints a line for each k and width. Both networks have the
defaults of the package: 2 blocks, dropout of 0.1, piecewise-linear embeddings of 12 values; ``--dropout 0`` and
``--embedding none`` leave those out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import click
import rtdl_num_embeddings
import tabm
import torch
from torch.nn import functional as F

from raytabdl.networks.tabm import TabM
from raytabdl.training import AdamW, CosineCycles
from raytabdl.training.loop import Training, TrainingData
from raytabdl.training.losses import classification_loss

BATCH_SIZE, N_COLUMNS, N_BINS = 256, 20, 32


@click.command()
@click.option("--rows", default=2048, help="Rows of an epoch.")
@click.option("--repeats", default=7, help="Epochs of each, in turn; medians are reported.")
@click.option("--dropout", default=0.1)
@click.option("--embedding", default="pwl", type=click.Choice(["pwl", "none"]))
def main(rows: int, repeats: int, dropout: float, embedding: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    X = torch.randn(rows, N_COLUMNS)
    y = (X[:, 0] * X[:, 1] > 0).long()
    for k in (8, 32):
        for d_block in (128, 256):
            settings = {"k": k, "d_block": d_block, "dropout": dropout}
            sides = (_package(X, y, embedding, **settings), _ours(X, y, embedding, **settings))
            package, ours = _medians(sides, repeats)
            print(
                f"{k=:<3} {d_block=}: tabm {package:7.1f} ms, ours {ours:7.1f} ms, {package / ours:.2f} times as fast"
            )


def _package(X: torch.Tensor, y: torch.Tensor, embedding: str, **settings: float) -> Iterator[float]:
    """The loss of each epoch."""
    embeddings = None
    if embedding == "pwl":
        bins = rtdl_num_embeddings.compute_bins(X, n_bins=N_BINS)
        embeddings = rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins, 12, activation=False, version="B")
    model = tabm.TabM.make(
        n_num_features=N_COLUMNS, d_out=2, num_embeddings=embeddings, arch_type="tabm-mini", n_blocks=2, **settings
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=3e-4)
    while True:
        for rows in torch.randperm(len(X)).split(BATCH_SIZE):
            model.train()
            optimizer.zero_grad()
            predictions = model(X[rows])
            loss = F.cross_entropy(predictions.flatten(0, 1), y[rows].repeat_interleave(predictions.shape[1]))
            loss.backward()
            optimizer.step()
        yield loss.item()


def _ours(X: torch.Tensor, y: torch.Tensor, embedding: str, **settings: float) -> Iterator[float]:
    """The loss of each epoch."""
    network = TabM(N_COLUMNS, (), 2, embedding=embedding, n_bins=N_BINS, **settings)
    data = TrainingData(X, torch.zeros(len(X), 0, dtype=torch.int64), y)
    network.initialise(data.x_num, data.x_cat)
    training = Training(
        network,
        data,
        optimizer=AdamW(lr=2e-3, weight_decay=3e-4),
        schedule=CosineCycles(),
        loss=classification_loss,
        batch_size=BATCH_SIZE,
        n_epochs=108,
        rows_per_epoch=len(X),
        seed=0,
    )
    return (epoch.train_loss for epoch in training.epochs())


def _medians(sides: tuple[Iterator[float], ...], repeats: int) -> list[float]:
    """Milliseconds of CPU time of an epoch of each, measured in turn after one that does not count."""
    seconds: list[list[float]] = [[] for _ in sides]
    for _ in range(repeats + 1):
        for times, epochs in zip(seconds, sides, strict=True):
            began = time.process_time()
            next(epochs)
            times.append(time.process_time() - began)
    return [1e3 * statistics.median(times[1:]) for times in seconds]


if __name__ == "__main__":
    main()
