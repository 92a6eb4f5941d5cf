from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

from raytabdl.search import kde

N_LEVELS = np.array([0, 3, 0, 2])


def points(n: int, rng: np.random.Generator) -> kde.Floats:
    return np.where(N_LEVELS > 0, np.floor(rng.random((n, 4)) * N_LEVELS), rng.random((n, 4)))


def flat_space() -> ConfigurationSpace:
    space = ConfigurationSpace(seed=0)
    space.add(Float("a", (0.0, 1.0)), Categorical("b", ["x", "y", "z"]), Float("c", (1e-4, 1.0), log=True))
    space.add(Integer("d", (1, 9)), Categorical("e", [True, False]))
    return space


def conditional_space() -> ConfigurationSpace:
    space = ConfigurationSpace(seed=0)
    switch, share, rate = Categorical("a", [True, False]), Float("b", (0.0, 1.0)), Float("c", (0.0, 1.0))
    space.add(switch, share, rate)
    space.add(EqualsCondition(share, switch, True))
    return space


def hpbandsters_model(space: ConfigurationSpace, losses: list[float]) -> tuple[kde.Floats, Any]:
    """The observed vectors, and hpbandster's good and bad densities of them."""
    bohb = pytest.importorskip("hpbandster.optimizers.config_generators.bohb")
    dispatcher = pytest.importorskip("hpbandster.core.dispatcher")
    generator = bohb.BOHB(space)
    configurations = space.sample_configuration(len(losses))
    for i, (configuration, loss) in enumerate(zip(configurations, losses, strict=True)):
        job = dispatcher.Job((0, 0, i), config=dict(configuration), budget=1.0)
        job.result = {"loss": loss}
        generator.new_result(job)
    return np.array([c.get_array() for c in configurations]), generator.kde_models[1.0]


@pytest.mark.filterwarnings("ignore")  # hpbandster calls what ConfigSpace deprecates
def test_good_and_bad_densities_are_hpbandsters() -> None:
    rng = np.random.default_rng(1)
    losses = rng.random(60).tolist()
    vectors, theirs = hpbandsters_model(flat_space(), losses)
    n_levels = np.array([0, 3, 0, 0, 2])
    order = np.argsort(losses)
    candidates = np.array([c.get_array() for c in flat_space().sample_configuration(64)])
    n_good = len(theirs["good"].data)
    for name, rows in (("good", order[:n_good]), ("bad", order[n_good : n_good + len(theirs["bad"].data)])):
        ours = kde.fit(vectors[rows], n_levels)
        np.testing.assert_allclose(ours.bandwidths, theirs[name].bw)
        np.testing.assert_allclose(np.exp(ours.log_pdf(candidates)), theirs[name].pdf(candidates), rtol=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_densities_are_hpbandsters_on_what_it_imputes() -> None:
    _, theirs = hpbandsters_model(conditional_space(), np.random.default_rng(2).random(40).tolist())
    x = np.random.default_rng(3).random((64, 3))
    x[:, 0] = x[:, 0] > 0.5
    for density in theirs.values():
        ours = kde.fit(np.asarray(density.data), np.array([2, 0, 0]))
        np.testing.assert_allclose(np.exp(ours.log_pdf(x)), density.pdf(x), rtol=1e-9)


def test_a_density_integrates_to_one() -> None:
    rng = np.random.default_rng(0)
    data = points(12, rng)
    data[:, [0, 2]] = 0.4 + 0.2 * data[:, [0, 2]]  # so that hardly any mass is outside of the unit square
    data[::3, 2] = np.nan
    density = kde.fit(data, N_LEVELS)
    grid = (np.arange(60) + 0.5) / 60
    x = np.stack(np.meshgrid(grid, np.arange(3), grid, np.arange(2), indexing="ij"), axis=-1).reshape(-1, 4)
    assert np.exp(density.log_pdf(x)).sum() / 60**2 == pytest.approx(1.0, abs=0.02)


def test_an_inactive_value_says_nothing() -> None:
    density = kde.Density(np.array([[0.5, np.nan]]), np.array([0.1, 0.1]), np.array([0, 4]))
    alone = kde.Density(np.array([[0.5]]), np.array([0.1]), np.array([0]))
    x = np.array([[0.45, 0.0], [0.45, 3.0], [0.7, 2.0]])
    np.testing.assert_allclose(density.log_pdf(x), alone.log_pdf(x[:, :1]) - np.log(4))


def test_an_inactive_candidate_is_judged_by_the_rest() -> None:
    density = kde.Density(np.array([[0.5, 0.2]]), np.array([0.1, 0.1]), np.array([0, 0]))
    alone = kde.Density(np.array([[0.5]]), np.array([0.1]), np.array([0]))
    np.testing.assert_allclose(density.log_pdf(np.array([[0.4, np.nan]])), alone.log_pdf(np.array([[0.4]])))


def test_no_density_is_negative_where_categories_are_spread_wide() -> None:
    data = np.array([[0.0], [9.0], [0.0], [9.0]])  # statsmodels' bandwidth is above 3 here
    assert np.isfinite(kde.fit(data, np.array([10])).log_pdf(np.arange(10.0)[:, None])).all()


def test_draws_are_legal_and_near_the_points() -> None:
    rng = np.random.default_rng(0)
    data = np.array([[0.0, 2.0, 0.9, np.nan]])
    density = kde.Density(data, np.full(4, 0.05), N_LEVELS)
    drawn = density.sample(points(500, rng), rng)
    assert (drawn[:, [0, 2]] >= 0).all()
    assert (drawn[:, [0, 2]] <= 1).all()
    assert drawn[:, 0].mean() == pytest.approx(0.05 * (2 / np.pi) ** 0.5, abs=0.01)  # half of a normal density
    assert (drawn[:, 1] == 2).mean() == pytest.approx(0.95 + 0.05 / 3, abs=0.03)
    assert drawn[:, 3].mean() == pytest.approx(0.5, abs=0.07)  # what no point speaks about is drawn uniformly


def test_the_rule_of_thumb_counts_the_values_that_are_active() -> None:
    data = np.array([[0.2, np.nan], [0.8, 0.5]])
    np.testing.assert_allclose(kde.normal_reference(data), [1.06 * 0.3 * 2 ** (-1 / 6), 0.0])
