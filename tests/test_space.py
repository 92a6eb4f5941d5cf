from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from raytabdl.component import Choice, Classic, Horizon, Integer, Real, Space, When
from raytabdl.exceptions import SettingError
from raytabdl.inputs import Target, TaskType
from raytabdl.pipeline import NetworkPipeline, make_pipeline
from raytabdl.space import Choices, arguments, configuration_space, named
from raytabdl.task import make_task
from raytabdl.training import AdamW

N_SAMPLES = 60


class Mine(Classic):
    """A user's own model, with a hyperparameter that is active under a value of another."""

    name: ClassVar[str] = "mine"
    horizon: ClassVar[int] = 1
    space: ClassVar[Space] = {
        "kind": Choice(("a", "b"), "a"),
        "depth": Integer(1, 8, 2, log=True, when=When("kind", ("b",))),
        "rate": Real(0.1, 1.0, 0.5),
    }


def sampled(choices, n=N_SAMPLES):
    space = configuration_space(choices, seed=0)
    return [dict(configuration) for configuration in space.sample_configuration(n)]


def task():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(30, 2)), rng.integers(0, 3, size=30)])
    return make_task(X, np.arange(30) % 3, Target(TaskType.MULTICLASS, 3), 3, rng)


def test_every_sampled_configuration_builds_its_pipeline():
    choices, three_classes = Choices(), task()
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


@pytest.mark.parametrize("family", ["scalers", "optimizers", "schedules"])
def test_networks_need_a_member_of_each_family(family):
    with pytest.raises(SettingError, match=f"at least one {family[:-1]}"):
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
