"""The search of a run, from its plan and its records to the ensemble of what was found.

Ray takes a second to import, which the thread of its cluster does: this module must not import it.
"""

from __future__ import annotations

import math
import warnings
from functools import partial

from raytabdl.ensemble import Ensemble
from raytabdl.history import History
from raytabdl.runtime.cluster import Connection
from raytabdl.runtime.interrupt import Interrupt
from raytabdl.runtime.limits import asked_resources
from raytabdl.runtime.run import Progress, Run, Watch
from raytabdl.runtime.run_plan import END_SECONDS, horizon_of, plan_of, portfolio_in_order, search_plan
from raytabdl.search.brackets import Race
from raytabdl.search.portfolio import first_configurations, misfits
from raytabdl.search.samplers import BOHB
from raytabdl.space import configuration_space
from raytabdl.warm_start import default_portfolio


def search(run: Run, history: History, connection: Connection, interrupt: Interrupt, watch: Watch) -> Ensemble | None:
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
    planned, n_workers = search_plan(run, max(1, cluster.n_cpus))  # of the head alone there may be none yet
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
    portfolio, openings = portfolio_in_order(first_configurations(run.portfolio, space), run.choices, planned)
    race = Race(planned.budgets, planned.first_bracket, openings)
    standing = rebuild(run.folder, race, sampler)
    quick_share = horizon_of(plan_of(run, n_workers=1), run.settings).iteration_share
    needed = Search(
        folder=run.folder,
        task=run.task,
        choices=run.choices,
        metric=run.metric,
        horizon=horizon_of(planned, run.settings),
        sampler=sampler,
        portfolio=remaining(portfolio, standing),
        standing=standing,
        full_trial_seconds=planned.full_trial_seconds if is_timed else math.inf,
        most_trial_seconds=planned.most_trial_seconds if is_timed else math.inf,
        n_trials=run.settings.n_trials,
        n_workers=n_workers,
        is_own_ray=cluster.is_own,
        resources=resources,
        ensemble_size=run.settings.ensemble_size,
        seed=run.settings.seed,
        clock=run.clock,
        train_until_s=run.clock.limit_s - END_SECONDS,
        history=history,
        loggers=run.loggers,
        limits=run.settings.trial_limits,
        follows_cluster=run.settings.n_workers is None,
        quick_share=quick_share,
    )
    return run_search(needed, interrupt.is_set, tell)
