"""Contexts of the whole process, whose blocks need not end in the order in which they began."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import scipy.linalg  # noqa: F401  # brings a BLAS
from threadpoolctl import threadpool_info, threadpool_limits

from raytabdl.runtime.shared import one_blas_thread, shared


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def entered(make: Callable[[], Any]) -> ExitStack:
    """A block that was entered, which ``close`` leaves."""
    stack = ExitStack()
    stack.enter_context(make())
    return stack


def test_blas_has_its_threads_again_once_the_last_of_two_fits_is_over_whichever_began_first() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        assert set(before) == {2}
        first, second = entered(one_blas_thread), entered(one_blas_thread)
        first.close()
        assert set(blas_threads()) == {1}  # the second still trains while Ray forks
        second.close()
        assert blas_threads() == before


def test_a_context_is_entered_by_the_first_block_left_by_the_last_and_entered_anew() -> None:
    seen: list[str] = []

    @shared
    @contextmanager
    def context() -> Iterator[None]:
        seen.append("in")
        yield
        seen.append("out")

    one, two, three = (entered(context) for _ in range(3))
    for block in (two, one):
        block.close()
    assert seen == ["in"]
    three.close()
    assert seen == ["in", "out"]
    with context():
        pass
    assert seen == ["in", "out"] * 2


def test_a_block_that_fails_leaves_it_and_one_that_cannot_be_entered_does_not_count() -> None:
    allowed = iter([False, True, True])
    seen: list[str] = []

    @shared
    @contextmanager
    def context() -> Iterator[None]:
        if not next(allowed):
            raise OSError("not now")
        yield
        seen.append("out")

    with pytest.raises(OSError, match="not now"), context():
        pass
    with pytest.raises(ZeroDivisionError), context():
        raise ZeroDivisionError
    assert seen == ["out"]


def test_two_searches_at_once_leave_tune_and_the_warnings_as_they_were() -> None:
    from ray.air.execution._internal.actor_manager import RayActorManager
    from ray.tune.execution.tune_controller import TuneController

    from raytabdl.runtime.controller import without_snapshots
    from raytabdl.runtime.memory_monitor import survived
    from raytabdl.runtime.tune import quiet

    def state() -> tuple[Any, ...]:
        return TuneController._get_trial_checkpoints, RayActorManager._actor_task_failed, list(warnings.filters)

    before = state()
    for context in (without_snapshots, quiet, survived):
        first, second = entered(context), entered(context)
        first.close()
        assert state() != before  # the second still goes on
        second.close()
        assert state() == before
