from __future__ import annotations

import pytest

from raytabdl.search.cost import N_RECENT, CostModel


def test_nothing_is_predicted_for_a_family_that_has_not_run() -> None:
    model = CostModel()
    model.observe("mlp", units=1, seconds=2.0)
    assert model.predict("resnet", 1) is None


def test_cost_is_proportional_to_the_budget() -> None:
    model = CostModel()
    model.observe("mlp", units=3, seconds=6.0)
    assert model.predict("mlp", 27) == pytest.approx(54.0)


def test_a_slow_first_fit_does_not_spoil_the_prediction() -> None:
    model = CostModel()
    for seconds in (30.0, 1.0, 1.1, 0.9):
        model.observe("mlp", units=1, seconds=seconds)
    assert model.predict("mlp", 10) == pytest.approx(10.5)


def test_a_machine_that_slows_down_is_noticed() -> None:
    model = CostModel()
    for seconds in [1.0] * 50 + [4.0] * N_RECENT:
        model.observe("mlp", units=1, seconds=seconds)
    assert model.predict("mlp", 1) == pytest.approx(4.0)


@pytest.mark.parametrize(("units", "seconds"), [(0, 1.0), (-1, 1.0), (1, -1.0)])
def test_impossible_costs_are_refused(units: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="units > 0"):
        CostModel().observe("mlp", units, seconds)
