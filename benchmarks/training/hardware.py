"""What threads, half precision and compilation do to an epoch: reported, since none of them is a target.

bfloat16 is measured only where the CPU multiplies it; elsewhere it is 100 times slower than float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.training.timing import Row, compare
from raytabdl.component import Network
from raytabdl.networks import RealMLP, ShapedMLP
from raytabdl.networks.tabm import TabM
from raytabdl.training import AdamW, CosineCycles
from raytabdl.training.loop import Training, TrainingData
from raytabdl.training.losses import classification_loss

N_ROWS, D, BATCH = 8_192, 20, 256
N_EPOCHS_OF_TRIAL = 108

NETWORKS: dict[str, Callable[[], Network]] = {
    "an MLP 3x256": lambda: ShapedMLP(D, (), 2, n_layers=4, max_units=256, use_dropout=False),
    "RealMLP 3x256": lambda: RealMLP(D, (), 2),
    "TabM-mini, k = 8, width 128": lambda: TabM(D, (), 2),
}


def rows() -> list[Row]:
    return [
        *(_threads(name) for name in NETWORKS),
        *(_bfloat16(name) for name in NETWORKS if has_bfloat16()),
        *(compiled(name) for name in NETWORKS),
    ]


def has_bfloat16() -> bool:
    """Whether the CPU has instructions that multiply it."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _threads(name: str) -> Row:
    """Two threads are worth it only beyond a ratio of 2: two trials of one thread each would use the same cores."""
    one, two = (partial(_epoch_with_threads, _training(name), n) for n in (1, 2))
    return compare(f"epoch of {name}, two threads", "one thread", two, one, None, repeats=5)


def _bfloat16(name: str) -> Row:
    half, single = (partial(_epoch_in, _training(name), dtype) for dtype in (torch.bfloat16, torch.float32))
    return compare(f"epoch of {name}, bfloat16", "float32", half, single, None, repeats=5)


def compiled(name: str, repeats: int = 5) -> Row:
    """A trial of 108 epochs whose network is compiled, the compilation included."""
    plain, other = _training(name), _training(name)
    other.network.compile()
    next(plain.epochs())
    first = _seconds_of_epoch(other)
    pairs = [(_seconds_of_epoch(plain), _seconds_of_epoch(other)) for _ in range(repeats)]
    ratios = [N_EPOCHS_OF_TRIAL * p / (first + (N_EPOCHS_OF_TRIAL - 1) * c) for p, c in pairs]
    what = f"{N_EPOCHS_OF_TRIAL} epochs of {name}, compiled ({first:.0f} s for the first)"
    return Row(what, "as it is", sorted(ratios)[len(ratios) // 2], min(ratios), max(ratios), None)


def _training(name: str) -> Training:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N_ROWS, D, generator=generator)
    data = TrainingData(x, torch.empty(N_ROWS, 0, dtype=torch.int64), (x[:, 0] * x[:, 1] > 0).long())
    network = NETWORKS[name]()
    assert isinstance(network, nn.Module)
    network.initialise(data.x_num, data.x_cat)
    return Training(
        network,
        data,
        optimizer=AdamW(),
        schedule=CosineCycles(),
        loss=classification_loss,
        batch_size=BATCH,
        n_epochs=N_EPOCHS_OF_TRIAL,
        rows_per_epoch=N_ROWS,
        seed=0,
    )


def _epoch_with_threads(training: Training, n_threads: int) -> None:
    torch.set_num_threads(n_threads)
    next(training.epochs())
    torch.set_num_threads(1)


def _epoch_in(training: Training, dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        next(training.epochs())


def _seconds_of_epoch(training: Training) -> float:
    began = time.perf_counter()
    next(training.epochs())
    return time.perf_counter() - began
