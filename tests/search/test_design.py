from __future__ import annotations

from collections import Counter

from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, ForbiddenEqualsClause

from raytabdl.presets import medium
from raytabdl.search.design import space_filling
from raytabdl.space import configuration_space

SPACE = configuration_space(medium())


def test_each_family_is_filled_evenly() -> None:
    configs = space_filling(SPACE, 16, seed=0)
    of_family = Counter(config["model"] for config in configs)
    assert set(of_family.values()) == {16}
    boosters = [config for config in configs if config["model"] == "lightgbm"]
    rates = [SPACE["classic.lightgbm.learning_rate"].to_vector(c["classic.lightgbm.learning_rate"]) for c in boosters]
    assert sorted(int(rate * 16) for rate in rates) == list(range(16))  # one in each sixteenth
    scalers = Counter(c["network.tabm.scaler"] for c in configs if c["model"] == "tabm")
    assert set(scalers.values()) == {8}


def test_more_points_begin_with_the_same_family_by_family() -> None:
    few, many = (space_filling(SPACE, n, seed=3) for n in (4, 8))
    assert many[: len(few)] == few
    assert [config["model"] for config in few[: len(SPACE["model"].choices)]] == list(SPACE["model"].choices)
    assert few != space_filling(SPACE, 4, seed=4)


def test_what_is_forbidden_is_left_out_and_of_equal_ones_all_but_the_first() -> None:
    space = ConfigurationSpace()
    model, kind, x = Categorical("model", ["a", "b"]), Categorical("kind", ["p", "q"]), Float("x", (0.0, 1.0))
    space.add(model, kind, x)
    space.add(EqualsCondition(kind, model, "a"), EqualsCondition(x, model, "a"), ForbiddenEqualsClause(kind, "q"))
    configs = space_filling(space, 8, seed=0)
    assert Counter(config["model"] for config in configs) == {"a": 4, "b": 1}
    assert {config.get("kind") for config in configs} == {"p", None}
