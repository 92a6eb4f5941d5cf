from __future__ import annotations

import pytest
from ConfigSpace import CategoricalHyperparameter

from raytabdl.classic import ALL_CLASSIC
from raytabdl.component import Horizon
from raytabdl.exceptions import SettingError
from raytabdl.inputs import Target, TaskType
from raytabdl.pipeline import NetworkPipeline, make_pipeline
from raytabdl.presets import PRESETS, full, medium, preset, preset_name, small
from raytabdl.search.samplers import RandomSearch
from raytabdl.space import Choices, configuration_space
from raytabdl.training import ALL_OPTIMIZERS, ALL_SCHEDULES

LCBENCH = {  # name: (low, high, log), from the table of search space 1 in the paper
    "batch_size": (16, 512, True),
    "optimizer.sgd.lr": (1e-4, 1e-1, True),
    "optimizer.sgd.momentum": (0.1, 0.99, False),
    "optimizer.sgd.weight_decay": (1e-5, 1e-1, False),
    "n_layers": (1, 5, False),
    "max_units": (64, 1024, True),
    "max_dropout": (0.0, 1.0, False),
}


def test_small_is_the_space_of_lcbench_and_all_else_is_fixed():
    space = configuration_space(small())
    searched = {
        name.removeprefix("network.mlp."): (h.lower, h.upper, h.log)
        for name, h in space.items()
        if not isinstance(h, CategoricalHyperparameter)
    }
    assert searched == {
        name: (pytest.approx(low), pytest.approx(high), log) for name, (low, high, log) in LCBENCH.items()
    }
    fixed = {name: h.choices for name, h in space.items() if isinstance(h, CategoricalHyperparameter)}
    assert all(len(choices) == 1 for choices in fixed.values())
    expected = {"model": "mlp", "network.mlp.shape": "funnel", "network.mlp.activation": "relu"}
    expected |= {"network.mlp.optimizer": "sgd", "network.mlp.schedule": "cosine", "network.mlp.scaler": "standard"}
    assert expected.items() <= {name: choices[0] for name, choices in fixed.items()}.items()


def test_medium_is_what_is_searched_by_default():
    assert medium() == preset(None) == preset("medium") == Choices()


def test_full_has_every_member_and_what_medium_lacks():
    few, many = configuration_space(medium()), configuration_space(full())
    assert set(few) < set(many)
    assert set(many["model"].choices) >= {cls.name for cls in ALL_CLASSIC}
    assert set(many["network.mlp.optimizer"].choices) == {cls.name for cls in ALL_OPTIMIZERS}
    assert set(many["network.mlp.schedule"].choices) == {cls.name for cls in ALL_SCHEDULES}
    for cls in ALL_CLASSIC:
        assert {f"classic.{cls.name}.{key}" for key in (*cls.space, *cls.full_space)} <= set(many)


@pytest.mark.parametrize("name", PRESETS)
def test_every_configuration_of_a_preset_builds_its_pipeline(name):
    choices = preset(name)
    sampler = RandomSearch(configuration_space(choices), seed=0)
    for _ in range(60):
        pipeline = make_pipeline(sampler.suggest(), choices, Target(TaskType.BINARY, 2), Horizon(27, 27, 1000), seed=0)
        if isinstance(pipeline, NetworkPipeline):
            pipeline._new_network(3, (4, 9))


def test_choices_are_taken_as_they_are_and_an_unknown_name_is_answered_with_the_known_ones():
    mine = Choices().only(["mlp"])
    assert preset(mine) is mine
    with pytest.raises(SettingError, match=r"one of \['small', 'medium', 'full'\] or a Choices, got 'large'"):
        preset("large")


def test_a_preset_is_known_by_what_it_holds():
    assert [preset_name(preset(name)) for name in PRESETS] == list(PRESETS)
    assert preset_name(medium().only(["mlp"])) is None
