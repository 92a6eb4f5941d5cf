from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from raytabdl.component import Choice, Classic, Horizon, Integer, Real, Space, When
from raytabdl.exceptions import SettingError
from raytabdl.inputs import Target, TaskType
from raytabdl.networks import ShapedMLP
from raytabdl.pipeline import NetworkPipeline, chosen_steps, make_pipeline
from raytabdl.preprocessing import FAMILIES, Codes, NoScaler, OneHot, Ordinal
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
