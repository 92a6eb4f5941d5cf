from __future__ import annotations

import pytest

from raytabdl.analysis.fanova import fanova
from raytabdl.analysis.local_importance import local_importance


def test_the_shares_of_a_sum_are_those_of_the_closed_form(cube, make_study) -> None:
    shares = local_importance(make_study(cube, lambda c: 3 * c["x"] + c["y"], 2000))
    assert list(shares) == ["x", "y", "z"]
    assert shares == pytest.approx({"x": 0.9, "y": 0.1, "z": 0}, abs=0.04)


def test_only_what_matters_around_the_incumbent_counts(cube, make_study) -> None:
    study = make_study(cube, lambda c: c["x"] * (1 + 9 * c["y"]), 2000)
    assert local_importance(study)["y"] < 0.05  # x is almost 0 there
    assert fanova(study).single["y"] > 0.2


def test_a_condition_that_holds_no_more_takes_its_parameter_away(switched, make_study) -> None:
    # Off costs 1, on x: the incumbent is on, with x almost 0. Var of {0, 1} is 1/4, of x 1/12.
    shares = local_importance(make_study(switched, lambda c: c.get("x", 1.0), 1000))
    assert shares == pytest.approx({"switch": 0.75, "x": 0.25}, abs=0.04)


def test_what_is_inactive_in_the_incumbent_has_no_share(switched, make_study) -> None:
    assert local_importance(make_study(switched, lambda c: c.get("x", -1.0), 200)) == {"switch": 1.0, "x": 0.0}
