"""A run from the task to the ensemble: quick models while Ray starts, the search, and the end."""

from __future__ import annotations

import math
import os
import platform
import sys
import threading
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import scipy.linalg  # noqa: F401  # brings an OpenBLAS of its own, which must be there when threads are limited
from numpy.typing import NDArray

import raytabdl
from raytabdl.clock import Clock
from raytabdl.component import Config, Horizon
from raytabdl.ensemble import Ensemble
from raytabdl.exceptions import NoSuccessfulTrialError, RunFolderError, SettingError
from raytabdl.history import QUICK, Change, History, Status, Trial, trial_seed
from raytabdl.metrics import Metric
from raytabdl.persistence import local_path, read_json, write_json
from raytabdl.presets import preset_name
from raytabdl.quick import first_point_seconds, quick_configurations, train_quick
from raytabdl.run_folder import RunFolder, write_labels
from raytabdl.runtime.cluster import Connection
from raytabdl.runtime.interrupt import Interrupt
from raytabdl.runtime.limits import TrialLimits, asked_resources
from raytabdl.runtime.quick_folds import DUMMY, QuickFolds, publish
from raytabdl.runtime.shared import one_blas_thread
from raytabdl.search.brackets import Occupancy, Race, Rung, opening
from raytabdl.search.policy import Plan, plan
from raytabdl.search.portfolio import Portfolio, first_configurations, misfits
from raytabdl.search.samplers import BOHB, MakeSampler
from raytabdl.space import ROOT, Choices, configuration_space
from raytabdl.task import Task
from raytabdl.versions import installed
from raytabdl.warm_start import default_portfolio

LEAST_SECONDS_FOR_RAY = 12.0
"""Ray and its workers take about ten seconds to start on a laptop; a shorter run is better off without."""

END_SECONDS = 3.0
"""Kept for the end of a run: stopping the workers, the last selection, loading the members, ending Ray."""

START_SECONDS = 9.0
"""What Ray's start takes of the time of a search."""

_UNLIMITED_SECONDS = 600.0
"""What a run without a time limit is planned for."""

_LOW_PRIORITY = 5
"""The niceness of the quick models' thread once there is a first model."""

QUICK_END_SECONDS = 0.3
"""The same for a run without Ray."""

QUICK_SHARE, MOST_QUICK_SECONDS = 0.25, 30.0
"""Of the time that is left, which a quick model may take before it can be left; and where workers wait for it."""

QUICK_BUDGET = 9
"""Where a quick model ends in a run without a time limit: until then no worker has anything to do."""


@dataclass(frozen=True)
class Settings:
    """What a run was asked for, as it stands in run.json; a limit of None is no limit."""

    time_limit: float | None
    n_trials: int | None
    metric: str | None
    seed: int
    n_workers: int | None
    gpus_per_trial: float | None
    ensemble_size: int
    trial_seconds: float | None = None
    trial_time_limit: float | None = None
    trial_memory: float | None = None

    @property
    def trial_limits(self) -> TrialLimits:
        return TrialLimits(self.trial_time_limit or math.inf, self.trial_memory)


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for who watches it."""

    stage: str
    clock: Clock
    history: History
    n_running: int
    ensemble_loss: float | None
    metric: Metric
    rungs: Mapping[int, Occupancy] = field(default_factory=dict)


Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Run:
    """What ``execute`` works on."""

    settings: Settings
    folder: RunFolder
    task: Task
    choices: Choices
    portfolio: Portfolio
    metric: Metric
    clock: Clock
    loggers: tuple[Any, ...] = ()
    """Ray's own, as ``ray.tune.Callback``; this module does without Ray, which takes a second to import."""
    sampler: MakeSampler | None = None
    """What suggests configurations after the portfolio; None is BOHB."""


def has_ray(settings: Settings) -> bool:
    """Whether there is a search, for which there must be time."""
    has_time = settings.time_limit is None or settings.time_limit >= LEAST_SECONDS_FOR_RAY
    return has_time or settings.n_trials is not None


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


def new_run_folder(path: Path | None) -> RunFolder:
    """The run folder to be made: the given one, or one named by the time below ``raytabdl_runs``.

    Raises RunFolderError where the path is taken, or is none.
    """
    if path is None:
        path = Path.cwd() / "raytabdl_runs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    folder = RunFolder(local_path(path))
    folder.check_free()
    return folder


def execute(run: Run, connection: Connection | None, watch: Watch) -> Ensemble:
    """Trains until the time is up or the trials are done, and writes the ensemble.

    Goes on where the folder holds trials. ``connection`` is the cluster that is being started, or None for
    a run without Ray.
    """
    with run.folder.lock(), Interrupt() as interrupt:
        history = run.folder.history()
        with run.folder.phase("quick models", run.clock):
            _in_background(lambda: _train_quick_models(run, history, connection, interrupt, watch))
        found = None
        if connection is not None and not interrupt.is_set():
            with run.folder.phase("search", run.clock):
                found = _search(run, history, connection, interrupt, watch)
        if connection is not None:
            connection.close()  # Ray ends while the ensemble is written
        with run.folder.phase("ensemble", run.clock):
            return _finish(run, history, found, is_complete=not interrupt.is_set())


def write_run(run: Run, classes: NDArray[Any] | None, target: str | None, further: Sequence[str] = ()) -> None:
    """Makes the folder, with what a run starts from: task, labels, settings and versions.

    ``target`` is the name of the target column, where it has one, ``further`` the arguments of the fit beside the table
    and its target that the folder does not hold in a form to give again.
    """
    run.folder.create()
    with run.folder.writing():
        run.folder.write_task(run.task)
        write_json(run.folder.portfolio, run.portfolio.to_json())
    write_labels(run.folder.path / "labels.json", classes, run.task.target)
    members = (*run.choices.networks, *run.choices.classic)
    write_json(
        run.folder.run_json,
        {
            "raytabdl": raytabdl.__version__,
            "python": platform.python_version(),
            "packages": installed(),
            "settings": asdict(run.settings),
            "choices": {member.name: f"{member.__module__}.{member.__qualname__}" for member in members},
            "preset": preset_name(run.choices),
            "sampler": None if run.sampler is None else name_of(run.sampler),
            "portfolio": {"origin": run.portfolio.origin, "provenance": dict(run.portfolio.provenance)},
            "target": target,
            "further": list(further),
            "n_rows": len(run.task.y),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    )


def read_settings(folder: RunFolder) -> Settings:
    """The settings of a run. Raises RunFolderError where the folder holds none."""
    if not folder.run_json.exists():
        raise RunFolderError(f"{folder.path} holds no run: it has no run.json")
    return Settings(**read_json(folder.run_json)["settings"])


def read_preset(folder: RunFolder) -> str | None:
    """The preset that a run searches, or None where it had choices of its own."""
    name = read_json(folder.run_json).get("preset")
    return None if name is None else str(name)


def name_of(sampler: MakeSampler) -> str:
    """What a sampler is called where it is told of."""
    return str(getattr(sampler, "__qualname__", sampler))


def check_sampler(folder: RunFolder, sampler: MakeSampler | None) -> None:
    """Raises SettingError where a run was searched by another sampler, which its results were told to."""
    known, own = read_json(folder.run_json).get("sampler"), None if sampler is None else name_of(sampler)
    if known != own:
        raise SettingError(
            f"sampler must be the one that the run in {folder.path} was started with, {known or 'None for BOHB'}; "
            f"got {own or 'None'}"
        )


def read_target(folder: RunFolder) -> list[str]:
    """The name of the target column, or nothing where the target had none."""
    name = read_json(folder.run_json)["target"]
    return [] if name is None else [name]


def spent_seconds(folder: RunFolder) -> float:
    """The seconds that a run had used when its last record was written."""
    history = folder.history()
    last_result = max((result.time for result in history.results), default=0.0)
    return max(last_result, *(seconds for seconds, _ in folder.read_trajectory()), 0.0)


def _plan(run: Run, n_workers: int) -> Plan:
    """The plan for the time that the run has in all: the same when it is resumed."""
    seconds = _UNLIMITED_SECONDS
    if run.settings.time_limit is not None:
        taken = START_SECONDS + END_SECONDS if has_ray(run.settings) else QUICK_END_SECONDS
        seconds = max(1.0, run.settings.time_limit - taken)
    inputs = run.task.inputs
    n_columns = max(1, inputs.n_columns)
    return plan(len(inputs), n_columns, run.task.target.n_classes, seconds, n_workers)


def _horizon(planned: Plan, settings: Settings) -> Horizon:
    epochs, rows, share = planned.network_epochs, planned.rows_per_epoch, planned.iteration_share
    return Horizon(planned.budgets.max_budget, epochs, rows, share, settings.trial_seconds)


def _search_plan(run: Run, n_cpus: int) -> tuple[Plan, int]:
    """The plan of the search and the number of workers, written at its first start and read when it is resumed.

    A checkpoint goes on only under the horizon that it began with.
    """
    n_workers = run.settings.n_workers or n_cpus
    if not run.folder.search.exists():
        write_json(run.folder.search, {"n_workers": n_workers})
    return _plan(run, int(read_json(run.folder.search)["n_workers"])), n_workers


def _train_quick_models(
    run: Run, history: History, connection: Connection | None, interrupt: Interrupt, watch: Watch
) -> None:
    """Trains quick models until Ray is ready, or until the end of a run without Ray."""

    def is_over() -> bool:
        if interrupt.is_set() or math.isinf(run.clock.limit_s):
            return interrupt.is_set()  # without a time limit a run is repeatable: nothing depends on the clock
        return connection.is_settled if connection is not None else run.clock.is_up(QUICK_END_SECONDS)

    horizon = _horizon(_plan(run, n_workers=1), run.settings)
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
        trial = Trial(name, config, QUICK, -1, trial_seed(run.settings.seed, name))
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
        for ensemble in QuickFolds(run, history, builder, horizon, is_over, QUICK_END_SECONDS).train():
            run.folder.append_trajectory(run.clock.elapsed(), ensemble)
            watch(Progress("quick models", run.clock, history, 1, ensemble.loss, run.metric))


def _in_background(work: Callable[[], None]) -> None:
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


def _portfolio(portfolio: list[Config], choices: Choices, planned: Plan) -> tuple[list[Config], list[tuple[Rung, ...]]]:
    """The portfolio in the order in which it is tried, and the brackets of its own.

    Networks that come after the classic models have one that starts as low as those of what the search suggests.
    """
    names = {model.name for model in choices.classic}
    classic = [config for config in portfolio if config[ROOT] in names]
    networks = [config for config in portfolio if config[ROOT] not in names]
    if planned.classic_first:
        in_order, parts = [*classic, *networks], [(classic, planned.portfolio_rung), (networks, planned.first_bracket)]
    else:
        in_order = [*networks, *classic] if planned.networks_first else portfolio
        parts = [(in_order, planned.portfolio_rung)]
    return in_order, [opening(len(part), planned.budgets, rung) for part, rung in parts if part]


def _search(run: Run, history: History, connection: Connection, interrupt: Interrupt, watch: Watch) -> Ensemble | None:
    """Searches, and returns the ensemble of what was found, or None where it is still to be selected."""

    def is_over() -> bool:
        return interrupt.is_set() or run.clock.is_up(END_SECONDS)

    cluster = connection.cluster(is_over)  # before the imports, which its thread does: two threads in their midst fail
    interrupt.renew()
    if cluster is None or is_over():
        return None
    from raytabdl.runtime.nodes import check_cluster, living_nodes
    from raytabdl.runtime.resume import rebuild, remaining
    from raytabdl.runtime.tune import Search, Snapshot, run_search

    run.folder.write_phase("Ray ready", run.clock.elapsed(), run.clock.elapsed())
    planned, n_workers = _search_plan(run, max(1, cluster.n_cpus))  # of the head alone there may be none yet
    gpus, memory, nodes = run.settings.gpus_per_trial, run.settings.trial_memory, living_nodes()
    resources = asked_resources(gpus, memory, run.task.inputs.n_bytes, nodes, n_workers)
    check_cluster(cluster, run.folder.path, resources, run.clock.remaining())

    def tell(snapshot: Snapshot) -> None:
        n_running, loss, rungs = snapshot.n_running, snapshot.ensemble_loss, race.rung_occupancy()
        watch(Progress("search", run.clock, history, n_running, loss, run.metric, rungs))

    space = configuration_space(run.choices, run.settings.seed)
    run.folder.write_space(space)
    if run.portfolio != default_portfolio(run.task.target) and (said := misfits(run.portfolio, space)):
        warnings.warn(said, UserWarning, stacklevel=4)
    is_timed = math.isfinite(run.clock.limit_s)  # without a limit a run is repeatable: nothing depends on the clock
    make_sampler = run.sampler or partial(BOHB, per_second=is_timed)
    sampler = make_sampler(space, run.settings.seed)
    portfolio, openings = _portfolio(first_configurations(run.portfolio, space), run.choices, planned)
    race = Race(planned.budgets, planned.first_bracket, openings)
    standing = rebuild(run.folder, race, sampler)
    quick_share = _horizon(_plan(run, n_workers=1), run.settings).iteration_share
    search = Search(
        run.folder,
        run.task,
        run.choices,
        run.metric,
        _horizon(planned, run.settings),
        sampler,
        remaining(portfolio, standing),
        standing,
        *((planned.full_trial_seconds, planned.most_trial_seconds) if is_timed else (math.inf, math.inf)),
        run.settings.n_trials,
        n_workers,
        resources,
        run.settings.ensemble_size,
        run.settings.seed,
        run.clock,
        run.clock.limit_s - END_SECONDS,
        history,
        run.loggers,
        run.settings.trial_limits,
        follows_cluster=run.settings.n_workers is None,
        quick_share=quick_share,
    )
    return run_search(search, interrupt.is_set, tell)


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
