"""How learned portfolios are judged on tables that they were not learned from."""

from __future__ import annotations

import numpy as np

from benchmarks.portfolio.judge import HAND_CHOSEN, LEARNED, judged, report
from benchmarks.portfolio.studies import FULL, PILOT
from raytabdl.evaluations import Candidate, Evaluation, Evaluations, Facts, evidence

CANDIDATES = [
    Candidate.of({"model": "catboost"}, "shipped", "", "classification"),
    Candidate.of({"model": "lightgbm"}, "shipped", "", "classification"),
    Candidate.of({"model": "mlp"}, "design"),
]


def study(losses: dict[str, list[float]], seconds: tuple[float, ...] = (2.0, 2.0, 2.0)) -> Evaluations:
    facts = {name: Facts(name, "", 100, 5, 2, "binary", 1.0) for name in losses}
    lines = [
        Evaluation(name, candidate.id, 27, loss, loss, spent, "complete")
        for name, own in losses.items()
        for candidate, loss, spent in zip(CANDIDATES, own, seconds, strict=True)
    ]
    return Evaluations(facts, {candidate.id: candidate for candidate in CANDIDATES}, lines)


def test_a_portfolio_is_judged_on_a_table_that_it_did_not_see() -> None:
    found = study({"a": [0.5, 0.4, 0.9], "b": [0.5, 0.4, 0.9], "odd": [0.5, 0.9, 0.1]})
    candidates, evidences = evidence(found, "classification", 27)
    by_portfolio = judged(candidates, evidences, "classification")
    *_, odd = by_portfolio[LEARNED]
    np.testing.assert_allclose(odd, [(3.0, 8 / 9), (6.0, 4 / 9), (9.0, 0.0)])  # first what is best on the others
    first, *_ = by_portfolio[HAND_CHOSEN]
    np.testing.assert_allclose(first, [(3.0, 1 / 6), (6.0, 0.0)])  # in the order of the shipped file


def test_the_report_has_a_row_for_each_portfolio() -> None:
    text = report(study({"a": [0.5, 0.4, 0.9], "b": [0.5, 0.4, 0.9], "odd": [0.5, 0.9, 0.1]}))
    assert "## classification: 3 tables" in text
    assert text.count("| hand-chosen |") == 2
    assert "Fewer than three" in report(study({"a": [0.5, 0.4, 0.9]}))


def test_the_pilot_has_the_studies_of_the_full_run() -> None:
    assert [study.name for study in PILOT] == [study.name for study in FULL]
    assert len(set(FULL[1].tables)) == 20
