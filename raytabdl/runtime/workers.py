"""The workers of a study: Ray, for as long as there is time.

Ray is imported once its environment is set, which ``connected`` does: this module must not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from raytabdl.clock import Clock
from raytabdl.runtime.cluster import connected
from raytabdl.runtime.interrupt import Interrupt


@dataclass(frozen=True)
class Workers:
    """How many trainings go on at once, and whether they are to end: by a signal, or as the time is up."""

    n: int
    is_over: Callable[[], bool]


@contextmanager
def workers(n: int | None, seconds: float) -> Iterator[Workers]:
    """Ray for so many seconds, joined or started for the block; a worker for each of its CPUs unless ``n`` says so."""
    clock = Clock.start(seconds)
    with Interrupt() as interrupt, connected(n) as cluster:
        interrupt.renew()
        yield Workers(n or max(cluster.n_cpus, 1), lambda: interrupt.is_set() or clock.is_up())
