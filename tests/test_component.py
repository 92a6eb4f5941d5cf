from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.classic import CatBoost, LightGBM, Linear, RandomForest
from raytabdl.component import Horizon, Network
from raytabdl.search.policy import EPOCHS


def network(cost, most=108):
    class Some(Network):
        relative_cost = cost
        max_epochs = most

    return Some


@pytest.mark.parametrize("epochs", EPOCHS)
def test_a_network_of_the_usual_cost_trains_the_epochs_of_the_horizon(epochs):
    assert Horizon(27, epochs, 1000).epochs_of(network(1.0, most=270)) == epochs
    assert Horizon(27, epochs, 1000).epochs_of(network(1.0, most=50)) == min(epochs, 50)


@given(st.integers(1, 8), st.floats(1.01, 30))
def test_a_slow_network_trains_all_epochs_of_a_horizon_without_rungs(epochs, cost):
    assert Horizon(epochs, epochs, 1000).epochs_of(network(cost)) == epochs


@given(st.sampled_from(EPOCHS), st.floats(1.01, 30))
def test_a_slow_network_trains_fewer_epochs_and_its_rungs_fall_on_whole_ones(epochs, cost):
    n_epochs = Horizon(27, epochs, 1000).epochs_of(network(cost, most=270))
    assert 9 <= n_epochs <= epochs
    assert n_epochs == 9 or n_epochs <= epochs / cost
    assert n_epochs % (27 if n_epochs >= 27 else 9) == 0


@pytest.mark.parametrize(("cls", "most"), [(CatBoost, 4320), (LightGBM, 4320), (RandomForest, 216), (Linear, 54)])
def test_in_much_time_boosters_are_trained_for_longer_than_forests(cls, most):
    assert Horizon(27, 108, 1000, iteration_share=8.0).iterations(cls, 27) == most
