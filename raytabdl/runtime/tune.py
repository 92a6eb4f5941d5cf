"""The search of a run on Ray Tune."""

from __future__ import annotations

import contextlib
import logging
import math
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from ray import tune
from ray.tune import Callback, Stopper

from raytabdl.clock import Clock
from raytabdl.component import Config, Horizon
from raytabdl.ensemble import Ensemble
from raytabdl.history import History
from raytabdl.metrics import Metric
from raytabdl.quick import with_quick
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.controller import NotKept, in_started_workers, registered, without_snapshots
from raytabdl.runtime.ensemble_actor import start_ensemble_actor
from raytabdl.runtime.folds import Folds
from raytabdl.runtime.gpus import UnseenGpus
from raytabdl.runtime.limits import TrialLimits
from raytabdl.runtime.loggers import GuardedLogger, keep_events
from raytabdl.runtime.memory_monitor import survived
from raytabdl.runtime.metrics import RunMetrics
from raytabdl.runtime.recorder import Recorder
from raytabdl.runtime.resume import Standing
from raytabdl.runtime.scheduler import AsynchronousHyperBandForBOHB
from raytabdl.runtime.searcher import PortfolioBOHB
from raytabdl.runtime.shared import shared
from raytabdl.runtime.trainable import Assignment, PipelineTrainable
from raytabdl.search.samplers import Sampler
from raytabdl.space import ROOT, Choices
from raytabdl.task import Task

END_GRACE_SECONDS = 1.5
"""How long after the end of training a worker may take to answer before it is killed."""

SETTLE_SECONDS = 1.0
"""How long the ensemble actor may take for its last selection."""

SELECTION_SECONDS, SLOW_SELECTION_SECONDS = 1.0, 3.0
"""What a selection may take of the end of a run, and where one has just taken longer than ``SETTLE_SECONDS``."""

SEARCH_SHARE = 0.5
"""Of the time to train, before the ensemble's configurations are trained on the other folds as well."""

CLUSTER_SECONDS = 2.0
"""Between two looks at the size of the cluster."""

MAX_WORKER_LOSSES = 2
"""How often a trial whose worker was lost is started again from its checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """All that a search needs; ``train_until_s`` counts seconds from the start of the fit."""

    folder: RunFolder
    task: Task
    choices: Choices
    metric: Metric
    horizon: Horizon
    sampler: Sampler
    portfolio: Sequence[Config]
    standing: Standing
    full_trial_seconds: float
    most_trial_seconds: float
    n_trials: int | None
    n_workers: int
    is_own_ray: bool
    """Whether Ray was started for this process alone, on this machine."""
    resources: Mapping[str, float]
    """What Ray is asked for, for each trial."""
    ensemble_size: int
    seed: int
    clock: Clock
    train_until_s: float
    history: History
    loggers: Sequence[Callback] = ()
    limits: TrialLimits = field(default_factory=TrialLimits)
    follows_cluster: bool = False
    """Whether there are as many workers as the cluster has CPUs, also once nodes have joined or left."""
    quick_share: float = 1.0
    """The share of its iterations that a quick model has at its full budget, as ``horizon`` has one for the others."""


@dataclass(frozen=True)
class Snapshot:
    """Where a search stands, for who watches it."""

    n_running: int
    ensemble_loss: float | None


def run_search(
    search: Search, is_interrupted: Callable[[], bool], watch: Callable[[Snapshot], None]
) -> Ensemble | None:
    """Searches until the time is up, the trials are done, or the run is interrupted.

    All that is found lies in the run folder afterwards. Returns the ensemble of it, or None where it is still to be
    selected.
    """
    recorder = Recorder(search.folder, search.history, search.clock)
    standing = search.standing
    actor = _LateActor(search)
    folds = _folds(search, actor, lambda: searcher)
    folds.restart(recorder)
    searcher = PortfolioBOHB(
        search.sampler,
        standing.race,
        portfolio=search.portfolio,
        unfinished=standing.unfinished,
        parked=standing.parked,
        n_trials=search.n_trials,
        n_suggested=len(standing.suggested),
        seed=search.seed,
        is_over=lambda: search.clock.elapsed() >= search.train_until_s,
        next_fold=folds.next,
        is_pressed=folds.is_pressed,
    )
    for model in standing.too_slow:
        searcher.leave_out(model)
    scheduler = AsynchronousHyperBandForBOHB(
        standing.race, searcher, recorder, search.most_trial_seconds, search.limits
    )
    loggers = [GuardedLogger(logger) for logger in search.loggers]
    unseen_gpus = UnseenGpus()
    metrics = RunMetrics(search.folder.path.name, search.metric.name, search.history, standing.race, search.clock)
    tuner = partial(
        tune.Tuner,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            # Without these two most workers are idle: each trial would start a process of its own.
            reuse_actors=True,
            max_concurrent_trials=search.n_workers,
            trial_name_creator=lambda trial: f"{trial.config['trial']}-{trial.config['config'][ROOT]}",
            trial_dirname_creator=lambda trial: f"{trial.config['trial']}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=str(search.folder.tune),
            stop=_TimeIsUp(search, scheduler, is_interrupted),
            callbacks=[
                _Watch(searcher, scheduler, actor, metrics, watch),
                *([_ClusterSize(searcher, scheduler)] if search.follows_cluster else []),
                unseen_gpus,
                *loggers,
            ],
            failure_config=tune.FailureConfig(max_failures=MAX_WORKER_LOSSES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        workers = in_started_workers() if search.is_own_ray else contextlib.nullcontext()
        with quiet(), survived(), without_snapshots(), workers, registered(_trainable(search, actor.name)) as trainable:
            tuner(trainable).fit()
        keep_events(search.folder)
        for logger in loggers:
            logger.warn()
        unseen_gpus.warn()
        ended = min(search.clock.elapsed(), search.train_until_s)
        search.folder.write_phase("training over", ended, ended)
        settled = None if is_interrupted() else actor.settle()
        metrics.write(0, actor.incumbent())
        return settled
    finally:
        actor.kill()


def _trainable(search: Search, ensemble_actor: str) -> Any:
    """What Tune makes its workers of: the task lies in Ray's memory once for all of them."""
    assignment = Assignment(
        folder=search.folder,
        choices=with_quick(search.choices),  # a quick model may be trained on the other folds
        horizon=search.horizon,
        rungs=search.standing.race.budgets.rungs,
        metric=search.metric,
        ends_at=search.clock.wall_time_of(search.train_until_s),
        full_trial_seconds=search.full_trial_seconds,
        ensemble=ensemble_actor,
        limits=search.limits,
    )
    trainable = tune.with_resources(
        tune.with_parameters(PipelineTrainable, task=search.task, assignment=assignment),
        tune.PlacementGroupFactory([dict(search.resources)]),
    )
    trainable.__qualname__ = PipelineTrainable.__qualname__  # as Ray's dashboard shows its actors
    return trainable


def _folds(search: Search, actor: _LateActor, searcher: Callable[[], PortfolioBOHB]) -> Folds:
    """The other folds of a run with a time limit; without one, and of a large table, it has the first alone.

    A large table has so many that a whole bag would cost all that the search could find.
    """
    has_folds = search.n_trials is None and math.isfinite(search.train_until_s) and not search.task.is_large
    return Folds(
        history=search.history,
        n_folds=search.task.n_folds if has_folds else 1,
        n_workers=lambda: searcher().n_workers,
        clock=search.clock,
        begin_s=SEARCH_SHARE * search.train_until_s,
        end_s=search.train_until_s,
        run_seed=search.seed,
        max_budget=search.horizon.max_budget,
        networks=frozenset(network.name for network in search.choices.networks),
        portfolio_is_tried=lambda: not searcher().has_portfolio,
        ensemble=actor.holdout,
        n_valid=len(search.task.split(0)[1]),
        longer_than_quick=search.horizon.iteration_share / search.quick_share,
    )


class _TimeIsUp(NotKept, Stopper):
    """Ends the search at the end of training, or at once when it is interrupted; late workers are killed."""

    def __init__(
        self, search: Search, scheduler: AsynchronousHyperBandForBOHB, is_interrupted: Callable[[], bool]
    ) -> None:
        self._search = search
        self._scheduler = scheduler
        self._is_interrupted = is_interrupted

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        late_s = self._search.clock.elapsed() - self._search.train_until_s
        if not self._is_interrupted() and late_s < 0:
            return False
        running = self._scheduler.running()
        if running and not self._is_interrupted() and late_s < END_GRACE_SECONDS:
            return False
        if running or self._search.clock.elapsed() >= self._search.train_until_s:
            self._scheduler.kill_workers()
        return True


class _Watch(NotKept, Callback):
    """Tells the progress display, the metrics and the searcher how the search stands, at most twice a second."""

    def __init__(
        self,
        searcher: PortfolioBOHB,
        scheduler: AsynchronousHyperBandForBOHB,
        actor: _LateActor,
        metrics: RunMetrics,
        watch: Callable[[Snapshot], None],
    ) -> None:
        self._searcher = searcher
        self._scheduler = scheduler
        self._actor = actor
        self._metrics = metrics
        self._watch = watch
        self._next = 0.0

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        self._actor.start()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.5
        self._scheduler.kill_late()
        self._actor.ask()
        n_running, ensemble = len(self._scheduler.running()), self._actor.incumbent()
        self._searcher.note_running(n_running)
        self._metrics.write(n_running, ensemble)
        self._watch(Snapshot(n_running, ensemble.loss if ensemble else None))


class _ClusterSize(NotKept, Callback):
    """Has as many trials trained at once as the cluster has CPUs, which it looks at now and then."""

    def __init__(self, searcher: PortfolioBOHB, scheduler: AsynchronousHyperBandForBOHB) -> None:
        self._searcher = searcher
        self._scheduler = scheduler
        self._next = 0.0

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + CLUSTER_SECONDS
            n_workers = max(1, int(ray.cluster_resources().get("CPU", 0)))
            self._searcher.set_max_concurrency(n_workers)
            self._scheduler.start_at_once(n_workers)


class _LateActor:
    """The ensemble actor, started once a trial has reported.

    At the start of a search it would take the worker process that Ray holds ready for the first trial, and
    compete with it for a core. Nothing is lost: it reads from the run folder what was published before.
    """

    def __init__(self, search: Search) -> None:
        self.name = f"raytabdl.ensemble.{search.folder.path.name}.{uuid.uuid4().hex[:6]}"
        self._search = search
        self._handle: Any = None
        self._answers: list[Any] = []
        self._ensemble: Ensemble | None = None
        self._holdout: Ensemble | None = None

    def start(self) -> None:
        if self._handle is None:
            search = self._search
            began_at = time.time() - search.clock.elapsed()
            self._handle = start_ensemble_actor(self.name, search.folder, search.metric, search.ensemble_size, began_at)

    def incumbent(self) -> Ensemble | None:
        """The ensemble, as of the last answer."""
        return self._ensemble

    def holdout(self) -> Ensemble | None:
        """The ensemble that fold 0 alone would select, as of the last answer."""
        return self._holdout

    def ask(self) -> None:
        """Takes what the actor has answered, and asks again; never waits."""
        if self._handle is None:
            return
        if not self._answers:
            self._answers = [self._handle.incumbent.remote(), self._handle.holdout.remote()]
        elif len(ray.wait(self._answers, num_returns=2, timeout=0)[0]) == 2:
            with contextlib.suppress(ray.exceptions.RayError):  # it is being restarted
                self._ensemble, self._holdout = ray.get(self._answers)
            self._answers = []

    def settle(self) -> Ensemble | None:
        """The ensemble of all predictions, the last ones among them.

        Where it does not answer, the one before, if there is no time to select another, else None.
        """
        if self._handle is None:
            return None
        try:
            self._ensemble = ray.get(self._handle.settle.remote(), timeout=SETTLE_SECONDS)
        except ray.exceptions.GetTimeoutError:  # a slow metric
            return self._ensemble if self._search.clock.is_up(SLOW_SELECTION_SECONDS) else None
        except ray.exceptions.RayError:
            return self._ensemble if self._search.clock.is_up(SELECTION_SECONDS) else None
        self._answers = []  # those are older
        return self._ensemble

    def kill(self) -> None:
        if self._handle is not None:
            ray.kill(self._handle)


@shared
@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps Tune's own advice out of the user's output; what matters is in the history."""
    loggers = [logging.getLogger(name) for name in ("ray.tune", "ray.train", "ray._private.worker")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
