"""The plan of a run: what suits its table and its time, and in which order the portfolio is tried."""

from __future__ import annotations

from raytabdl.component import Config, Horizon
from raytabdl.persistence import read_json, write_json
from raytabdl.runtime.run import Run
from raytabdl.runtime.settings import Settings, has_ray
from raytabdl.search.brackets import Rung, opening
from raytabdl.search.policy import Plan, plan
from raytabdl.space import ROOT, Choices

END_SECONDS = 3.0
"""Kept for the end of a run: stopping the workers, the last selection, loading the members, ending Ray."""

QUICK_END_SECONDS = 0.3
"""The same for a run without Ray."""

START_SECONDS = 9.0
"""What Ray's start takes of the time of a search."""

_UNLIMITED_SECONDS = 600.0
"""What a run without a time limit is planned for."""


def plan_of(run: Run, n_workers: int) -> Plan:
    """The plan for the time that the run has in all: the same when it is resumed."""
    seconds = _UNLIMITED_SECONDS
    if run.settings.time_limit is not None:
        taken = START_SECONDS + END_SECONDS if has_ray(run.settings) else QUICK_END_SECONDS
        seconds = max(1.0, run.settings.time_limit - taken)
    inputs = run.task.inputs
    n_columns = max(1, inputs.n_columns)
    return plan(len(inputs), n_columns, run.task.target.n_classes, seconds, n_workers)


def horizon_of(planned: Plan, settings: Settings) -> Horizon:
    """What the full budget of a trial is, by the plan and what was asked for."""
    return Horizon(
        max_budget=planned.budgets.max_budget,
        epochs=planned.network_epochs,
        rows_per_epoch=planned.rows_per_epoch,
        iteration_share=planned.iteration_share,
        seconds=settings.trial_seconds,
    )


def search_plan(run: Run, n_cpus: int) -> tuple[Plan, int]:
    """The plan of the search and the number of workers, written at its first start and read when it is resumed.

    A checkpoint goes on only under the horizon that it began with.
    """
    n_workers = run.settings.n_workers or n_cpus
    if not run.folder.search.exists():
        write_json(run.folder.search, {"n_workers": n_workers})
    return plan_of(run, int(read_json(run.folder.search)["n_workers"])), n_workers


def portfolio_in_order(
    portfolio: list[Config], choices: Choices, planned: Plan
) -> tuple[list[Config], list[tuple[Rung, ...]]]:
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
