"""Contexts of the whole process, which several fits may be in at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

from threadpoolctl import OpenBLASController, threadpool_limits


def shared(make: Callable[[], AbstractContextManager[object]]) -> Callable[[], AbstractContextManager[None]]:
    """One context for all blocks of the process that go on at once: the first enters it, the last leaves it.

    Contexts that put back what they found must be left in the order of a stack, which threads do not keep.
    """
    lock = threading.Lock()
    entered: list[AbstractContextManager[object]] = []
    n_blocks = 0

    @contextmanager
    def block() -> Iterator[None]:
        nonlocal n_blocks
        with lock:
            if n_blocks == 0:
                context = make()
                context.__enter__()
                entered.append(context)
            n_blocks += 1
        try:
            yield
        finally:
            with lock:
                n_blocks -= 1
                if n_blocks == 0:
                    entered.pop().__exit__(None, None, None)

    return block


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Set and taken back by one thread: threadpoolctl (3.8) heeds no other while the one that set a limit lives."""
    with ThreadPoolExecutor(1, "raytabdl-blas") as pool:
        if hasattr(OpenBLASController, "clear_controlling_thread"):
            OpenBLASController.clear_controlling_thread(force=True)  # the user's own thread may have set one
        limits = pool.submit(threadpool_limits, limits=1, user_api="blas").result()
        pool.submit(limits.__enter__).result()
        try:
            yield
        finally:
            pool.submit(limits.__exit__, None, None, None).result()


one_blas_thread = shared(_one_blas_thread)
"""BLAS works in the thread that calls it, until the last of the blocks is over."""
