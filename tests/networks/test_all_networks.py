"""What holds for every network of the package, with the options of its full space."""

from __future__ import annotations

import inspect
import itertools
from functools import partial

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from raytabdl.networks import (
    ALL_NETWORKS,
    NETWORKS,
    FTTransformer,
    PlainMLP,
    PlainResNet,
    RealMLP,
    ShapedMLP,
    ShapedResNet,
    TabM,
)
from raytabdl.space import Choices, configuration_space
from raytabdl.training import AdamW, Cosine
from raytabdl.training.loop import Training, TrainingData, predict
from raytabdl.training.losses import classification_loss

CARDINALITIES = (3, 12)
WIDE = {"head_layers": 3, "head_units": 16, "initialisation": "xavier", "bias": "normal", "embedding_factor": 0.5}
VARIANTS = {
    "mlp-mish": partial(ShapedMLP, max_units=32, activation="mish", use_dropout=False, **WIDE),
    "mlp-tanh": partial(ShapedMLP, max_units=32, activation="tanh", use_dropout=False, initialisation="orthogonal"),
    "mlp-sparse": partial(ShapedMLP, max_units=128, initialisation="sparse", max_one_hot=20),
    "resnet-shake-shake": partial(ShapedResNet, max_units=32, branches="shake_shake", **WIDE),
    "resnet-shake-drop": partial(ShapedResNet, max_units=32, branches="shake_drop", max_shake_drop=0.3),
    "resnet-plain": partial(ShapedResNet, max_units=32, skip=False, batch_norm=False, activation="silu"),
    "resnet-triangle": partial(ShapedResNet, max_units=32, branches="shake_shake", shape="triangle"),
    "tabm": partial(TabM, variant="tabm", d_block=32),
    "tabm-mini": partial(TabM, d_block=32),
    "tabm-none": partial(TabM, d_block=32, embedding="none"),
    "ft_transformer": partial(FTTransformer, d_token=16),
    "plain_mlp": partial(PlainMLP, n_units_1=32, n_units_2=24),
    "plain_mlp-plr": partial(PlainMLP, n_units_1=32, n_units_2=24, numeric="plr", sigma=0.3),
    "plain_mlp-plr_lite": partial(PlainMLP, n_units_1=32, n_units_2=24, numeric="plr_lite", sigma=0.3),
    "plain_mlp-pbld": partial(PlainMLP, n_units_1=32, n_units_2=24, numeric="pbld", batch_norm=True),
    "plain_resnet": partial(PlainResNet, n_units_1=32, n_units_2=24, n_blocks_1=2),
    "realmlp": partial(RealMLP, d_hidden=64),
}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def rows(n=64):
    generator = torch.Generator().manual_seed(0)
    x_num = torch.randn(n, 3, generator=generator)
    x_cat = torch.stack([torch.randint(1, c, (n,), generator=generator) for c in CARDINALITIES], 1)
    return TrainingData(x_num, x_cat, ((x_num[:, 0] > 0) != (x_cat[:, 0] == 1)).long())


def network(variant, data):
    torch.manual_seed(0)
    made = VARIANTS[variant](3, CARDINALITIES, 2)
    made.initialise(data.x_num, data.x_cat)
    return made


def training(made, data, n_epochs=40):
    lr = 0.05 if isinstance(made, RealMLP) else 0.01
    settings = {"loss": classification_loss, "batch_size": 32, "rows_per_epoch": len(data), "seed": 0}
    return Training(made, data, optimizer=AdamW(lr=lr), schedule=Cosine(), n_epochs=n_epochs, **settings)


@each_variant
def test_it_learns_an_exclusive_or_of_a_number_and_a_category(variant):
    data = rows()
    made = network(variant, data)
    list(training(made, data).epochs())
    outputs = predict(made, data.x_num, data.x_cat)
    correct = (outputs.mean(1) if outputs.ndim == 3 else outputs).argmax(1) == data.y
    assert correct.float().mean() > 0.9


@each_variant
def test_every_parameter_has_a_gradient_after_a_step(variant):
    data = rows()
    made = network(variant, data)
    course = training(made, data, n_epochs=1)
    next(course.epochs())
    made.train()
    outputs = made(data.x_num, data.x_cat)
    loss = classification_loss(outputs, data.y).sum()
    parameters = dict(made.named_parameters())
    for name, gradient in zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True):
        assert gradient.abs().sum() > 0, name


@each_variant
def test_the_same_seed_is_the_same_network_and_another_one_is_not(variant):
    data = rows()
    first, second = network(variant, data).state_dict(), network(variant, data).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(1)
    other = VARIANTS[variant](3, CARDINALITIES, 2)
    assert any(not torch.equal(p, first[name]) for name, p in other.named_parameters())


@each_variant
def test_a_saved_state_predicts_alike_in_a_network_that_saw_no_rows(variant):
    data = rows()
    made = network(variant, data)
    next(training(made, data, n_epochs=1).epochs())
    torch.manual_seed(5)
    loaded = VARIANTS[variant](3, CARDINALITIES, 2)
    state = {name: tensor.contiguous() for name, tensor in made.state_dict().items()}
    loaded.load_state_dict(load(save(state)))
    assert torch.equal(predict(loaded, data.x_num, data.x_cat), predict(made, data.x_num, data.x_cat))


@each_variant
def test_a_row_is_predicted_alike_alone_and_among_others(variant):
    data = rows()
    made = network(variant, data)
    next(training(made, data, n_epochs=1).epochs())
    together = predict(made, data.x_num, data.x_cat)
    alone = torch.cat([predict(made, data.x_num[i : i + 1], data.x_cat[i : i + 1]) for i in range(20)])
    torch.testing.assert_close(alone, together[:20], rtol=1e-4, atol=1e-5)
    assert predict(made, data.x_num[:0], data.x_cat[:0]).shape == (0, *together.shape[1:])


@each_variant
def test_pause_and_resume_is_bit_for_bit_no_pause(variant):
    data = rows()
    straight = training(network(variant, data), data, n_epochs=3)
    curve = [epoch.train_loss for epoch in straight.epochs()]
    paused = training(network(variant, data), data, n_epochs=3)
    begun = [epoch.train_loss for epoch in itertools.islice(paused.epochs(), 1)]
    torch.manual_seed(9)
    resumed = training(VARIANTS[variant](3, CARDINALITIES, 2), data, n_epochs=3)
    resumed.restore(load(save(paused.state())))
    assert begun + [epoch.train_loss for epoch in resumed.epochs()] == curve


@pytest.mark.parametrize("made", ALL_NETWORKS)
def test_the_defaults_of_both_spaces_are_those_of_the_constructor(made):
    parameters = inspect.signature(made).parameters
    for space in (made.space, made.full_space):
        assert {name: parameters[name].default for name in space} == {name: d.default for name, d in space.items()}
    keywords = {name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}
    assert keywords == {*made.space, *made.full_space}


@pytest.mark.parametrize("made", ALL_NETWORKS)
def test_every_configuration_of_the_full_space_builds_a_network(made):
    Full = type("Full", (made,), {"space": {**made.space, **made.full_space}})
    space = configuration_space(Choices(networks=(Full,), classic=()), seed=0)
    for configuration in space.sample_configuration(10):
        prefix = f"network.{made.name}."
        own = {key.removeprefix(prefix): value for key, value in dict(configuration).items()}
        settings = {key: value for key, value in own.items() if key in Full.space}
        output = Full(3, CARDINALITIES, 2, **settings).eval()(torch.randn(4, 3), torch.ones(4, 2, dtype=torch.int64))
        assert output.shape[0] == 4
        assert output.shape[-1] == 2


def test_the_default_space_has_nothing_of_the_full_ones():
    names = set(configuration_space(Choices()))
    for made in NETWORKS:
        assert not names & {f"network.{made.name}.{key}" for key in made.full_space.keys() - made.space.keys()}
    assert set(configuration_space(Choices())["network.mlp.activation"].choices) == {"relu", "selu", "silu"}


@pytest.mark.parametrize("made", [ShapedResNet, PlainResNet, partial(ShapedMLP, batch_norm=True)])
def test_batch_norm_of_one_row_is_an_error_that_says_so_in_training_only(made):
    built, x_num, x_cat = made(3, (), 2), torch.randn(1, 3), torch.zeros(1, 0, dtype=torch.int64)
    assert any(isinstance(module, nn.BatchNorm1d) for module in built.modules())
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        built(x_num, x_cat)
    assert built.eval()(x_num, x_cat).isfinite().all()
