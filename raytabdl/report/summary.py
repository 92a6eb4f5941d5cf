"""What came out of a run, in a few lines of text."""

from __future__ import annotations

from raytabdl.report.facts import Outcome

N_MEMBERS = 5
"""Members of the ensemble that are named."""


def summary(outcome: Outcome) -> str:
    """Score, ensemble, best single model, trials by status, failures by reason; a line each."""
    direction = "larger" if outcome.greater_is_better else "smaller"
    lines = [
        f"{outcome.task_type}, {outcome.state} after {outcome.seconds:.1f} s, on the validation rows:",
        f"  ensemble     {outcome.metric} {_number(outcome.ensemble)} ({direction} is better)",
        f"  best single  {outcome.metric} {_number(outcome.best_single)}, {outcome.best_model}",
        f"  members      {_members(outcome)}",
        *([f"  refitted     on all rows: {', '.join(outcome.refitted)}"] if outcome.refitted else []),
        f"  trials       {_trials(outcome)}",
    ]
    if outcome.trials:
        lines.append("  endings      " + ", ".join(f"{count} {ending}" for ending, count in outcome.endings.items()))
    counted = [f"{count} x {reason}" for reason, count in outcome.failures.items()]
    return "\n".join([*lines, *(f"  failed       {each}" for each in counted or ["none"])])


def _members(outcome: Outcome) -> str:
    named = [f"{name} {weight:.0%}" for name, weight in list(outcome.members.items())[:N_MEMBERS]]
    more = len(outcome.members) - len(named)
    return ", ".join([*named, *([f"{more} more"] if more else [])]) or "none yet"


def _trials(outcome: Outcome) -> str:
    statuses = ", ".join(f"{count} {status}" for status, count in outcome.trials.items())
    searched = f"{sum(outcome.trials.values())} ({statuses})" if statuses else "none"
    return f"{searched}, after {outcome.n_quick} quick models"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"
