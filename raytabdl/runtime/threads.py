"""The threads of a worker: one, since there is a worker for each CPU."""

from __future__ import annotations

import os

import torch
from threadpoolctl import threadpool_limits

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries go by when they are loaded; Ray sets the first alone, and only where the user has not."""


def one_thread() -> None:
    """Has torch, BLAS and OpenMP work in the calling thread, until the process ends; also those still to be loaded."""
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    threadpool_limits(limits=1)
    torch.set_num_threads(1)
