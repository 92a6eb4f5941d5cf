"""An epoch of TabM-mini beside that of the package tabm, trained as its README does.

Both networks have the defaults of the package: 2 blocks, dropout of 0.1, piecewise-linear embeddings of 12 values.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import rtdl_num_embeddings
import tabm
import torch
from torch.nn import functional as F

from benchmarks.training.timing import Row, compare
from raytabdl.networks.tabm import TabM
from raytabdl.training import AdamW, CosineCycles
from raytabdl.training.loop import Training, TrainingData
from raytabdl.training.losses import classification_loss

N_ROWS, BATCH_SIZE, N_COLUMNS, N_BINS = 2_048, 256, 20, 32


def rows() -> list[Row]:
    torch.manual_seed(0)
    X = torch.randn(N_ROWS, N_COLUMNS)
    y = (X[:, 0] * X[:, 1] > 0).long()
    rows = []
    for k, d_block in ((8, 128), (8, 256), (32, 128)):
        ours, package = _ours(X, y, k, d_block), _package(X, y, k, d_block)
        what = f"epoch of TabM-mini, k = {k}, width {d_block}"
        rows.append(compare(what, "the package tabm", partial(next, ours), partial(next, package), 1.5))
    return rows


def _package(X: torch.Tensor, y: torch.Tensor, k: int, d_block: int) -> Iterator[float]:
    """The loss of each epoch."""
    bins = rtdl_num_embeddings.compute_bins(X, n_bins=N_BINS)
    model = tabm.TabM.make(
        n_num_features=N_COLUMNS,
        d_out=2,
        num_embeddings=rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins, 12, activation=False, version="B"),
        arch_type="tabm-mini",
        n_blocks=2,
        k=k,
        d_block=d_block,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=3e-4)
    while True:
        for rows in torch.randperm(len(X)).split(BATCH_SIZE):
            model.train()
            optimizer.zero_grad()
            predictions = model(X[rows])
            loss = F.cross_entropy(predictions.flatten(0, 1), y[rows].repeat_interleave(k))
            loss.backward()
            optimizer.step()
        yield loss.item()


def _ours(X: torch.Tensor, y: torch.Tensor, k: int, d_block: int) -> Iterator[float]:
    """The loss of each epoch."""
    network = TabM(N_COLUMNS, (), 2, k=k, d_block=d_block, dropout=0.1, n_bins=N_BINS)
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
