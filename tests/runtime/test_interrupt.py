from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from raytabdl.runtime.interrupt import Interrupt

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_second_is_the_users_again(number: signal.Signals) -> None:
    before = handlers()
    with Interrupt() as interrupt:
        assert not interrupt.is_set()
        signal.raise_signal(number)
        assert interrupt.is_set()
        assert handlers() == before
    assert handlers() == before


@pytest.fixture
def python_handler() -> Iterator[None]:
    """Python's own handler of Ctrl-C, which is not there where a shell runs the tests in the background."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)


def test_the_second_ctrl_c_is_a_keyboard_interrupt(python_handler: None) -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupt.is_set()


def test_without_a_signal_the_handlers_come_back_also_after_an_error() -> None:
    before = handlers()
    with pytest.raises(ZeroDivisionError), Interrupt():
        assert handlers() != before
        raise ZeroDivisionError
    assert handlers() == before


def test_in_another_thread_no_handler_is_set() -> None:
    before, seen = handlers(), []

    def run() -> None:
        with Interrupt() as interrupt:
            seen.extend([handlers(), interrupt.is_set()])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before, False]


TERMINATED = """
import os, signal, sys, time
from raytabdl.runtime.cluster import Connection
from raytabdl.runtime.interrupt import Interrupt
with Interrupt() as interrupt:
    connection = Connection(1)
    connection.cluster()
    if sys.argv[1] == "renewed":
        interrupt.renew()
    os.kill(os.getpid(), signal.SIGTERM)
    began = time.monotonic()
    while time.monotonic() - began < 4:
        time.sleep(0.1)  # what is left to do takes longer than Ray's alarm
    print("interrupted", interrupt.is_set())
connection.close()
connection.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("when", "is_rays"), [("renewed", False), ("before", True)])
def test_a_sigterm_after_the_start_of_ray_leaves_the_time_that_the_end_takes(when: str, is_rays: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    process = subprocess.run(
        [sys.executable, "-c", TERMINATED, when], capture_output=True, text=True, env=environment, check=False
    )
    assert (process.returncode, process.stdout) == (0, "interrupted True\n")
    assert ("SIGTERM received" in process.stderr) is is_rays  # Ray's handler prints where the process was
