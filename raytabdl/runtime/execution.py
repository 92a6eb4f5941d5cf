"""A run from the task to the ensemble: quick models while Ray starts, the search, and the end."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import scipy.linalg  # noqa: F401  # brings an OpenBLAS of its own, which must be there when threads are limited

from raytabdl.ensemble import Ensemble
from raytabdl.exceptions import NoSuccessfulTrialError
from raytabdl.history import Change, History, Status
from raytabdl.runtime.cluster import Connection
from raytabdl.runtime.interrupt import Interrupt
from raytabdl.runtime.quick_models import in_background, train_quick_models
from raytabdl.runtime.run import Run, Watch
from raytabdl.runtime.search import search
from raytabdl.runtime.settings import Settings, has_ray
from raytabdl.runtime.shared import one_blas_thread


@contextmanager
def connecting(settings: Settings) -> Iterator[Connection | None]:
    """Ray, which starts while the block goes on, or None where there is no time for it; ends with the block."""
    if not has_ray(settings):
        yield None
        return
    # Ray's processes are forked while quick models are trained in another thread. OpenBLAS stops its threads at a fork,
    # and waits for ever where one of them is at work: so it works in the calling thread until Ray is over.
    with one_blas_thread():
        connection = Connection(settings.n_workers)
        try:
            yield connection
        finally:
            connection.close()
            connection.join()


def execute(run: Run, connection: Connection | None, watch: Watch) -> Ensemble:
    """Trains until the time is up or the trials are done, and writes the ensemble.

    Goes on where the folder holds trials. ``connection`` is the cluster that is being started, or None for
    a run without Ray.
    """
    with run.folder.lock(), Interrupt() as interrupt:
        history = run.folder.history()
        with run.folder.phase("quick models", run.clock):
            in_background(lambda: train_quick_models(run, history, connection, interrupt, watch))
        found = None
        if connection is not None and not interrupt.is_set():
            with run.folder.phase("search", run.clock):
                found = search(run, history, connection, interrupt, watch)
        if connection is not None:
            connection.close()  # Ray ends while the ensemble is written
        with run.folder.phase("ensemble", run.clock):
            return _finish(run, history, found, is_complete=not interrupt.is_set())


def _finish(run: Run, history: History, found: Ensemble | None, *, is_complete: bool) -> Ensemble:
    """Writes the ensemble and the hashes: the one that was ``found``, or else one selected from all that there is."""
    if is_complete:
        for name, status in list(history.statuses.items()):
            if status in (Status.RUNNING, Status.PAUSED):
                history.append(Change(name, Status.STOPPED, run.clock.elapsed(), "the run was over"))
    ensemble = found or run.folder.builder(run.metric, run.settings.ensemble_size).ensemble()
    reasons = history.reasons()
    counted = "; ".join(f"{count} x {reason}" for reason, count in reasons.items())
    if ensemble is None:
        raise NoSuccessfulTrialError(f"no model could be trained: {counted or 'no trial finished'}")
    searched = [trial for trial in history.trials if not trial.startswith("quick-")]
    has_result = {result.trial_id for result in history.results}
    if searched and all(trial in history.failures and trial not in has_result for trial in searched):
        warnings.warn(
            f"all {len(searched)} trials failed ({counted}); the quick model is returned", UserWarning, stacklevel=4
        )
    with run.folder.writing():
        run.folder.write_ensemble(ensemble, run.metric, is_complete=is_complete)
        run.folder.finish()
    return ensemble
