from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from ConfigSpace import (
    Categorical,
    Configuration,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    Float,
    ForbiddenAndConjunction,
    ForbiddenEqualsClause,
    InCondition,
    Integer,
    NotEqualsCondition,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from raytabdl.component import Config
from raytabdl.search.samplers import BOHB, Observation, RandomSearch, Sampler, SpaceExhaustedError, places

SAMPLERS = [RandomSearch, BOHB]


def make_space() -> ConfigurationSpace:
    """A network (two levels of conditions, a forbidden pair), a tree, and a family that always fails."""
    space = ConfigurationSpace()
    model = Categorical("model", ["net", "tree", "broken"])
    rate, width = Float("net.lr", (1e-4, 1.0), log=True), Integer("net.width", (1, 64), log=True)
    layers, size = Integer("net.n_layers", (1, 4)), Categorical("net.batch", [64, 128, 256])
    use_dropout, dropout = Categorical("net.use_dropout", [True, False]), Float("net.dropout", (0.0, 0.8))
    optimizer, beta = Categorical("net.optimizer", ["adamw", "sgd", "lion"]), Float("net.adamw.beta", (0.0, 1.0))
    momentum, warm = Float("net.sgd.momentum", (0.0, 1.0)), Integer("net.sgd.warm_up", (0, 10))
    clip, smooth = Float("net.clip", (0.1, 10.0)), Categorical("net.smoothing", [0, 0.05, 0.1])
    depth, leaves, cut = Integer("tree.depth", (1, 12)), Float("tree.leaves", (0.0, 1.0)), Float("broken.x", (0.0, 1.0))
    version = Constant("net.version", 2)
    net = [rate, width, layers, size, use_dropout, optimizer, clip, smooth, version]
    space.add(model, *net, dropout, beta, momentum, warm, depth, leaves, cut)
    space.add(*(EqualsCondition(h, model, "net") for h in net if h is not clip), InCondition(clip, model, ["net"]))
    space.add(EqualsCondition(dropout, use_dropout, True), EqualsCondition(beta, optimizer, "adamw"))
    space.add(EqualsCondition(momentum, optimizer, "sgd"), EqualsCondition(warm, optimizer, "sgd"))
    space.add(*(EqualsCondition(h, model, "tree") for h in (depth, leaves)), EqualsCondition(cut, model, "broken"))
    space.add(ForbiddenAndConjunction(ForbiddenEqualsClause(layers, 4), ForbiddenEqualsClause(size, 64)))
    return space


def true_loss(config: Config) -> float:
    """A quadratic on each family; the best network (0) is better than the best tree (0.35)."""
    value: Callable[[str], float] = lambda name: float(config[name])  # noqa: E731
    if config["model"] == "broken":
        return math.nan
    if config["model"] == "tree":
        return 0.35 + (value("tree.depth") / 12 - 0.5) ** 2 + (value("tree.leaves") - 0.6) ** 2
    loss = (math.log10(value("net.lr")) + 2.5) ** 2 / 8 + (math.log2(value("net.width")) - 4) ** 2 / 18
    loss += 0.0 if config["net.optimizer"] == "adamw" else 0.3
    return loss + ((value("net.dropout") - 0.25) ** 2 if config["net.use_dropout"] else 0.1)


def run(
    sampler: Sampler,
    n: int,
    *,
    seed: int = 0,
    noise: float = 0.05,
    seconds: Callable[[Config], float] = lambda config: 1.0,
) -> list[Config]:
    rng = np.random.default_rng(seed)
    configs = []
    for _ in range(n):
        config = sampler.suggest()
        configs.append(config)
        sampler.observe(Observation(config, 27, true_loss(config) + noise * rng.normal(), seconds(config)))
    return configs


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    losses=st.lists(st.floats(allow_infinity=True, allow_nan=True), min_size=40, max_size=40),
)
def test_suggestions_are_legal_plain_and_new(sampler: type[Sampler], seed: int, losses: list[float]) -> None:
    space = make_space()
    source = sampler(space, seed)
    seen = set()
    for i, loss in enumerate(losses):
        config = source.suggest()
        Configuration(space, values=dict(config)).check_valid_configuration()
        assert {type(value) for value in config.values()} <= {bool, int, float, str}
        seen.add(frozenset(config.items()))
        assert len(seen) == i + 1
        source.observe(Observation(config, budget=3 ** (i % 3), loss=loss, seconds=1.0))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_values_are_of_the_type_that_the_space_declares(sampler: type[Sampler]) -> None:
    for config in run(sampler(make_space(), 0), 60):
        if config["model"] == "net":
            assert type(config["net.width"]) is int
            assert type(config["net.lr"]) is float
            assert type(config["net.use_dropout"]) is bool
            assert config["net.version"] == 2
            assert ("net.dropout" in config) == config["net.use_dropout"]
            assert ("net.sgd.momentum" in config) == (config["net.optimizer"] == "sgd")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_and_the_results_decide_the_suggestions(sampler: type[Sampler]) -> None:
    first, again, other = (run(sampler(make_space(), seed), 50) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_that_is_told_the_history_goes_on_as_the_first_would_have(sampler: type[Sampler]) -> None:
    first, again = sampler(make_space(), 3), sampler(make_space(), 3)
    for i in range(40):
        config = first.suggest()
        again.claim(config)
        if i % 3:  # the others are under way
            for source in (first, again):
                source.observe(Observation(config, 3 ** (i % 2), true_loss(config), 1.0))
    assert [first.suggest() for _ in range(5)] == [again.suggest() for _ in range(5)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_global_random_state_and_that_of_the_space_are_left_alone(sampler: type[Sampler]) -> None:
    space = make_space()
    space.seed(0)
    before = np.random.get_state()[1].copy(), space.random.get_state()[1].copy()  # noqa: NPY002
    run(sampler(space, 1), 30)
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_array_equal(before[1], space.random.get_state()[1])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_finite_space_is_suggested_once_and_then_exhausted(sampler: type[Sampler]) -> None:
    space = ConfigurationSpace()
    model = Categorical("model", ["dummy", "knn"])
    neighbours = Integer("knn.k", (1, 3))
    space.add(model, neighbours)
    space.add(EqualsCondition(neighbours, model, "knn"))
    source = sampler(space, 0)
    assert {str(sorted(source.suggest().items())) for _ in range(4)} == {
        "[('model', 'dummy')]",
        *(f"[('knn.k', {k}), ('model', 'knn')]" for k in (1, 2, 3)),
    }
    with pytest.raises(SpaceExhaustedError, match="4 suggestions"):
        source.suggest()


def test_a_claimed_configuration_is_not_suggested() -> None:
    space = ConfigurationSpace()
    space.add(Categorical("model", ["a", "b"]))
    source = RandomSearch(space, 0)
    source.claim({"model": "a"})
    assert source.suggest() == {"model": "b"}


def test_conditions_other_than_equality_hold() -> None:
    space = ConfigurationSpace()
    model, switch, x = Categorical("model", ["a", "b"]), Categorical("switch", [1, 2, 3]), Float("x", (0.0, 1.0))
    space.add(model, switch, x)
    space.add(NotEqualsCondition(x, switch, 2))
    source = RandomSearch(space, 0)
    assert all(("x" in config) == (config["switch"] != 2) for config in (source.suggest() for _ in range(30)))


def test_the_root_must_be_a_category() -> None:
    space = ConfigurationSpace()
    space.add(Float("model", (0.0, 1.0)))
    with pytest.raises(TypeError, match="categorical"):
        RandomSearch(space, 0)


@pytest.mark.parametrize("setting", [{"min_points_in_model": 3}, {"top_n_percent": 0.0}, {"random_fraction": 2.0}])
def test_settings_of_bohb_that_make_no_model_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        BOHB(make_space(), 0, **setting)  # type: ignore[arg-type]


def test_bohb_learns_where_random_search_does_not() -> None:
    """On a noisy quadratic the median of its later suggestions is below that of random search, on every seed."""
    later = {
        sampler: [
            np.nanmedian([true_loss(c) for c in run(sampler(make_space(), s), 90, seed=s)[50:]]) for s in range(6)
        ]
        for sampler in SAMPLERS
    }
    assert max(later[BOHB]) < min(later[RandomSearch])
    assert np.mean(later[BOHB]) < 0.7 * np.mean(later[RandomSearch])


def test_bohb_learns_within_a_family_from_low_budgets_alone() -> None:
    source = BOHB(make_space(), 0, random_fraction=0.0)
    draws = RandomSearch(make_space(), 1)
    for _ in range(60):
        config = draws.suggest()
        source.observe(Observation(config, 1, true_loss(config), 1.0))
    networks = [c for c in (source.suggest() for _ in range(100)) if c["model"] == "net"]
    assert np.mean([c["net.optimizer"] == "adamw" for c in networks]) > 0.6  # 1/3 by chance


def test_a_family_that_always_fails_is_starved_but_not_forgotten() -> None:
    families = Counter(str(config["model"]) for s in range(4) for config in run(BOHB(make_space(), s), 80)[30:])
    assert 0 < families["broken"] < 0.75 * 200 / 3


def test_where_nearly_all_fails_the_model_is_of_what_does_not() -> None:
    space = ConfigurationSpace()
    space.add(Categorical("model", ["net"]), Float("x", (0.0, 1.0)))
    source = BOHB(space, 0, random_fraction=0.0)
    for i in reversed(range(60)):  # failures far from the good come first
        x = (i + 0.5) / 60
        source.observe(Observation({"model": "net", "x": x}, 1, 0.0 if x < 0.07 else math.nan, 1.0))
    assert np.mean([float(source.suggest()["x"]) < 0.07 for _ in range(50)]) > 0.8


def test_what_is_good_is_decided_at_the_largest_budget_that_enough_have_reached() -> None:
    """15 % of 200 trials would be all that were promoted, whatever became of them."""
    space = ConfigurationSpace()
    space.add(Categorical("model", ["net"]), Float("x", (0.0, 1.0)))
    source = BOHB(space, 0, random_fraction=0.0)
    for i in range(200):
        config = {"model": "net", "x": (i + 0.5) / 200}
        source.observe(Observation(config, 1, i / 200, 1.0))
        if i < 30:
            source.observe(Observation(config, 27, -i / 200, 26.0))  # the other way round
    good, bad = source._split(source._ranked())
    assert [round(200 * trial.vector[space.index_of["x"]] - 0.5) for trial in good] == list(range(29, 21, -1))
    assert len(bad) == 192


def test_where_the_good_are_close_together_the_search_looks_around_them() -> None:
    space = ConfigurationSpace()
    space.add(Categorical("model", ["net"]), Float("x", (0.0, 1.0)), Float("y", (0.0, 1.0)))
    away = []
    for source in (BOHB(space, 0, random_fraction=0.0), BOHB(space, 0, random_fraction=0.0, min_bandwidth=1e-3)):
        draws = RandomSearch(space, 1)
        for i in range(40):
            config = draws.suggest() if i >= 10 else {"model": "net", "x": 0.5 + 0.001 * i, "y": 0.5}
            source.observe(Observation(config, 1, float(i), 1.0))
        away.append(np.mean([abs(float(source.suggest()["x"]) - 0.505) for _ in range(20)]))
    assert away[0] > 0.04 > away[1]


def test_of_two_equal_families_the_faster_one_is_tried_more_often() -> None:
    space = ConfigurationSpace()
    model = Categorical("model", ["fast", "slow"])
    fast, slow = Float("fast.x", (0.0, 1.0)), Float("slow.x", (0.0, 1.0))
    space.add(model, fast, slow)
    space.add(EqualsCondition(fast, model, "fast"), EqualsCondition(slow, model, "slow"))
    families: Counter[object] = Counter()
    for seed in range(4):
        source, rng = BOHB(space, seed), np.random.default_rng(seed)
        for _ in range(80):
            config = source.suggest()
            families[config["model"]] += 1
            source.observe(Observation(config, 1, rng.random(), 1.0 if config["model"] == "fast" else 10.0))
    assert families["fast"] > 2 * families["slow"] > 0


def test_a_family_is_not_starved_for_being_promoted() -> None:
    """Trials of the better family spend more, as they go on to larger budgets; that must not count against it."""
    source = BOHB(make_space(), 0, random_fraction=0.0)
    draws = RandomSearch(make_space(), 1)
    for _ in range(60):
        config = draws.suggest()
        loss = {"net": 0.0, "tree": 1.0, "broken": 2.0}[str(config["model"])]
        source.observe(Observation(config, 1, loss, 1.0))
        if config["model"] == "net":
            source.observe(Observation(config, 27, loss, 26.0))
    families = Counter(source.suggest()["model"] for _ in range(60))
    assert families["net"] > 2 * families["tree"]


def test_a_suggestion_takes_less_than_10_ms() -> None:
    source = BOHB(make_space(), 0, random_fraction=0.0)
    draws = RandomSearch(make_space(), 1)
    for _ in range(200):
        config = draws.suggest()
        source.observe(Observation(config, 1, true_loss(config), 1.0))
    durations = []
    for _ in range(20):
        start = time.perf_counter()
        source.suggest()
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.010  # the least: other work on the machine only adds


def key(name: str) -> frozenset[tuple[str, str]]:
    return frozenset({("model", name)})


def ordered(losses: dict[int, dict[str, float]]) -> str:
    place = places({budget: {key(name): loss for name, loss in at.items()} for budget, at in losses.items()})
    return "".join(dict(k)["model"] for k in sorted(place, key=place.__getitem__))  # type: ignore[arg-type, misc]


def test_a_larger_budget_reorders_those_that_reached_it() -> None:
    assert ordered({1: {"a": 1, "b": 2, "c": 3, "d": 4}}) == "abcd"
    assert ordered({1: {"a": 1, "b": 2, "c": 3, "d": 4}, 3: {"a": 9, "b": 8}}) == "bacd"


def test_the_worst_of_the_promoted_stands_before_those_left_behind() -> None:
    low = {name: float(i) for i, name in enumerate("abcdefghi")}
    assert ordered({1: low, 3: {"c": 1, "b": 2, "a": 3}, 9: {"b": 1}}) == "cbadefghi"


def test_one_that_starts_at_a_larger_budget_stands_between_those_it_is_between() -> None:
    assert ordered({1: {"a": 1, "b": 2, "c": 3}, 3: {"a": 1, "x": 2, "b": 3}}) == "axbc"


def test_only_the_order_within_a_budget_counts() -> None:
    assert ordered({1: {"a": 100, "b": 200}, 3: {"x": 0.1, "a": 0.2}}) == "xab"


def test_what_fails_at_any_budget_is_last() -> None:
    assert ordered({1: {"a": 1, "b": 2, "c": 3}, 3: {"a": math.nan, "b": 2}}) == "bca"
    assert ordered({1: {"a": math.inf, "b": 2}, 3: {"b": -math.inf, "c": 5}})[0] == "c"


def net_space() -> ConfigurationSpace:
    space = ConfigurationSpace()
    space.add(Categorical("model", ["net"]), Float("x", (0.0, 1.0)))
    return space


@pytest.mark.parametrize(
    ("n_trials", "n_further", "n_good"), [(12, 0, 6), (20, 0, 8), (101, 0, 16), (200, 16, 8), (200, 15, 30)]
)
def test_how_many_are_good(n_trials: int, n_further: int, n_good: int) -> None:
    source = BOHB(net_space(), 0)
    for i in range(n_trials):
        config = {"model": "net", "x": (i + 0.5) / n_trials}
        source.observe(Observation(config, 1, float(i), 1.0))
        if i < n_further:
            source.observe(Observation(config, 27, float(i), 26.0))
    assert source.n_good(source._ranked()) == n_good


@pytest.mark.parametrize(("n_trials", "origin"), [(5, "random"), (6, "model")])
def test_six_results_make_a_model(n_trials: int, origin: str) -> None:
    source = BOHB(net_space(), 0, random_fraction=0.0)
    for i in range(n_trials):
        source.observe(Observation({"model": "net", "x": (i + 0.5) / n_trials}, 1, float(i), 1.0))
    source.suggest()
    assert source.origin == origin


def test_settings_of_bohb_may_be_at_the_ends_of_their_ranges() -> None:
    for setting in (
        {"min_points_in_model": 4},
        {"top_n_percent": 50.0},
        {"top_n_percent": 0.5},
        {"random_fraction": 1.0},
    ):
        BOHB(make_space(), 0, **setting)  # type: ignore[arg-type]
    for setting in ({"top_n_percent": 50.5}, {"random_fraction": -0.1}):
        with pytest.raises(ValueError, match="must be"):
            BOHB(make_space(), 0, **setting)  # type: ignore[arg-type]


NAN = math.nan
TWO_EACH = [
    ("fast", 0.1, 1, 0.1, 2.0),
    ("slow", 0.1, 1, 0.2, 10.0),
    ("fast", 0.2, 1, 0.3, 2.0),
    ("slow", 0.2, 1, 0.5, 10.0),
    ("fast", 0.1, 3, 0.1, 4.0),  # the first goes on
]
FAILURES = [("fast", 0.1, 1, 0.1, 1.0), ("slow", 0.1, 1, NAN, 1.0), ("slow", 0.2, 1, NAN, 1.0)]


@pytest.mark.parametrize(
    ("results", "per_second", "expected"),
    [
        # 28 s for 6 units of budget; fast has 8 s for 4 and two of the best three, slow 20 s for 2 and one.
        (TWO_EACH, True, (2.6 / 6 / (80 / 3 / 8), 1.6 / 6 / (116 / 3 / 6))),
        (TWO_EACH, False, (2.6 / 6, 1.6 / 6)),
        (FAILURES, False, (1.6 / 5, 0.6 / 6)),
        ([("fast", 0.1, 1, 0.1, 6.0)], True, (1.6 / 5 / 6, 0.6 / 4 / 6)),
    ],
)
def test_the_chance_of_a_family_is_its_share_of_the_best_per_second_and_unit_of_budget(
    results: list[tuple[str, float, int, float, float]], per_second: bool, expected: tuple[float, float]
) -> None:
    space = ConfigurationSpace()
    model, fast, slow = Categorical("model", ["fast", "slow"]), Float("fast.x", (0.0, 1.0)), Float("slow.x", (0.0, 1.0))
    space.add(model, fast, slow)
    space.add(EqualsCondition(fast, model, "fast"), EqualsCondition(slow, model, "slow"))
    source = BOHB(space, 0, per_second=per_second)
    for family, x, budget, loss, seconds in results:
        source.observe(Observation({"model": family, f"{family}.x": x}, budget, loss, seconds))
    assert source._family_weights(source._ranked()) == pytest.approx(np.array(expected) / sum(expected))


def test_places_are_spread_evenly_and_a_newcomer_is_halfway_to_the_next() -> None:
    low = {key(name): i for i, name in enumerate("abcd")}
    place = places({1: low, 3: {key("x"): 1, key("c"): 2, key("e"): math.nan}})
    expected = {"a": 0.2, "b": 0.4, "c": 0.6, "d": 0.8, "x": 0.3, "e": 1.0}
    assert place == pytest.approx({key(name): value for name, value in expected.items()})
