"""Runs a process with all that it starts: its memory, its CPU time, the CPU time of everything else, and its end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a process and its descendants took. Memory is proportional (PSS), so that shared pages count once."""

    exit_code: int
    is_killed: bool
    seconds: float
    peak_bytes: int
    cpu_seconds: float
    others_cpu_seconds: float


def adopt_orphans() -> None:
    """Makes this process the parent of orphaned descendants, so that servers in sessions of their own stay in sight."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this process cannot adopt orphans")


def run(command: Sequence[str], env: dict[str, str], output: Path, deadline: Callable[[], float], cwd: Path) -> Usage:
    """Runs until the command ends or ``deadline()`` (monotonic seconds) has passed, then kills what is left of it.

    This process must have no other children.
    """
    adopt_orphans()
    began, busy, own, children = time.monotonic(), _busy_seconds(), _own_seconds(), _children_seconds()
    peak, is_killed, seen = 0, False, dict[tuple[int, float], float]()
    with output.open("wb") as out:
        process = subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        while process.poll() is None:
            if time.monotonic() > deadline():
                is_killed = True
                break
            descendants = psutil.Process().children(recursive=True)
            peak = max(peak, sum(_pss(child) for child in descendants))
            seen |= dict(_cpu_seconds(child) for child in descendants)
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
        process.kill()
        exit_code = process.wait()
        kill_descendants()
    # The kernel forgets the time of those whose parent ignores their end, as Ray's raylet does; polls miss short ones.
    cpu_seconds = max(_children_seconds() - children, sum(seen.values()))
    others = _busy_seconds() - busy - cpu_seconds - (_own_seconds() - own)
    return Usage(exit_code, is_killed, seconds, peak, cpu_seconds, max(others, 0.0))


def kill_descendants() -> None:
    """Kills and reaps until there are none; those whose parent dies become ours, so several rounds may be needed."""
    while children := psutil.Process().children(recursive=True):
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
        for child in psutil.Process().children():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, 0)


def _cpu_seconds(process: psutil.Process) -> tuple[tuple[int, float], float]:
    """The time of a process itself, by its id and the time at which it was started."""
    try:
        times = process.cpu_times()
        return (process.pid, process.create_time()), times.user + times.system
    except psutil.NoSuchProcess:
        return (process.pid, 0.0), 0.0


def _pss(process: psutil.Process) -> int:
    """The proportional set size in bytes; of what cannot be read, nothing."""
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended
    return 0


def _busy_seconds() -> float:
    return busy_seconds(Path("/proc/stat").read_text())


def busy_seconds(stat: str) -> float:
    """Of all processors since the machine was started, by the first line of /proc/stat.

    User, nice, system, interrupts, and what the host of a virtual machine has given to others.
    """
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, stat.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _children_seconds() -> float:
    """Of descendants that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
