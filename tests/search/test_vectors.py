from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    Float,
    ForbiddenEqualsClause,
    Integer,
    OrConjunction,
    OrdinalHyperparameter,
)
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.search.vectors import Family, to_config, to_vector, to_vectors


def make_space() -> ConfigurationSpace:
    space = ConfigurationSpace()
    model, switch = Categorical("model", ["a", "b"]), Categorical("a.switch", [True, False])
    below, rate, n = Float("a.below", (0.0, 1.0)), Float("b.rate", (1e-6, 1e-2), log=True), Integer("b.n", (1, 9))
    fixed, shared, kind = Constant("a.fixed", 7), Float("shared", (0.0, 1.0)), Categorical("b.kind", ["p", "q", "r"])
    space.add(model, switch, below, rate, n, fixed, shared, kind)
    space.add(*(EqualsCondition(h, model, "a") for h in (switch, fixed)), EqualsCondition(below, switch, True))
    space.add(*(EqualsCondition(h, model, "b") for h in (n, kind)), ForbiddenEqualsClause(kind, "q"))
    space.add(OrConjunction(EqualsCondition(rate, model, "b"), EqualsCondition(rate, switch, False)))
    return space


def names(space: ConfigurationSpace, family: Family) -> set[str]:
    return {space.at[column] for column in family.columns}


def test_a_family_holds_what_can_be_active_in_it() -> None:
    space = make_space()
    assert names(space, Family(space, "model", "a")) == {"a.switch", "a.below", "b.rate", "shared"}
    assert names(space, Family(space, "model", "b")) == {"b.rate", "b.n", "b.kind", "shared"}


def test_legal_vectors_are_on_the_grid_active_and_allowed() -> None:
    space, rng = make_space(), np.random.default_rng(0)
    for choice in ("a", "b"):
        family = Family(space, "model", choice)
        vectors = family.sample(50, rng)
        if choice == "b":
            vectors[:, space.index_of["b.n"]] = rng.random(50)  # between the integers
        legal = family.legal(vectors)
        assert len(legal) > 20
        for vector in legal:
            config = to_config(vector, space)
            assert config["model"] == choice
            np.testing.assert_allclose(to_vector(config, space), vector, atol=1e-6)  # ConfigSpace rounds values


@pytest.mark.parametrize("log", [False, True])
@given(low=st.floats(1e-6, 1.0), factor=st.floats(1.01, 1e9), at=st.sampled_from([0.0, 0.3, 1.0]))
def test_a_number_never_leaves_its_range(log: bool, low: float, factor: float, at: float) -> None:
    space = ConfigurationSpace()
    number = Float("x", (low, low * factor), log=log)  # which rounds its bounds
    space.add(number)
    assert number.lower <= float(to_config(np.array([at]), space)["x"]) <= number.upper


def test_hyperparameters_without_a_kernel_are_refused() -> None:
    space = ConfigurationSpace()
    model = Categorical("model", ["a", "b"])
    space.add(model, OrdinalHyperparameter("size", ["small", "large"]))
    with pytest.raises(TypeError, match="a uniform number, a category or a constant"):
        Family(space, "model", "a")


def test_many_configurations_have_the_vectors_of_each() -> None:
    space = make_space()
    configs = [to_config(config.get_array(), space) for config in space.sample_configuration(40)]
    single = np.array([to_vector(config, space) for config in configs])
    np.testing.assert_allclose(to_vectors(configs, space), single, atol=1e-6)


def test_numbers_out_of_range_are_clipped_and_other_levels_are_refused() -> None:
    space = make_space()
    vectors = to_vectors([{"b.rate": 1.0, "b.n": 0, "more": 3}, {"b.rate": 1e-6}], space)
    assert vectors[:, space.index_of["b.rate"]].tolist() == pytest.approx([1, 0])
    assert vectors[0, space.index_of["b.n"]] == 0
    assert np.isnan(vectors[1, space.index_of["b.n"]])
    with pytest.raises(ValueError, match=r"b\.kind must be a value of the space, got 'z'"):
        to_vectors([{"b.kind": "z"}], space)
