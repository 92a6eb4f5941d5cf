"""Learned portfolios, with how they were made."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

import raytabdl
from raytabdl.candidates import KINDS
from raytabdl.component import ConfigValue
from raytabdl.evaluations import Candidate, End, Evaluations, evidence
from raytabdl.exceptions import DataError
from raytabdl.presets import preset
from raytabdl.search.brackets import Budgets
from raytabdl.search.learning import Chosen, learn, stability
from raytabdl.search.portfolio import Member, Portfolio, project
from raytabdl.space import ROOT, configuration_space

_MEASURED = ("torch", "catboost", "lightgbm", "scikit-learn")
"""Packages whose versions losses and seconds depend on."""


@dataclass(frozen=True)
class LearnSettings:
    """How many members, and by how many draws of the data sets their stability is judged."""

    size: int
    per_family: int
    draws: int
    seed: int


@dataclass(frozen=True)
class Learned:
    """A portfolio, and a row on each member for people."""

    portfolio: Portfolio
    rows: list[dict[str, ConfigValue]]
    n_data_sets: int


def learned_portfolios(found: Evaluations, settings: LearnSettings, left_out: Sequence[str]) -> dict[str, Learned]:
    """A portfolio for each kind of task that there are data sets of, of candidates that the preset's space has.

    Raises DataError where no candidate is better than the baseline on any data set; says which data sets tell nothing.
    """
    learned = {}
    found = _of_space(found)
    for kind in KINDS:
        names = [name for name, own in found.facts.items() if own.kind == kind]
        if names:
            learned[kind] = _learned(found, kind, names, settings, left_out)
    if not learned:
        raise DataError(f"there must be a data set to learn from, but all are left out: {', '.join(left_out)}")
    return learned


def _of_space(found: Evaluations) -> Evaluations:
    """Without the candidates of families that the preset which they were evaluated for has no longer."""
    space = configuration_space(preset(found.provenance["preset"]), 0)
    candidates = {name: own for name, own in found.candidates.items() if project(own.config, space) is not None}
    return replace(found, candidates=candidates, lines=[line for line in found.lines if line.candidate in candidates])


def _learned(
    found: Evaluations, kind: str, names: Sequence[str], settings: LearnSettings, left_out: Sequence[str]
) -> Learned:
    candidates, evidences = evidence(found, kind, Budgets().max_budget)
    telling = [own for own in evidences if own.range > 0]
    if not telling:
        failures = sum(line.end == End.FAILED.value for (name, _), line in found.ends().items() if name in names)
        raise DataError(
            f"on at least one data set of {kind} a candidate must be better than the baseline, got none on "
            f"{', '.join(names)} ({failures} evaluations failed); evaluate more candidates or other data sets"
        )
    if silent := sorted(set(names) - {own.name for own in telling}):
        warnings.warn(f"no candidate is better than the baseline on {', '.join(silent)}: left out", stacklevel=2)
    families = [str(candidate.config[ROOT]) for candidate in candidates]
    limits = {"size": settings.size, "per_family": settings.per_family}
    chosen = learn(telling, families, **limits)
    rng = np.random.default_rng(settings.seed)
    shares = stability(telling, families, **limits, n_draws=settings.draws, rng=rng)
    members = [candidates[one.candidate] for one in chosen]
    rows = [_row(member, one, float(shares[one.candidate])) for member, one in zip(members, chosen, strict=True)]
    provenance = _provenance(found, kind, [own.name for own in telling], len(candidates), settings, left_out)
    portfolio = Portfolio(
        "learned", tuple(Member(m.config, _note(m, one)) for m, one in zip(members, chosen, strict=True)), provenance
    )
    return Learned(portfolio, rows, len(telling))


def _note(candidate: Candidate, chosen: Chosen) -> str:
    origin = f"{candidate.source}: {candidate.note}" if candidate.note else candidate.source
    return f"{origin}; gain {chosen.gain:.4f} in {chosen.seconds:.1f} s, round {chosen.round}"


def _row(candidate: Candidate, chosen: Chosen, share: float) -> dict[str, ConfigValue]:
    return {
        "model": candidate.config[ROOT],
        "source": candidate.source,
        "round": chosen.round,
        "gain": round(chosen.gain, 4),
        "seconds": round(chosen.seconds, 1),
        "in draws": round(share, 2),
        "note": candidate.note,
    }


def _provenance(
    found: Evaluations,
    kind: str,
    names: Sequence[str],
    n_candidates: int,
    settings: LearnSettings,
    left_out: Sequence[str],
) -> dict[str, Any]:
    ignored = {"" if own.kind == kind else name for name, own in found.facts.items()}
    ends = [line for (name, _), line in found.ends().items() if name not in ignored]
    return {
        "made": f"by raytabdl portfolio learn, {time.strftime('%Y-%m-%d')}",
        "rule": "the ensemble's gain per second" if found.folder else "the best loss's gain per second",
        "learn": {**asdict(settings), "leave_out": list(left_out)},
        "evaluate": dict(found.provenance),
        "data_sets": {name: f"{found.facts[name].n_rows} rows x {found.facts[name].n_columns}" for name in names},
        "candidates": n_candidates,
        "evaluations": {end.value: sum(line.end == end.value for line in ends) for end in End},
        "core_hours": round(sum(line.seconds for line in ends) / 3600, 3),
        "versions": {
            "raytabdl": raytabdl.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _MEASURED},
        },
    }
