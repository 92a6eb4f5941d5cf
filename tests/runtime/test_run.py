from __future__ import annotations

import dataclasses

import pytest

from raytabdl.runtime.run import _portfolio
from raytabdl.search.policy import plan
from raytabdl.space import Choices

CONFIGS = [{"model": name, "i": i} for i, name in enumerate(("catboost", "mlp", "lightgbm", "realmlp"))]


@pytest.mark.parametrize(("classic_first", "order", "n_opening"), [(False, [0, 1, 2, 3], 4), (True, [0, 2, 1, 3], 2)])
def test_where_networks_take_long_they_come_after_the_classic_models(classic_first, order, n_opening):
    planned = dataclasses.replace(plan(1000, 10, 2, 60, 2), classic_first=classic_first)
    ordered, found = _portfolio(CONFIGS, Choices(), planned)
    assert [config["i"] for config in ordered] == order
    assert found == n_opening
