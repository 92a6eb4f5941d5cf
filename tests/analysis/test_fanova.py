from __future__ import annotations

import math

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, Constant, Float, Integer

from raytabdl.analysis.fanova import fanova
from raytabdl.analysis.local_importance import local_importance
from raytabdl.analysis.study import Study
from raytabdl.exceptions import DataError


def test_the_shares_of_sums_and_products_are_those_of_the_closed_form(cube, make_study) -> None:
    # Var(2x) = 4/12, Var(y) = 1/12, Var(6 (x - 1/2) (z - 1/2)) = 3/12
    shares = fanova(make_study(cube, lambda c: 2 * c["x"] + c["y"] + 6 * (c["x"] - 0.5) * (c["z"] - 0.5), 1500))
    assert next(iter(shares.single)) == "x"
    assert shares.single == pytest.approx({"x": 1 / 2, "y": 1 / 8, "z": 0}, abs=0.03)
    assert next(iter(shares.pairs)) == ("x", "z")
    assert shares.pairs == pytest.approx({("x", "y"): 0, ("x", "z"): 3 / 8, ("y", "z"): 0}, abs=0.03)


def test_a_conditional_parameter_matters_as_often_as_it_is_active(switched, make_study) -> None:
    # The loss is s x, s in {0, 1}: Var = 5/48, of which s has 3/48, x 1/48 and the two together 1/48.
    shares = fanova(make_study(switched, lambda c: c.get("x", 0.0), 800))
    assert shares.single == pytest.approx({"switch": 0.6, "x": 0.2}, abs=0.04)
    assert shares.pairs == pytest.approx({("switch", "x"): 0.2}, abs=0.04)


def test_levels_count_alike_however_often_they_were_tried(make_study) -> None:
    space = ConfigurationSpace(seed=0)
    space.add(Categorical("kind", ["a", "b", "c"], weights=[0.8, 0.1, 0.1]), Float("x", (0.0, 1.0)))
    # Var(3 [kind = c]) = 2 = Var(sqrt(24) x)
    shares = fanova(make_study(space, lambda c: 3 * (c["kind"] == "c") + math.sqrt(24) * c["x"], 1500))
    assert shares.single == pytest.approx({"kind": 0.5, "x": 0.5}, abs=0.03)


def test_integers_count_alike_at_the_ends_of_their_range_too(make_study) -> None:
    space = ConfigurationSpace(seed=0)
    space.add(Integer("n", (1, 5)), Float("x", (0.0, 1.0)))
    # Var(n) = 2 = Var(sqrt(24) x)
    study = make_study(space, lambda c: c["n"] + math.sqrt(24) * c["x"], 1500)
    assert fanova(study).single == pytest.approx({"n": 0.5, "x": 0.5}, abs=0.02)
    assert local_importance(study) == pytest.approx({"n": 0.5, "x": 0.5}, abs=0.04)


def test_a_range_is_uniform_on_its_scale(make_study) -> None:
    space = ConfigurationSpace(seed=0)
    space.add(Float("lr", (1e-4, 1e-1), log=True), Float("x", (0.0, 1.0)))
    shares = fanova(make_study(space, lambda c: math.log10(c["lr"]) / 3 + c["x"], 1000))
    assert shares.single == pytest.approx({"lr": 0.5, "x": 0.5}, abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_in_two_dimensions_the_parts_add_up_to_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, kind = Float("x", (0.0, 1.0)), Float("y", (0.0, 1.0)), Categorical("kind", ["a", "b", "c", "d"])
    other = Categorical("other", [True, False])
    for pair in ((x, y), (x, kind), (kind, other)):
        space = ConfigurationSpace(seed=seed)
        space.add(*pair)
        configs = [dict(config) for config in space.sample_configuration(60)]
        shares = fanova(Study.of(space, configs, rng.normal(size=60).tolist()), seed=seed)
        assert sum(shares.single.values()) + sum(shares.pairs.values()) == pytest.approx(1, abs=1e-9)


def test_what_never_varies_is_left_out(make_study) -> None:
    space = ConfigurationSpace(seed=0)
    space.add(Constant("fixed", 3), Float("x", (0.0, 1.0)), Float("y", (0.0, 1.0)))
    configs = [{"fixed": 3, "x": x, "y": 0.7} for x in np.linspace(0, 1, 30)]
    assert fanova(Study.of(space, configs, list(range(30)))).single == pytest.approx({"x": 1.0})


def test_configurations_that_are_all_the_same_are_refused(cube) -> None:
    with pytest.raises(DataError, match="all 12 are the same"):
        fanova(Study.of(cube, [{"x": 0.1, "y": 0.2, "z": 0.3}] * 12, list(range(12))))


def test_pairs_are_formed_of_the_twenty_largest(make_study) -> None:
    space = ConfigurationSpace(seed=0)
    space.add(*(Float(f"x{i:02}", (0.0, 1.0)) for i in range(22)))
    shares = fanova(make_study(space, lambda c: sum(i * c[f"x{i:02}"] for i in range(22)), 100))
    assert len(shares.single) == 22
    assert {name for pair in shares.pairs for name in pair} == set(list(shares.single)[:20])
    assert len(shares.pairs) == 20 * 19 / 2


def test_the_shares_are_those_of_optuna() -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = ConfigurationSpace(seed=0)
    space.add(*(Float(name, (0.0, 1.0)) for name in "abc"))
    configs = [dict(config) for config in space.sample_configuration(80)]
    losses = [c["a"] ** 2 + c["b"] * c["c"] for c in configs]
    known = optuna.create_study()
    ranges = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in "abc"}
    for config, loss in zip(configs, losses, strict=True):
        known.add_trial(optuna.trial.create_trial(params=config, distributions=ranges, value=loss))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=64, seed=0)
    assert fanova(Study.of(space, configs, losses)).single == pytest.approx(evaluator.evaluate(known), abs=0.01)
