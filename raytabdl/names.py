"""The names of trials and of members: of which trial, at which budget, validated on which fold."""

from __future__ import annotations

_ALL_ROWS = "all"
"""In a name in the place of the fold."""


def fold_trial(trial_id: str, fold: int) -> str:
    """The name of the trial that trains a trial's configuration on another fold."""
    return f"{trial_id}.{fold}"


def member_key(trial_id: str, budget: int) -> str:
    """The name of a trial's predictions and model at a budget."""
    return f"{trial_id}@{budget}"


def refitted_member(trial_id: str, budget: int) -> str:
    """The name of a trial's model that was trained again on all rows; it is validated on no fold."""
    return member_key(f"{trial_id}.{_ALL_ROWS}", budget)


def is_refitted(member: str) -> bool:
    """Whether a member was trained again on all rows."""
    return member.partition("@")[0].endswith(f".{_ALL_ROWS}")


def trial_of(member: str) -> str:
    """The trial whose configuration a member has, on whatever fold."""
    return member.partition("@")[0].partition(".")[0]


def budget_of(member: str) -> int:
    """The budget at which a member was published."""
    return int(member.partition("@")[2])


def fold_of(member: str) -> int:
    """The fold that a member, or a trial, is validated on."""
    return int(member.partition("@")[0].partition(".")[2] or 0)
