from __future__ import annotations

import math

import numpy as np
import pytest

from raytabdl.evaluations import Candidate, Evaluation, Facts
from raytabdl.inputs import Target, TaskType
from raytabdl.runtime.estimate import Estimate
from raytabdl.runtime.evaluation_plan import LEAST_COMPARED, Rungs, baseline, pairs

BOOSTERS = [Candidate.of({"model": "lightgbm", "x": x}, "design") for x in range(9)]
NETWORK = Candidate.of({"model": "mlp"}, "design")
SHIPPED = Candidate.of({"model": "lightgbm"}, "shipped")
EVERYBODY = {candidate.id: candidate for candidate in (*BOOSTERS, NETWORK, SHIPPED)}


def reached(candidate: Candidate, loss: float, budget: int = 3, data_set: str = "adult") -> Evaluation:
    return Evaluation(data_set, candidate.id, budget, loss, loss, 1.0)


def leaves(rungs: Rungs, line: Evaluation) -> bool:
    rungs.add(line)
    return rungs.leaves(line)


def test_the_worse_half_of_a_family_leaves_at_a_rung() -> None:
    rungs = Rungs(EVERYBODY)
    assert not any(leaves(rungs, reached(c, 0.1 * i)) for i, c in enumerate(BOOSTERS[:LEAST_COMPARED]))
    assert leaves(rungs, reached(BOOSTERS[4], 0.9))
    assert not leaves(rungs, reached(BOOSTERS[5], 0.05))
    assert leaves(rungs, reached(BOOSTERS[6], math.inf))


def test_only_what_is_alike_is_compared_and_the_shipped_portfolio_stays() -> None:
    rungs = Rungs(EVERYBODY)
    for candidate in BOOSTERS[:6]:
        rungs.add(reached(candidate, 0.1))
    assert not leaves(rungs, reached(NETWORK, 0.9))
    assert not leaves(rungs, reached(BOOSTERS[6], 0.9, budget=9))
    assert not leaves(rungs, reached(BOOSTERS[7], 0.9, data_set="sick"))
    assert not leaves(rungs, reached(SHIPPED, 0.9))
    assert leaves(rungs, reached(BOOSTERS[8], 0.9))


def test_a_loss_that_is_reported_twice_counts_once() -> None:
    rungs = Rungs(EVERYBODY)
    for _ in range(2 * LEAST_COMPARED):
        rungs.add(reached(BOOSTERS[0], 0.1))  # its worker was lost after the rung
    assert not leaves(rungs, reached(BOOSTERS[1], 0.9))


def test_the_baseline_knows_the_frequencies_of_classes_and_the_mean() -> None:
    y = np.array([0, 0, 0, 1])
    assert baseline(y, Target(TaskType.BINARY, 2)) == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    assert baseline(np.array([1.0, 5.0, 9.0]), Target(TaskType.REGRESSION, 0)) == pytest.approx(1.0)


def test_candidates_of_a_kind_are_for_data_sets_of_it() -> None:
    facts = [Facts("adult", "", 9, 9, 2, "binary", 1.0), Facts("abalone", "", 9, 9, 0, "regression", 1.0)]
    own, any_ = Candidate.of({"model": "a"}, "shipped", "", "regression"), Candidate.of({"model": "b"}, "design")
    found = [(candidate.config["model"], data_set.name) for candidate, data_set in pairs([own, any_], facts)]
    assert found == [("a", "abalone"), ("b", "adult"), ("b", "abalone")]


def test_the_estimate_learns_from_what_was_measured() -> None:
    estimate = Estimate({"a": 10.0, "b": 20.0, "c": 30.0})
    assert estimate.left_s == 60
    estimate.finished("a", 40.0, is_failure=False)
    assert estimate.left_s == 50 * 4
    estimate.finished("b", 20.0, is_failure=True)
    assert estimate.left_s == 30 * 2
    assert estimate.line(1).startswith("2 of 3 done, 1 failed")
