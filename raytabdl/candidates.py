"""What a portfolio is learned from: configurations from everywhere, made to fit one space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ConfigSpace import ConfigurationSpace

from raytabdl.evaluations import Candidate
from raytabdl.exceptions import RunFolderError
from raytabdl.history import QUICK, Result
from raytabdl.run_folder import RunFolder, read_labels
from raytabdl.search.design import space_filling
from raytabdl.search.portfolio import project
from raytabdl.space import ROOT
from raytabdl.warm_start import shipped_portfolio

KINDS = ("classification", "regression")
SHIPPED, LITERATURE, INCUMBENT, DESIGN = "shipped", "literature", "incumbent", "design"

N_INCUMBENTS = 3
"""The best of each run, of as many families."""


@dataclass(frozen=True)
class Gathered:
    """The candidates, each once, in the order in which to evaluate them, and how many do not belong to the space."""

    candidates: tuple[Candidate, ...]
    n_left_out: int


def gather(space: ConfigurationSpace, *, n_design: int, runs: Sequence[Path], seed: int) -> Gathered:
    """The shipped portfolios, settings of the literature, incumbents of runs, and a design that fills the space.

    Those that are known to work come first, so that what comes later is measured by them.
    """
    found = [
        *(each for kind in KINDS for each in _members(kind, SHIPPED, kind)),
        *_members("literature", LITERATURE, ""),
        *(each for run in runs for each in incumbents(RunFolder(run))),
        *(Candidate.of(config, DESIGN) for config in space_filling(space, n_design, seed, root=ROOT)),
    ]
    return _fitted(found, space)


def incumbents(folder: RunFolder) -> list[Candidate]:
    """The best trials of a run by their rung loss, of different families; also of a run that is still going.

    Raises RunFolderError where there is no run.
    """
    if not folder.run_json.exists():
        raise RunFolderError(f"{folder.path} holds no run: it has no run.json")
    _, target = read_labels(folder.path / "labels.json")
    history = folder.history()
    best: dict[object, Result] = {}
    for result in sorted(history.on_first_fold(), key=lambda result: result.rung_loss):
        trial = history.trials[result.trial_id]
        if math.isfinite(result.rung_loss) and trial.origin != QUICK:
            best.setdefault(trial.config[ROOT], result)
    kind = KINDS[0] if target.task_type.is_classification else KINDS[1]
    first = list(best.values())[:N_INCUMBENTS]
    return [Candidate.of(history.trials[r.trial_id].config, INCUMBENT, f"of {folder.path.name}", kind) for r in first]


def _members(name: str, source: str, kind: str) -> list[Candidate]:
    return [Candidate.of(member.config, source, member.note, kind) for member in shipped_portfolio(name).members]


def _fitted(found: Iterable[Candidate], space: ConfigurationSpace) -> Gathered:
    """Each candidate as the space has it; one that two sources have, for different kinds, counts for both."""
    fitted: dict[str, Candidate] = {}
    n_left_out = 0
    for candidate in found:
        config = project(candidate.config, space, root=ROOT)
        if config is None:
            n_left_out += 1
            continue
        own = Candidate.of(config, candidate.source, candidate.note, candidate.kind)
        first = fitted.setdefault(own.id, own)
        if first.kind not in ("", own.kind):
            fitted[own.id] = Candidate(own.id, own.config, first.source, first.note, "")
    return Gathered(tuple(fitted.values()), n_left_out)
