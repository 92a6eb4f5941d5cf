"""The process that configurations are tried in: it may be killed, and may die, without harm to the others."""

from __future__ import annotations

import multiprocessing
import resource
import time
import traceback
import warnings
from dataclasses import replace
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import torch

import raytabdl
from benchmarks.space.outcomes import DIVERGED, TRAINED, Outcome
from benchmarks.space.trial import WrongPredictionsError, read_rows, run_trial
from raytabdl.component import Config
from raytabdl.presets import full
from raytabdl.space import ROOT

LIMIT_S = 40.0
MEMORY_BYTES = 6 * 2**30

_SPAWN = multiprocessing.get_context("spawn")
_START_S = 60.0


class Worker:
    """Tries configurations, one after the other, in a process that is started anew when it was lost."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, table: str, index: int, config: Config) -> Outcome:
        connection = self._connection or self._start()
        tried = Outcome(table, index, str(config[ROOT]), "died", 0.0, config=dict(config))
        began = time.perf_counter()
        connection.send((table, index, config))
        try:
            if connection.poll(LIMIT_S):
                outcome: Outcome = connection.recv()
                return outcome
            tried = replace(tried, outcome="too slow")
        except EOFError:
            pass
        self.close()
        return replace(tried, seconds=round(time.perf_counter() - began, 2))

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._connection = None

    def _start(self) -> Connection:
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(_START_S):
            raise RuntimeError(f"the worker must start within {_START_S:g} s")
        self._connection.recv()
        return self._connection


def _serve(connection: Connection) -> None:
    """One thread, as a trial has, and a bound on the memory: what goes beyond it is an error in the place of a hang."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    connection.send("ready")
    while True:
        try:
            table, index, config = connection.recv()
        except EOFError:
            return
        connection.send(_try(table, index, config))


def _try(table: str, index: int, config: Config) -> Outcome:
    rows, choices = _rows(table), _choices()
    began = time.perf_counter()
    tried = Outcome(table, index, str(config[ROOT]), TRAINED, 0.0)
    try:
        run_trial(config, choices, rows, seed=index)
    except Exception as error:  # noqa: BLE001  # whatever a configuration raises is what is counted
        kinds = {FloatingPointError: DIVERGED, WrongPredictionsError: "wrong"}
        tried = replace(
            tried,
            outcome=kinds.get(type(error), "crashed"),
            where=_where(error.__traceback__),
            error=type(error).__name__,
            message=str(error)[:1000],
            config=dict(config),
        )
    return replace(tried, seconds=round(time.perf_counter() - began, 2))


_rows = lru_cache(maxsize=None)(read_rows)
_choices = lru_cache(maxsize=None)(full)


def _where(trace: TracebackType | None) -> str:
    """The last line of the package's own that an error went through, as file:function."""
    root = Path(raytabdl.__file__).parent
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_relative_to(root)]
    return f"{Path(frames[-1].filename).relative_to(root)}:{frames[-1].name}" if frames else ""
