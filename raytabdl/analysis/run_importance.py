"""Which hyperparameters matter in a run."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd

from raytabdl.analysis.fanova import Importance, fanova
from raytabdl.analysis.local_importance import local_importance
from raytabdl.analysis.study import MIN_CONFIGURATIONS, Study
from raytabdl.exceptions import SettingError
from raytabdl.history import QUICK, History
from raytabdl.run_folder import RunFolder

ROOT = "model"


def run_study(folder: RunFolder, *, model: str | None = None, budget: int | None = None) -> tuple[Study, int]:
    """The configurations of a run that were measured at a budget, with their rung losses, and the budget.

    By default it is the largest budget that enough trials reached, or the one that most did. Trials that failed at no
    budget count as failed at each. Only complete lines of a run that is going on are read.
    """
    history = folder.history()
    trials = {
        name: trial
        for name, trial in history.trials.items()
        if trial.fold == 0 and trial.origin != QUICK and model in (None, trial.config[ROOT])
    }
    if not trials:
        seen = sorted({str(trial.config[ROOT]) for trial in history.trials.values()})
        wanted = "" if model is None else f" of {model}"
        raise SettingError(f"{folder.path} must have trials{wanted} that were searched, got the models {seen}")
    losses = _losses_by_budget(history, set(trials))
    chosen = _budget(losses, budget, folder)
    failed = [name for name in trials if history.statuses[name].is_failure]
    at_budget = {**losses[chosen], **{name: math.inf for name in failed if name not in losses[chosen]}}
    configs = [trials[name].config for name in at_budget]
    return Study.of(folder.read_space(), configs, list(at_budget.values())), chosen


def importance_table(study: Study, *, seed: int = 0) -> tuple[pd.DataFrame, Importance]:
    """Columns hyperparameter, fanova and lpi, the largest fANOVA first; and the shares of pairs beside it."""
    importance = fanova(study, seed=seed)
    local = local_importance(study, seed=seed)
    rows = [(name, share, local[name]) for name, share in importance.single.items()]
    return pd.DataFrame(rows, columns=["hyperparameter", "fanova", "lpi"]), importance


def _losses_by_budget(history: History, trials: set[str]) -> dict[int, dict[str, float]]:
    losses: dict[int, dict[str, float]] = {}
    for result in history.on_first_fold():
        if result.trial_id in trials:
            losses.setdefault(result.budget, {})[result.trial_id] = result.rung_loss
    return losses


def _budget(losses: dict[int, dict[str, float]], budget: int | None, folder: RunFolder) -> int:
    counts = Counter({b: sum(map(math.isfinite, own.values())) for b, own in losses.items()})
    seen = ", ".join(f"{b} ({counts[b]} trials)" for b in sorted(counts)) or "none"
    if budget is not None:
        if budget not in losses:
            raise SettingError(f"the budget must be one that trials reached, got {budget}; {folder.path} has {seen}")
        return budget
    if not counts:
        raise SettingError(f"{folder.path} must have a result, got none; let the run go on (raytabdl resume)")
    enough = [b for b, count in counts.items() if count >= MIN_CONFIGURATIONS]
    return max(enough) if enough else counts.most_common(1)[0][0]
