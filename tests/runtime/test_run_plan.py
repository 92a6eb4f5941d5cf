from __future__ import annotations

import dataclasses

import pytest

from raytabdl.runtime.run_plan import portfolio_in_order
from raytabdl.search.policy import plan
from raytabdl.space import Choices

CONFIGS = [{"model": name, "i": i} for i, name in enumerate(("catboost", "mlp", "lightgbm", "realmlp"))]


@pytest.mark.parametrize(
    ("first", "order", "openings"),
    [
        ({}, [0, 1, 2, 3], [(4, 27)]),
        ({"classic_first": True, "portfolio_rung": 2, "first_bracket": 1}, [0, 2, 1, 3], [(2, 9), (2, 3)]),
        ({"networks_first": True}, [1, 3, 0, 2], [(4, 27)]),
    ],
)
def test_what_takes_long_comes_after_the_others(first, order, openings):
    planned = dataclasses.replace(plan(1000, 10, 2, 60, 2), **first)
    ordered, found = portfolio_in_order(CONFIGS, Choices(), planned)
    assert [config["i"] for config in ordered] == order
    assert [(bracket[0].n_trials, bracket[0].budget) for bracket in found] == openings
