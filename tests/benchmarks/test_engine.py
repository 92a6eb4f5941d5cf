"""The optimizers that the engine is compared with do what they are known for."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

from benchmarks.engine.cells import best_losses
from raytabdl.component import Config
from raytabdl.search.brackets import Budgets
from raytabdl.simulation.benchmark import Curve
from raytabdl.simulation.engine import Evaluation, Job, Optimizer, simulate


def evaluation(end: float, loss: float) -> Evaluation:
    return Evaluation(Job("0", {}, 1), loss, 0, 0.0, end)


def test_the_best_loss_is_that_of_all_that_ended_by_then() -> None:
    done = [evaluation(1.0, 0.5), evaluation(2.0, 0.7), evaluation(3.0, 0.2)]
    assert best_losses(done, [0.5, 1.0, 2.5, 3.0, 9.0]) == [None, 0.5, 0.5, 0.2, 0.2]


class Numbers:
    """A benchmark of numbers: the loss is one of them, and a unit of budget takes a second."""

    def __init__(self) -> None:
        self.budgets = Budgets()
        self.space = ConfigurationSpace(seed=0)
        self.space.add(Categorical("model", ["net"]), Float("x", (0.0, 1.0)), Integer("n", (1, 9)))

    def curve(self, config: Config) -> Curve:
        return Curve(dict.fromkeys(self.budgets.rungs, float(config["x"])), {b: float(b) for b in self.budgets.rungs})


def judged(optimizer: Optimizer, limit_s: float) -> Counter[int]:
    """How many trials one worker has judged at each budget."""
    return Counter(e.job.budget for e in simulate(optimizer, Numbers(), n_workers=1, limit_s=limit_s))


def test_asha_promotes_a_third_of_each_rung() -> None:
    baselines = pytest.importorskip("benchmarks.engine.baselines")
    counts = judged(baselines.ASHA(Numbers().space, Budgets(), 0), 400.0)
    for low, high in ((1, 3), (3, 9), (9, 27)):  # some more, which were in the top third for a while
        assert counts[low] // 3 <= counts[high] < 0.6 * counts[low]


def test_optuna_stops_most_trials_below_the_last_rung() -> None:
    baselines = pytest.importorskip("benchmarks.engine.baselines")
    counts = judged(baselines.OptunaASHA(Numbers().space, Budgets(), 0, 1), 300.0)
    assert counts[1] > counts[3] > counts[9] >= counts[27] > 0


@pytest.mark.filterwarnings("ignore")  # hpbandster calls what ConfigSpace deprecates
def test_stock_fills_its_largest_bracket_and_halves_it_at_barriers() -> None:
    """27 at budget 1, 9 at 3, 3 at 9, 1 at 27: with one worker nothing goes up before the rung is full."""
    stock = pytest.importorskip("benchmarks.engine.stock")
    counts = judged(stock.StockBOHB(Numbers().space, Budgets(), 0, 1), 27.0)
    assert counts == {1: 27}
    counts = judged(stock.StockBOHB(Numbers().space, Budgets(), 0, 1), 27 + 9 * 2 + 3 * 6 + 18.0)
    assert counts == {1: 27, 3: 9, 9: 3, 27: 1}


@pytest.mark.filterwarnings("ignore")
def test_stock_with_its_own_generator_runs_the_same_brackets() -> None:
    stock = pytest.importorskip("benchmarks.engine.stock")
    pytest.importorskip("hpbandster")
    counts = [
        judged(stock.StockBOHB(Numbers().space, Budgets(), 0, 1, hpbandster=hpbandster), 120.0)
        for hpbandster in (False, True)
    ]
    assert counts[0] == counts[1]


@pytest.mark.filterwarnings("ignore")  # hpbandster calls what ConfigSpace deprecates
def test_the_fast_generator_has_hpbandsters_densities_and_distribution() -> None:
    stock = pytest.importorskip("benchmarks.engine.stock")
    bohb = pytest.importorskip("hpbandster.optimizers.config_generators.bohb")
    space = ConfigurationSpace(seed=0)
    space.add(Float("x", (0.0, 1.0)), Float("y", (1e-3, 1.0), log=True))
    theirs, ours = bohb.BOHB(space, random_fraction=0.0), stock.Generator(space, 0)
    rng = np.random.default_rng(0)
    for budget, n in ((1, 40), (3, 12), (9, 4)):
        for configuration in space.sample_configuration(n):
            job = SimpleNamespace(
                kwargs={"budget": budget, "config": dict(configuration)},
                result={"loss": (configuration["x"] - 0.3) ** 2 + 0.01 * rng.random()},
                exception=None,
            )
            theirs.new_result(job)
            ours.new_result(job)
    assert max(theirs.kde_models) == max(ours._models) == 3
    for name, density in zip(("good", "bad"), ours.densities(3), strict=True):
        np.testing.assert_allclose(density.data, theirs.kde_models[3][name].data)
        np.testing.assert_allclose(density.bandwidths, theirs.kde_models[3][name].bw)
    own = [config["x"] for config, info in (ours.get_config(None) for _ in range(120)) if info["model_based_pick"]]
    other = [theirs.get_config(None)[0]["x"] for _ in range(60)]
    assert np.mean(own) == pytest.approx(np.mean(other), abs=0.12)
    assert np.std(own) == pytest.approx(np.std(other), abs=0.12)
