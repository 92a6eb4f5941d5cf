"""Ctrl-C and SIGTERM: the first asks the run to end with what it has, the second ends it now."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """Set once a signal came; installs its handlers only in the main thread, and puts the old ones back."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._old: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def renew(self) -> None:
        """Installs the handlers again where no signal came yet; in the thread that installed them.

        Ray's start puts a handler of its own over that of SIGTERM. It calls the one below, but also sets an alarm that
        aborts the process 3 seconds later, before an ensemble may be written.
        """
        for number in self._old:
            signal.signal(number, self._handle)

    def is_set(self) -> bool:
        return self._event.is_set()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
        if number == signal.SIGTERM and hasattr(signal, "alarm"):
            signal.alarm(0)  # Ray's, where the signal came between its start and ``renew``
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old = {}
