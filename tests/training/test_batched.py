from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from raytabdl.networks import RealMLP, ShapedMLP, ShapedResNet
from raytabdl.networks.dropout import Dropout
from raytabdl.networks.stack import stack
from raytabdl.training import SGD, AdamW, Cosine, CoslogCycles, RMSprop
from raytabdl.training.augment import Mixup
from raytabdl.training.averaging import Lookahead
from raytabdl.training.batched import BatchedTraining
from raytabdl.training.loop import Training, TrainingData, predict
from raytabdl.training.losses import classification_loss, regression_loss

CARDINALITIES = (3, 12, 40)
NETWORKS = [
    partial(ShapedMLP, max_units=16, use_dropout=False),
    partial(ShapedMLP, max_units=16, use_dropout=False, batch_norm=True, activation="selu", shape="funnel"),
    partial(ShapedResNet, max_units=16, shape="diamond", use_dropout=False),
    partial(RealMLP, d_hidden=16, dropout=0.0, activation="selu"),
    partial(RealMLP, d_hidden=16, dropout=0.0, activation="mish"),
]
OPTIMIZERS = [
    [AdamW(lr=0.01), AdamW(lr=0.1, weight_decay=0.2), AdamW(lr=0.03, beta2=0.95, decay_schedule="flat_cosine")],
    [SGD(lr=0.1), SGD(lr=0.01, momentum=0.5), SGD(lr=0.05, weight_decay=1e-2)],
]
SCHEDULES = [Cosine(), CoslogCycles(n_rungs=2), Cosine()]


@pytest.fixture(autouse=True)
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def fold(k, n_classes, n=80):
    """The training part of fold k: other rows for each."""
    generator = torch.Generator().manual_seed(k)
    x_num = torch.randn(n, 3, generator=generator)
    x_cat = torch.stack([torch.randint(c, (n,), generator=generator) for c in CARDINALITIES], 1)
    value = x_num[:, 0] * x_num[:, 1] + (x_cat[:, 0] == 1)
    return TrainingData(x_num, x_cat, value if n_classes == 0 else (value > 0).long() + (value > 1) * (n_classes - 2))


def training(make, k, optimizer, n_classes=3, seed=None, weights=None, **settings):
    torch.manual_seed(k)
    network = make(3, CARDINALITIES, max(n_classes, 1))
    data = replace(fold(k, n_classes), weights=weights)
    if isinstance(network, RealMLP):
        network.initialise(data.x_num, data.x_cat)
    settings = {"batch_size": 16, "n_epochs": 4, "rows_per_epoch": 80} | settings
    loss = regression_loss if n_classes == 0 else classification_loss
    return Training(
        network,
        data,
        optimizer=optimizer,
        schedule=SCHEDULES[k],
        loss=loss,
        seed=k if seed is None else seed,
        **settings,
    )


def trainings(make, optimizers=OPTIMIZERS[0], **settings):
    return [training(make, k, optimizer, **settings) for k, optimizer in enumerate(optimizers)]


def assert_same(one, other):
    states = one.state(), other.state()
    assert states[0].keys() == states[1].keys()
    for name in states[0]:
        torch.testing.assert_close(*(state[name] for state in states), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("optimizers", OPTIMIZERS)
@pytest.mark.parametrize("n_classes", [0, 3])
def test_twenty_steps_together_are_twenty_steps_apart(make, optimizers, n_classes):
    apart = trainings(make, optimizers, n_classes=n_classes)
    curves = [list(one.epochs()) for one in apart]
    batched = BatchedTraining(trainings(make, optimizers, n_classes=n_classes), stack)
    for k, epochs in enumerate(zip(*batched.epochs(), strict=True)):
        assert [epoch.train_loss for epoch in epochs] == pytest.approx([e.train_loss for e in curves[k]], rel=1e-9)
        assert [epoch.learning_rate for epoch in epochs] == [e.learning_rate for e in curves[k]]
    assert apart[0].n_steps == 20
    for one, other in zip(apart, batched.trainings, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("make", NETWORKS)
def test_a_training_that_leaves_the_batch_goes_on_alone(make):
    apart = trainings(make)
    for one in apart:
        list(one.epochs())
    batched = BatchedTraining(trainings(make), stack)
    list(itertools.islice(batched.epochs(), 2))
    left = training(make, 1, OPTIMIZERS[0][1])
    left.restore(batched.trainings[1].state())
    list(left.epochs())
    list(batched.trainings[2].epochs())
    assert_same(left, apart[1])
    assert_same(batched.trainings[2], apart[2])


@pytest.mark.parametrize("make", NETWORKS)
def test_the_common_network_predicts_what_the_members_do(make):
    together = trainings(make)
    batched = BatchedTraining(together, stack)
    list(batched.epochs())
    data = fold(9, 3, n=30)
    common = batched._network.eval()(data.x_num.expand(3, -1, -1), data.x_cat.expand(3, -1, -1))
    for k, one in enumerate(together):
        torch.testing.assert_close(common[k], predict(one.network, data.x_num, data.x_cat))


def test_one_that_diverges_leaves_the_others_as_they_were():
    optimizers = [AdamW(lr=math.inf), *OPTIMIZERS[0][1:]]
    batched = BatchedTraining(trainings(NETWORKS[0], optimizers), stack)
    curves = list(batched.epochs())
    assert [epochs[0] for epochs in curves] == [None] * 4
    assert "must stay finite" in str(batched.failures[0])
    apart = training(NETWORKS[0], 1, optimizers[1])
    assert [epochs[1].train_loss for epochs in curves] == pytest.approx([e.train_loss for e in apart.epochs()])


def test_a_batch_of_which_all_diverge_ends():
    batched = BatchedTraining(trainings(NETWORKS[0], [AdamW(lr=math.inf)] * 3), stack)
    assert len(list(batched.epochs())) < 4
    assert len(batched.failures) == 3


def test_each_has_its_rate_of_dropout():
    rates = (0.25, 0.0, 0.5)
    common = stack([Dropout(rate) for rate in rates]).train()
    kept = (common(torch.ones(3, 100, 100)) > 0).double().mean(dim=(1, 2))
    assert kept.tolist() == pytest.approx([0.75, 1.0, 0.5], abs=0.03)
    assert torch.equal(common.eval()(torch.ones(3, 4)), torch.ones(3, 4))


def test_networks_with_other_modules_are_refused():
    members = [ShapedMLP(3, CARDINALITIES, 2, use_dropout=use) for use in (False, True)]
    with pytest.raises(ValueError, match="same modules"):
        stack(members)


def test_dropout_fades_in_the_common_network():
    members = [RealMLP(3, CARDINALITIES, 2, d_hidden=16, dropout=0.5) for _ in range(2)]
    batched = BatchedTraining(trainings(partial(RealMLP, d_hidden=16, dropout=0.5)), stack)
    list(batched.epochs())
    assert all(block.dropout.rate < 0.1 for one in batched.trainings for block in one.network.hidden)
    assert members[0].hidden[0].dropout.rate == 0.5


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (lambda: training(partial(ShapedMLP, max_units=8, use_dropout=False), 1, AdamW()), "one shape"),
        (lambda: training(NETWORKS[0], 1, AdamW(), batch_size=8), "batch_sizes"),
        (lambda: training(NETWORKS[0], 1, AdamW(), n_epochs=9), "n_epochs"),
        (lambda: training(NETWORKS[0], 1, SGD()), "moments"),
        (lambda: training(NETWORKS[0], 1, AdamW(), n_classes=0), "one shape"),
        (lambda: training(NETWORKS[0], 1, AdamW(), augmentation=Mixup()), "augmentation"),
        (lambda: training(NETWORKS[0], 1, AdamW(), averaging=Lookahead()), "averaging"),
        (lambda: training(NETWORKS[0], 1, AdamW(), with_gradients=True), "with_gradients"),
        (lambda: training(NETWORKS[0], 1, AdamW(), weights=torch.ones(80)), "without weights"),
    ],
)
def test_trainings_that_are_not_alike_are_refused(other, named):
    with pytest.raises(ValueError, match=named):
        BatchedTraining([training(NETWORKS[0], 0, AdamW()), other()], stack)


def test_optimizers_of_two_kinds_go_together_where_their_moments_do():
    batched = BatchedTraining([training(NETWORKS[0], k, o) for k, o in enumerate([AdamW(), RMSprop()])], stack)
    list(batched.epochs())
    for k, optimizer in enumerate([AdamW(), RMSprop()]):
        apart = training(NETWORKS[0], k, optimizer)
        list(apart.epochs())
        assert_same(apart, batched.trainings[k])


def test_a_module_with_a_matrix_that_is_not_known_is_refused():
    class Unknown(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = torch.nn.Parameter(torch.ones(2, 2))

    with pytest.raises(TypeError, match=r"Unknown\.matrix"):
        stack([Unknown(), Unknown()])
