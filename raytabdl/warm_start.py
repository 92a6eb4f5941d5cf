"""Which configurations a fit begins with: those of a portfolio that ships, of a file, or the best of an earlier run."""

from __future__ import annotations

import math
from importlib import resources
from os import PathLike
from pathlib import Path

from raytabdl.exceptions import SettingError
from raytabdl.history import QUICK
from raytabdl.inputs import Target
from raytabdl.leaderboard import latest_ensemble
from raytabdl.names import trial_of
from raytabdl.run_folder import RunFolder
from raytabdl.search.portfolio import Member, Portfolio

N_EARLIER = 10
"""The configurations of an earlier run that come before the portfolio that ships."""

PortfolioChoice = Portfolio | str | PathLike[str] | None


def chosen_portfolio(choice: PortfolioChoice, target: Target) -> Portfolio:
    """A portfolio itself, that of a JSON file, or that of an earlier run by its folder; None is the one that ships.

    Raises SettingError where a path is neither.
    """
    if choice is None:
        return default_portfolio(target)
    if isinstance(choice, Portfolio):
        return choice
    path = Path(choice)
    if path.is_dir():
        return portfolio_of_run(RunFolder(path.absolute()), default_portfolio(target))
    try:
        return Portfolio.read(path)
    except (OSError, ValueError) as error:
        raise SettingError(f"portfolio must be a run, or a file that holds a portfolio: {error}") from error


def default_portfolio(target: Target) -> Portfolio:
    """The portfolio that the package ships for a kind of task."""
    return shipped_portfolio("classification" if target.task_type.is_classification else "regression")


def shipped_portfolio(name: str) -> Portfolio:
    """A portfolio that comes with the package."""
    with resources.as_file(resources.files("raytabdl.portfolios") / f"{name}.json") as path:
        return Portfolio.read(path)


def portfolio_of_run(folder: RunFolder, further: Portfolio) -> Portfolio:
    """The configurations of an earlier run, those of its ensemble first, then its best ones; ``further`` follow.

    The earlier run may have been of another table. Raises SettingError where it has no result.
    """
    if not folder.run_json.exists():
        raise SettingError(f"portfolio must be a run, or a file that holds a portfolio: {folder.path} is no run")
    history = folder.history()
    losses: dict[str, float] = {}
    for result in history.on_first_fold():
        if history.trials[result.trial_id].origin != QUICK:
            losses[result.trial_id] = min(result.rung_loss, losses.get(result.trial_id, math.inf))
    weights = latest_ensemble(folder).trial_weights()
    in_ensemble = sorted((t for t in losses if trial_of(t) in weights), key=lambda t: -weights[trial_of(t)])
    best = [trial for trial in sorted(losses, key=losses.__getitem__) if math.isfinite(losses[trial])]
    first = list(dict.fromkeys([*in_ensemble, *best]))[:N_EARLIER]
    if not first:
        raise SettingError(f"portfolio is the run {folder.path}, which has no result; leave it out")
    note = f"of the run {folder.path.name}"
    members = {frozenset(config.items()): Member(config, note) for config in (history.trials[t].config for t in first)}
    for member in further.members:
        members.setdefault(frozenset(member.config.items()), member)
    return Portfolio("earlier run", tuple(members.values()), {"run": folder.path.name, "n_members_of_it": len(first)})
