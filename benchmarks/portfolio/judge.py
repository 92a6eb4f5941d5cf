"""What portfolios learned without a table do on it, beside the hand-chosen one; from the evaluations, without new runs.

The regret is that of the members' ensemble against the best single candidate of the table, as a share of what that one
gains on the baseline: 1 is the baseline, below 0 is better than any single candidate. The weights of the ensemble are
chosen on the rows that it is judged on, for all portfolios alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from raytabdl.candidates import KINDS, SHIPPED
from raytabdl.evaluations import Candidate, Evaluations, evidence
from raytabdl.search.brackets import Budgets
from raytabdl.search.learning import Evidence, learn, trajectory
from raytabdl.space import ROOT

SECONDS = (3, 10, 30, 60, 120, 300)
"""Of one worker, trials' starts included."""

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
PER_FAMILY = 8
N_DRAWS = 2_000
LEARNED, HAND_CHOSEN, ORDER = "learned without the table", "hand-chosen", "candidates in random order"


def report(found: Evaluations) -> str:
    """A section for each kind of task that three or more tables are of."""
    sections = []
    for kind in KINDS:
        candidates, evidences = evidence(found, kind, Budgets().max_budget)
        telling = [own for own in evidences if own.range > 0]
        if len(telling) >= 3:
            sections.append(_section(kind, judged(candidates, telling, kind)))
    return "# Portfolios\n\n" + ("\n".join(sections) or "Fewer than three tables of a kind: nothing can be left out.\n")


def judged(
    candidates: Sequence[Candidate], evidences: Sequence[Evidence], kind: str
) -> dict[str, list[list[tuple[float, float]]]]:
    """The trajectory on each table, by portfolio."""
    families = [str(candidate.config[ROOT]) for candidate in candidates]
    # Those of the shipped file come first among the candidates, in its order.
    by_hand = [index for index, own in enumerate(candidates) if own.source == SHIPPED and own.kind in ("", kind)]
    rng = np.random.default_rng(0)
    found: dict[str, list[list[tuple[float, float]]]] = {LEARNED: [], HAND_CHOSEN: [], ORDER: []}
    for own in evidences:
        others = [other for other in evidences if other is not own]
        chosen = [one.candidate for one in learn(others, families, size=max(SIZES), per_family=PER_FAMILY)]
        found[LEARNED].append(trajectory(own, chosen))
        found[HAND_CHOSEN].append(trajectory(own, by_hand))
        found[ORDER].append(trajectory(own, rng.permutation(len(candidates))[: max(SIZES)].tolist()))
    return found


def _section(kind: str, found: Mapping[str, list[list[tuple[float, float]]]]) -> str:
    n_tables = len(found[LEARNED])
    at_seconds = pd.DataFrame({f"{s} s": {k: _said([_at(t, s) for t in v]) for k, v in found.items()} for s in SECONDS})
    of_size = pd.DataFrame(
        {
            f"{n}": {k: _said([t[min(n, len(t)) - 1][1] if t else 1.0 for t in v]) for k, v in found.items()}
            for n in SIZES
        }
    )
    return (
        f"## {kind}: {n_tables} tables\n\nMean regret (95 % interval of a bootstrap over the tables) after so many "
        f"seconds:\n\n{_markdown(at_seconds)}\nand with so many members:\n\n{_markdown(of_size)}"
    )


def _at(points: Sequence[tuple[float, float]], seconds: float) -> float:
    """The regret at a time: that of the baseline until the first member is done."""
    return min((regret for elapsed, regret in points if elapsed <= seconds), default=1.0)


def _said(regrets: Sequence[float]) -> str:
    values = np.array(regrets)
    draws = np.random.default_rng(0).choice(values, (N_DRAWS, len(values))).mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def _markdown(table: pd.DataFrame) -> str:
    lines = [f"| | {' | '.join(table)} |", f"| --- |{' ---: |' * table.shape[1]}"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(lines) + "\n"
