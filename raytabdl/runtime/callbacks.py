"""Functions of a user's own that are told of a run while it goes on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from raytabdl.exceptions import SettingError
from raytabdl.runtime.progress import Figures, figures, with_ensemble
from raytabdl.runtime.run import Progress, Run, Watch
from raytabdl.search.brackets import Occupancy


class Callback(Protocol):
    """Takes where a run stands, and returns soon: the driver waits for it.

    It is called in the process of the fit, about twice a second while something happens, and a last time with the stage
    "over"; by one thread at a time, though not always the same. What it raises does not end the run: it is warned of
    when the run is over, and the callback is told on.

    >>> def log(now: Figures) -> None:
    ...     print(f"{now.seconds:.0f} s: {now.metric} {now.ensemble}, {now.n_done} trials done")
    """

    def __call__(self, now: Figures, /) -> None: ...


def check_callbacks(callbacks: Any) -> None:
    """Raises SettingError where the value is no list of callbacks and loggers."""
    is_list = isinstance(callbacks, (list, tuple))
    if callbacks is None or (is_list and all(callable(each) or _is_logger(each) for each in callbacks)):
        return
    raise SettingError(
        "callbacks must be a list of functions of one argument or of Ray's logger callbacks, or None; "
        f"got {callbacks!r}"
    )


def loggers_of(callbacks: Sequence[Any] | None) -> tuple[Any, ...]:
    """Ray's own loggers among the callbacks."""
    return tuple(each for each in callbacks or () if _is_logger(each))


def _is_logger(callback: Any) -> bool:
    """Whether it is a ``ray.tune.Callback``, told without importing Ray, which takes a second."""
    return hasattr(callback, "on_trial_result")


@contextmanager
def telling(callbacks: Sequence[Any] | None, run: Run, watch: Watch) -> Iterator[Watch]:
    """A watcher that passes on to another one, and tells those of the callbacks that are no loggers of Ray's."""
    told = _Told(tuple(each for each in callbacks or () if not _is_logger(each)), watch)
    yield told.watch
    if told.callbacks:
        loss = run.folder.read_ensemble().loss
        told.tell(Progress("over", run.clock, run.folder.history(), 0, loss, run.metric, told.rungs))
    for callback, (count, error) in told.errors.items():
        name = getattr(told.callbacks[callback], "__qualname__", repr(told.callbacks[callback]))
        warnings.warn(
            f"the callback {name} raised {count} times, which the run went on after; the first was "
            f"{type(error).__name__}: {error}",
            stacklevel=4,
        )


class _Told:
    """The callbacks with what they were told last, and what they raised: how often, and the first error."""

    def __init__(self, callbacks: tuple[Callback, ...], watch: Watch) -> None:
        self.callbacks = callbacks
        self.rungs: Mapping[int, Occupancy] = {}
        self.errors: dict[int, tuple[int, Exception]] = {}
        self._watch = watch
        self._last: Figures | None = None

    def watch(self, progress: Progress) -> None:
        self._watch(progress)
        if self.callbacks:
            self.rungs = progress.rungs
            self.tell(progress)

    def tell(self, progress: Progress) -> None:
        self._last = with_ensemble(figures(progress), self._last)
        for number, callback in enumerate(self.callbacks):
            try:
                callback(self._last)
            except Exception as error:  # noqa: BLE001  # what a user's own code does must not lose the run
                count, first = self.errors.get(number, (0, error))
                self.errors[number] = (count + 1, first)
