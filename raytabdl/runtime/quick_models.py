"""The quick models of a run, trained in a thread of the driver while Ray starts, or in the place of a search."""

from __future__ import annotations

import math
import os
import sys
import threading
import traceback
from collections.abc import Callable

from raytabdl.history import QUICK, Change, History, Status, Trial, trial_seed
from raytabdl.quick import first_point_seconds, quick_configurations, train_quick
from raytabdl.runtime.cluster import Connection
from raytabdl.runtime.interrupt import Interrupt
from raytabdl.runtime.quick_folds import DUMMY, QuickFolds, publish
from raytabdl.runtime.run import Progress, Run, Watch
from raytabdl.runtime.run_plan import QUICK_END_SECONDS, horizon_of, plan_of

_LOW_PRIORITY = 5
"""The niceness of the quick models' thread once there is a first model."""

QUICK_SHARE, MOST_QUICK_SECONDS = 0.25, 30.0
"""Of the time that is left, which a quick model may take before it can be left; and where workers wait for it."""

QUICK_BUDGET = 9
"""Where a quick model ends in a run without a time limit: until then no worker has anything to do."""


def train_quick_models(
    run: Run, history: History, connection: Connection | None, interrupt: Interrupt, watch: Watch
) -> None:
    """Trains quick models until Ray is ready, or until the end of a run without Ray."""

    def is_over() -> bool:
        if interrupt.is_set() or math.isinf(run.clock.limit_s):
            return interrupt.is_set()  # without a time limit a run is repeatable: nothing depends on the clock
        return connection.is_settled if connection is not None else run.clock.is_up(QUICK_END_SECONDS)

    horizon = horizon_of(plan_of(run, n_workers=1), run.settings)
    most_budget = QUICK_BUDGET if math.isinf(run.clock.limit_s) else None
    builder = run.folder.builder(run.metric, run.settings.ensemble_size)
    for name, config in quick_configurations():
        if name in history.trials:
            continue  # of the run that is resumed
        patience_s = QUICK_SHARE * max(run.clock.remaining(), 0.0)
        if connection is not None:
            patience_s = min(patience_s, MOST_QUICK_SECONDS)
        if first_point_seconds(config, run.task, horizon) > patience_s:
            continue
        trial = Trial(name, config, QUICK, bracket=-1, seed=trial_seed(run.settings.seed, name))
        history.append(trial)
        try:
            for result in train_quick(trial, run.task, horizon, is_over, most_budget):
                loss = publish(run, history, builder, result)
                if name == DUMMY:
                    builder.worst_loss = loss
                ensemble = builder.ensemble()
                if ensemble is not None:
                    run.folder.append_trajectory(run.clock.elapsed(), ensemble)
                if name != DUMMY and connection is not None:
                    _give_way()  # a first model is there: from now on Ray's start comes first
                ensemble_loss = ensemble.loss if ensemble else None
                watch(Progress("quick models", run.clock, history, 1, ensemble_loss, run.metric))
            history.append(Change(name, Status.COMPLETED, run.clock.elapsed()))
        except Exception:  # noqa: BLE001  # a quick model that a table does not suit must not keep the others from it
            history.append(Change(name, Status.FAILED, run.clock.elapsed(), traceback.format_exc()))
        if is_over():
            return
    if connection is None:
        for ensemble in QuickFolds(run, history, builder, horizon, is_over, end_s=QUICK_END_SECONDS).train():
            run.folder.append_trajectory(run.clock.elapsed(), ensemble)
            watch(Progress("quick models", run.clock, history, 1, ensemble.loss, run.metric))


def in_background(work: Callable[[], None]) -> None:
    """Does the work in a thread of its own, which may give way to others, and waits for it."""
    failures: list[BaseException] = []

    def attempt() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)

    thread = threading.Thread(target=attempt, name="raytabdl-quick")
    thread.start()
    thread.join()
    for failure in failures:
        raise failure


def _give_way() -> None:
    """Lowers the priority of this thread for good, where threads have one of their own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)
