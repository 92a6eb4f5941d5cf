from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from raytabdl.classic import LightGBM
from raytabdl.component import Choice, Classic, Forbidden, Horizon, Integer, Real, Space, When
from raytabdl.exceptions import SettingError
from raytabdl.inputs import Target, TaskType
from raytabdl.networks import ShapedMLP
from raytabdl.pipeline import NetworkPipeline, make_pipeline
from raytabdl.pipeline.network import chosen_steps
from raytabdl.preprocessing import FAMILIES, Codes, NoScaler, OneHot, Ordinal
from raytabdl.search.samplers import BOHB, Observation, RandomSearch
from raytabdl.space import Choices, arguments, configuration_space, named
from raytabdl.task import make_task
from raytabdl.training import AdamW

N_SAMPLES = 60
FAMILY_NAMES = {
    "levels": "levels",
    "encoders": "encoder",
    "scalers": "scaler",
    "imputers": "imputer",
    "features": "features",
    "resamplers": "resampler",
}


class Mine(Classic):
    """A user's own model, with a hyperparameter that is active under a value of another."""

    name: ClassVar[str] = "mine"
    horizon: ClassVar[int] = 1
    space: ClassVar[Space] = {
        "kind": Choice(("a", "b"), "a"),
        "depth": Integer(1, 8, 2, log=True, when=When("kind", ("b",))),
        "rate": Real(0.1, 1.0, 0.5),
    }


FULL = Choices(
    levels=FAMILIES["levels"],
    encoders=FAMILIES["encoder"],
    scalers=FAMILIES["scaler"],
    imputers=FAMILIES["imputer"],
    features=FAMILIES["features"],
    resamplers=FAMILIES["resampler"],
)


def sampled(choices, n=N_SAMPLES):
    space = configuration_space(choices, seed=0)
    return [dict(configuration) for configuration in space.sample_configuration(n)]


def task():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(30, 2)), rng.integers(0, 3, size=30)])
    return make_task(X, np.arange(30) % 3, Target(TaskType.MULTICLASS, 3), 3, rng)


@pytest.mark.parametrize("choices", [Choices(), FULL.only(["mlp"])], ids=["default", "full"])
def test_every_sampled_configuration_builds_its_pipeline(choices):
    three_classes = task()
    for config in sampled(choices):
        plain = {key: v.item() if isinstance(v, np.generic) else v for key, v in config.items()}
        pipeline = make_pipeline(plain, choices, three_classes.target, Horizon(27, 27, 1000), seed=0)
        if isinstance(pipeline, NetworkPipeline):
            pipeline._start(three_classes, 0)
        else:
            assert pipeline.model.name == config["model"]


def test_the_default_configuration_of_the_space_is_the_default_of_the_constructors():
    choices = Choices()
    for member in (*choices.classic, *choices.optimizers):
        for key, dimension in member.space.items():
            assert member.__init__.__kwdefaults__[key] == dimension.default, (member.name, key)


def test_only_the_hyperparameters_of_the_chosen_model_are_active():
    for config in sampled(Choices()):
        model = config.pop("model")
        is_network = model in {network.name for network in Choices().networks}
        prefix = f"network.{model}" if is_network else f"classic.{model}"
        assert all(key.startswith(f"{prefix}.") for key in config)
        own = arguments(config, prefix)
        for family in ("scaler", "optimizer", "schedule"):
            assert (family in own) is is_network
            assert all(key.startswith(f"{family}.{own[family]}.") for key in own if key.startswith(f"{family}."))
        assert ("batch_size" in own) is is_network


def test_a_network_has_its_own_ranges_of_what_networks_share():
    space = configuration_space(Choices())
    for network in Choices().networks:
        lr = space[f"network.{network.name}.optimizer.adamw.lr"]
        expected = network.training_space.get("optimizer.adamw.lr", AdamW.space["lr"])
        assert (lr.lower, lr.upper, lr.default_value) == (expected.low, expected.high, expected.default)
    assert set(space["network.realmlp.optimizer"].choices) == {"adamw"}
    assert space["network.realmlp.schedule"].default_value == "coslog_cycles"


@pytest.mark.parametrize("network", Choices().networks)
def test_the_own_ranges_of_a_network_are_of_hyperparameters_that_there_are(network):
    known = {f"network.{network.name}.{key}" for key in network.training_space}
    assert known <= set(configuration_space(Choices().only([network.name])))


def test_a_family_of_preprocessing_is_in_the_space_where_it_has_more_than_what_does_nothing():
    default = set(configuration_space(Choices().only(["mlp"])))
    assert {name.split(".")[2] for name in default if "." in name}.isdisjoint({*FAMILIES} - {"scaler"})
    space = configuration_space(Choices(encoders=(Codes, OneHot)).only(["mlp"]))
    assert set(space) - default == {"network.mlp.encoder", "network.mlp.encoder.one_hot.max_levels"}
    assert space["network.mlp.encoder"].default_value == "codes"
    # A configuration without a name has the member that does nothing, so that any other alone is named.
    assert configuration_space(Choices(encoders=(Ordinal,)))["network.mlp.encoder"].choices == ("ordinal",)


def test_a_network_may_restrict_the_families_of_preprocessing():
    class Picky(ShapedMLP):
        training_space: ClassVar[Space] = {
            "encoder": Choice(("ordinal", "one_hot"), default="one_hot"),
            "encoder.one_hot.max_levels": Integer(3, 10, default=5),
        }

    space = configuration_space(replace(FULL, networks=(Picky,), classic=()))
    assert set(space["network.mlp.encoder"].choices) == {"ordinal", "one_hot"}
    assert space["network.mlp.encoder"].default_value == "one_hot"
    assert space["network.mlp.encoder.one_hot.max_levels"].upper == 10
    assert len(space["network.mlp.features"].choices) == len(FAMILIES["features"])


def test_steps_of_a_saved_model_are_found_without_the_choices_that_it_was_trained_with():
    class Other(NoScaler):
        """Of the user's own, by the name of one of the package."""

    settings = {"scaler": "none", "encoder": "one_hot", "encoder.one_hot.max_levels": 7}
    chosen = chosen_steps(Choices(), settings)
    assert {label: member.cls for label, member in chosen.items()} == {"scaler": NoScaler, "encoder": OneHot}
    assert chosen["encoder"].arguments == {"max_levels": 7}
    assert chosen_steps(Choices(scalers=(Other,)), settings)["scaler"].cls is Other
    with pytest.raises(SettingError, match=r"codes.*got 'hashing'"):
        chosen_steps(Choices(), {"encoder": "hashing"})


def test_a_condition_between_siblings_holds():
    configs = sampled(Choices(networks=(), classic=(Mine,)))
    assert {config["classic.mine.kind"] for config in configs} == {"a", "b"}
    for config in configs:
        assert ("classic.mine.depth" in config) is (config["classic.mine.kind"] == "b")


def test_the_names_are_unique_and_the_space_is_the_same_for_the_same_seed():
    space = configuration_space(Choices())
    assert len(set(space)) == len(space)
    assert sampled(Choices()) == sampled(Choices())


def test_only_keeps_the_named_models():
    choices = Choices().only(["mlp", "lightgbm"])
    assert {config["model"] for config in sampled(choices)} == {"mlp", "lightgbm"}
    with pytest.raises(SettingError, match=r"catboost.*got \['tabpfn'\]"):
        Choices().only(["tabpfn"])


def test_classic_models_alone_have_no_network_settings():
    assert all(key.startswith(("model", "classic.")) for key in configuration_space(Choices(networks=())))


@pytest.mark.parametrize("family", [*FAMILY_NAMES, "optimizers", "schedules"])
def test_networks_need_a_member_of_each_family(family):
    with pytest.raises(SettingError, match=f"at least one {FAMILY_NAMES.get(family, family[:-1])}"):
        Choices(**{family: ()})
    Choices(networks=(), **{family: ()})


def test_two_models_of_one_name_are_refused():
    with pytest.raises(SettingError, match="must differ"):
        Choices(classic=(Mine, Mine))
    with pytest.raises(SettingError, match="at least one network or classic model"):
        Choices(networks=(), classic=())


def test_arguments_are_the_keys_below_a_prefix():
    config = {"model": "mlp", "network.mlp.n_layers": 3, "network.mlp2.n_layers": 4}
    assert arguments(config, "network.mlp") == {"n_layers": 3}


def test_an_unknown_member_is_answered_with_the_known_ones():
    with pytest.raises(SettingError, match=r"one of \['mine'\], got 'yours'"):
        named((Mine,), "yours")


def test_other_families_are_chosen_and_left_out_by_name():
    choices = Choices().only(["mlp"], scalers=["standard", "robust"]).without(optimizers=["sgd"])
    assert [scaler.name for scaler in choices.scalers] == ["robust", "standard"]  # in the order that they had
    assert [optimizer.name for optimizer in choices.optimizers] == ["adamw"]
    assert [network.name for network in choices.networks] == ["mlp"]
    assert choices.classic == ()
    assert choices.schedules == Choices().schedules
    left = Choices().without(["catboost", "resnet"])
    assert [member.name for member in (*left.networks, *left.classic)] == [
        name for name in configuration_space(Choices())["model"].choices if name not in ("catboost", "resnet")
    ]


def test_an_unknown_family_or_member_is_answered_with_the_known_ones():
    with pytest.raises(SettingError, match=r"scalers must be some of .*'robust'.*got \['minmax'\]"):
        Choices().without(scalers=["minmax"])
    with pytest.raises(SettingError, match="'scaler'; close to it are scalers"):
        Choices().only(scaler=["robust"])
    with pytest.raises(SettingError, match="at least one scaler"):
        Choices().without(scalers=[scaler.name for scaler in Choices().scalers])


def test_a_fixed_choice_takes_what_depends_on_its_other_options_with_it():
    choices = Choices().only(["mlp"]).updated({"network.mlp.optimizer": "sgd", "network.mlp.use_dropout": False})
    names = set(configuration_space(choices))
    assert "network.mlp.optimizer.sgd.lr" in names
    assert "network.mlp.max_dropout" not in names
    assert not any(name.startswith("network.mlp.optimizer.adamw") for name in names)
    for config in sampled(choices):
        assert (config["network.mlp.optimizer"], config["network.mlp.use_dropout"]) == ("sgd", False)


def test_an_option_that_went_leaves_those_that_other_options_have_too():
    class Nested(Mine):
        name = "nested"
        space: ClassVar[Space] = {
            "kind": Choice(("a", "b", "c"), "a"),
            "way": Choice(("p", "q"), "p", when=When("kind", ("b", "c"))),
            "depth": Integer(1, 8, 2, when=When("way", ("q",))),
        }

    choices = Choices(networks=(), classic=(Nested,))
    some = choices.updated({"classic.nested.kind": Choice(("a", "c"), "a")})
    assert {config["classic.nested.kind"] for config in sampled(some) if "classic.nested.depth" in config} == {"c"}
    assert set(configuration_space(choices.updated({"classic.nested.kind": "a"}))) == {"model", "classic.nested.kind"}


def test_the_full_dimensions_are_searched_in_full_only_and_reach_the_constructor():
    class Wide(Mine):
        name = "wide"
        full_space: ClassVar[Space] = {"rate": Real(0.01, 9.0, 0.5), "extra": Integer(1, 3, 1)}

        def __init__(self, target, *, seed, n_threads, kind="a", depth=2, rate=0.5, extra=1):
            self.got = {"rate": rate, "extra": extra}

    choices = Choices(networks=(), classic=(Wide,))
    assert configuration_space(choices)["classic.wide.rate"].upper == 1.0
    assert "classic.wide.extra" not in configuration_space(choices)
    full = Choices(networks=(), classic=(Wide,), full=True)
    assert configuration_space(full)["classic.wide.rate"].upper == 9.0
    config = {"model": "wide", "classic.wide.rate": 8.0, "classic.wide.extra": 3}
    assert make_pipeline(config, full, task().target, Horizon(27, 27, 1000), 0).model.got == {"rate": 8.0, "extra": 3}


def test_the_full_dimensions_of_a_network_reach_its_constructor():
    class Deep(ShapedMLP):
        name = "deep"
        full_space: ClassVar[Space] = {"n_extra": Integer(0, 3, 0)}

        def __init__(self, d_num, cardinalities, d_out, *, n_extra=0, **config):
            super().__init__(d_num, cardinalities, d_out, **config)
            self.n_extra = n_extra

    choices = Choices(networks=(Deep,), classic=(), full=True)
    plain = {**configuration_space(choices).get_default_configuration(), "network.deep.n_extra": 2}
    pipeline = make_pipeline(plain, choices, task().target, Horizon(27, 27, 1000), seed=0)
    assert pipeline._new_network(2, (4,)).n_extra == 2


class Lacking(Mine):
    name: ClassVar[str] = "lacking"

    def __init__(self, target, *, seed, n_threads, kind="a", dept=2, rate=0.5):
        pass


@pytest.mark.parametrize("where", ["space", "full_space"])
def test_a_keyword_that_a_constructor_lacks_is_named_before_a_run(where):
    extra = {"space": {}, "full_space": Mine.space} if where == "full_space" else {}
    cls = type("Own", (Lacking,), extra)
    with pytest.raises(SettingError, match=r"constructor of Own must take .*lacks 'depth'; it takes .*'dept'"):
        Choices(classic=(cls,))


@pytest.mark.parametrize(
    "when",
    [When("kynd", ("b",)), When("rate", (0.5,)), When("kind", ("c",))],
    ids=["no name", "no choice", "no option"],
)
def test_a_condition_that_can_never_hold_is_refused(when):
    cls = type("Own", (Mine,), {"space": {**Mine.space, "depth": Integer(1, 8, 2, when=when)}})
    with pytest.raises(SettingError, match="'depth' of Own must be active under a value of a Choice or an Integer"):
        Choices(classic=(cls,))


class Picky(Classic):
    """A model with forbidden combinations."""

    name: ClassVar[str] = "picky"
    horizon: ClassVar[int] = 1
    space: ClassVar[Space] = {
        "kind": Choice(("a", "b", "c"), "a"),
        "depth": Integer(1, 8, 2, log=True, when=When("kind", ("b", "c"))),
        "rate": Real(0.1, 1.0, 0.5),
    }
    forbidden: ClassVar[tuple[Forbidden, ...]] = (
        Forbidden({"kind": "b", "depth": (5, 6)}),
        Forbidden({"kind": "c", "depth": 8}),
    )


def is_forbidden(config):
    kind, depth = config.get("classic.picky.kind"), config.get("classic.picky.depth")
    mixed = config.get("classic.lightgbm.num_leaves", 9) < 8 and config.get("classic.lightgbm.min_data_in_leaf") == 20
    return (kind == "b" and depth in (5, 6)) or (kind, depth) == ("c", 8) or mixed


@pytest.mark.parametrize("sampler", [RandomSearch, BOHB])
def test_no_sampler_suggests_what_is_forbidden(sampler):
    whole = Forbidden({"classic.lightgbm.num_leaves": (4, 5, 6, 7), "classic.lightgbm.min_data_in_leaf": 20})
    choices = Choices(networks=(), classic=(Picky, LightGBM), forbidden=(whole,))
    search = sampler(configuration_space(choices), seed=0)
    kinds = []
    for i in range(120):
        config = search.suggest()
        assert not is_forbidden(config)
        kinds.append(config.get("classic.picky.kind"))
        # What is forbidden lies where the losses are the best: the model of the good ones leads there.
        loss = abs(config.get("classic.picky.depth", 9) - 5) + (config.get("classic.picky.kind") != "b")
        search.observe(Observation(config, 1, float(loss + i % 2 / 100), 1.0))
    assert {"b", "c"} <= set(kinds)


def test_what_is_forbidden_of_a_member_is_forbidden_below_its_name_only():
    class Twin(Picky):
        name = "twin"
        forbidden: ClassVar[tuple[Forbidden, ...]] = ()

    configs = sampled(Choices(networks=(), classic=(Picky, Twin)), n=400)
    assert not any(map(is_forbidden, configs))
    twins = {(config.get("classic.twin.kind"), config.get("classic.twin.depth")) for config in configs}
    assert {("b", 5), ("c", 8)} <= twins


def test_forbidden_values_of_a_scaler_are_forbidden_beside_a_network():
    class Picked(AdamW):
        name = "picked"
        forbidden: ClassVar[tuple[Forbidden, ...]] = (Forbidden({"beta2": 0.95, "decay_schedule": "flat_cosine"}),)

    choices = Choices(optimizers=(Picked,)).only(["mlp"])
    pairs = {
        (config["network.mlp.optimizer.picked.beta2"], config["network.mlp.optimizer.picked.decay_schedule"])
        for config in sampled(choices)
    }
    assert len(pairs) == 5
    assert (0.95, "flat_cosine") not in pairs


def test_a_forbidden_combination_that_an_update_took_away_is_no_error():
    choices = Choices(networks=(), classic=(Picky,)).updated({"classic.picky.kind": "a"})
    assert {config["classic.picky.kind"] for config in sampled(choices)} == {"a"}
    some = Choices(networks=(), classic=(Picky,)).updated({"classic.picky.depth": {"high": 4}})
    assert not any(map(is_forbidden, sampled(some)))


def test_forbidding_the_defaults_or_what_there_is_not_or_a_real_is_refused():
    for forbidden, words in (
        ({"classic.picky.kind": "a"}, "defaults of a space must not be forbidden, got .*'classic.picky.kind'"),
        ({"classic.picky.knd": "a"}, "'classic.picky.knd'; close to it are classic.picky.kind"),
        ({"classic.picky.rate": 0.5}, "Choice or an Integer, got 'classic.picky.rate'"),
    ):
        with pytest.raises(SettingError, match=words):
            configuration_space(Choices(networks=(), classic=(Picky,), forbidden=(Forbidden(forbidden),)))
    with pytest.raises(SettingError, match="what Own forbids must be a known one, got 'knd'"):
        Choices(classic=(type("Own", (Picky,), {"forbidden": (Forbidden({"knd": "a"}),)}),))
    with pytest.raises(ValueError, match="at least one name"):
        Forbidden({})
