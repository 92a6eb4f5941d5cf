from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from raytabdl.component import Factors
from raytabdl.networks import ShapedMLP, ShapedResNet
from raytabdl.training import SGD, AdamW, Cosine, CosineCycles
from raytabdl.training.augment import Adversarial
from raytabdl.training.loop import Training, TrainingData, predict
from raytabdl.training.losses import classification_loss, regression_loss

CARDINALITIES = (3, 12)
NETWORKS = [
    partial(ShapedMLP, max_units=16, max_dropout=0.3),
    partial(ShapedMLP, max_units=16, batch_norm=True, activation="selu", max_dropout=0.3),
    partial(ShapedResNet, max_units=16, shape="funnel", max_dropout=0.3),
]


def rows(n=60):
    generator = torch.Generator().manual_seed(0)
    x_num = torch.randn(n, 3, generator=generator)
    x_cat = torch.stack([torch.randint(c, (n,), generator=generator) for c in CARDINALITIES], 1)
    return TrainingData(x_num, x_cat, (x_num[:, 0] * x_num[:, 1] > 0).long())


def training(network, data=None, optimizer=None, schedule=None, **settings):
    settings = {
        "loss": classification_loss,
        "batch_size": 16,
        "n_epochs": 6,
        "rows_per_epoch": 60,
        "seed": 0,
    } | settings
    return Training(network, data or rows(), optimizer=optimizer or AdamW(), schedule=schedule or Cosine(), **settings)


def new_network(make):
    torch.manual_seed(0)
    return make(3, CARDINALITIES, 2)


class Recorder(nn.Module):
    """Keeps the rows that it is trained on, which are numbered in their only column."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.batches = []

    def forward(self, x_num, x_cat):
        self.batches.append(x_num[:, 0].int().tolist())
        return x_num * self.weight


def recorded(n, n_epochs, **settings):
    data = TrainingData(torch.arange(n).float()[:, None], torch.zeros(n, 0, dtype=torch.int64), torch.zeros(n))
    recorder = Recorder()
    list(training(recorder, data, loss=regression_loss, n_epochs=n_epochs, **settings).epochs())
    return recorder.batches


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("optimizer", [AdamW(lr=0.01), SGD(lr=0.1)])
@pytest.mark.parametrize("rows_per_epoch", [25, 60, 130])
def test_pause_and_resume_is_bit_for_bit_no_pause(make, optimizer, rows_per_epoch):
    build = partial(training, optimizer=optimizer, schedule=CosineCycles(n_rungs=2), rows_per_epoch=rows_per_epoch)
    straight = build(new_network(make))
    curve = [epoch.train_loss for epoch in straight.epochs()]

    paused = build(new_network(make))
    begun = [epoch.train_loss for epoch in itertools.islice(paused.epochs(), 2)]
    checkpoint = save(paused.state())
    torch.manual_seed(99)  # a new process has drawn other numbers
    resumed = build(make(3, CARDINALITIES, 2))
    resumed.restore(load(checkpoint))

    assert begun + [epoch.train_loss for epoch in resumed.epochs()] == curve
    expected, state = straight.state(), resumed.state()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_a_shortened_training_ends_earlier_at_the_end_of_its_schedule():
    def rates(n_epochs, shortened_to=None):
        course = training(new_network(NETWORKS[0]), schedule=CosineCycles(n_rungs=1), n_epochs=n_epochs)
        begun = [next(course.epochs()).learning_rate for _ in range(2)]
        if shortened_to is not None:
            course.shorten(shortened_to)
        return begun + [epoch.learning_rate for epoch in course.epochs()]

    shortened = rates(20, 5)
    assert len(shortened) == 5
    assert shortened[:2] == rates(20)[:2]
    assert shortened[2:] == rates(5)[2:]


@pytest.mark.parametrize("n_epochs", [1, 4])
def test_a_horizon_is_not_made_longer_and_does_not_end_before_what_was_done(n_epochs):
    course = training(new_network(NETWORKS[0]), n_epochs=3)
    list(itertools.islice(course.epochs(), 2))
    with pytest.raises(ValueError, match="n_epochs"):
        course.shorten(n_epochs)


def test_a_state_does_not_change_while_training_goes_on():
    paused = training(new_network(NETWORKS[0]))
    next(paused.epochs())
    state = paused.state()
    before = {name: tensor.clone() for name, tensor in state.items()}
    paused.restore(state)
    list(paused.epochs())
    assert all(torch.equal(state[name], before[name]) for name in state)


def test_an_epoch_does_not_depend_on_what_else_draws_random_numbers():
    alone = [epoch.train_loss for epoch in training(new_network(NETWORKS[0])).epochs()]
    disturbed = []
    for epoch in training(new_network(NETWORKS[0])).epochs():
        disturbed.append(epoch.train_loss)
        torch.rand(7)
    assert disturbed == alone


def test_training_leaves_the_random_state_of_the_caller_alone():
    network = new_network(NETWORKS[0])
    before = torch.get_rng_state()
    list(training(network).epochs())
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_is_another_course():
    first, second = (list(training(new_network(NETWORKS[0]), seed=seed).epochs()) for seed in (0, 1))
    assert first[-1].train_loss != second[-1].train_loss


@pytest.mark.parametrize("rows_per_epoch", [7, 30, 45, 100])
def test_every_row_is_seen_equally_often(rows_per_epoch):
    seen = list(itertools.chain(*recorded(30, n_epochs=11, rows_per_epoch=rows_per_epoch)))
    counts = torch.bincount(torch.tensor(seen), minlength=30)
    assert counts.sum() == 11 * rows_per_epoch
    assert counts.max() - counts.min() <= 1


def test_every_pass_has_its_own_order():
    first, second = recorded(30, n_epochs=2, rows_per_epoch=30, batch_size=30)
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(33, 16, [11, 11, 11]), (34, 17, [17, 17]), (3, 2, [3])])
def test_no_batch_is_left_with_a_single_row(n, batch_size, sizes):
    assert [len(batch) for batch in recorded(n, 1, rows_per_epoch=n, batch_size=batch_size)] == sizes


def test_batch_norm_survives_a_remainder_of_one_row():
    epochs = list(training(new_network(NETWORKS[1]), rows(33), batch_size=16, rows_per_epoch=33).epochs())
    assert all(math.isfinite(epoch.train_loss) for epoch in epochs)


def test_epochs_count_from_one_and_the_rate_falls_with_every_step():
    rates = {}

    class Watched(AdamW):
        def step(self, *vectors, n_steps, lr, weight_decay):
            rates[int(n_steps)] = lr

    epochs = list(training(new_network(NETWORKS[0]), optimizer=Watched()).epochs())
    assert [epoch.index for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert list(rates.values()) == pytest.approx([1e-3 * Cosine().factor((i + 0.5) / 24) for i in range(24)])
    assert [epoch.learning_rate for epoch in epochs] == [rates[i] for i in range(4, 25, 4)]


def test_an_epoch_that_ends_at_a_rung_ends_annealed():
    network = new_network(NETWORKS[0])
    epochs = list(training(network, schedule=CosineCycles(eta=3, n_rungs=3), n_epochs=9).epochs())
    rates = [epoch.learning_rate / 1e-3 for epoch in epochs]
    assert all(rates[i] < 0.04 for i in (0, 2, 8))
    assert all(rates[i] > 0.04 for i in (1, 3, 4, 5, 6, 7))


def test_a_module_is_told_the_share_of_the_horizon_before_each_step():
    told = []

    class Told(nn.Linear):
        def set_progress(self, progress):
            told.append(progress)

    network = new_network(NETWORKS[0])
    network.output = Told(16, 2)
    list(training(network, n_epochs=2).epochs())
    assert told == pytest.approx([(i + 0.5) / 8 for i in range(8)])


def test_a_network_says_how_its_parameters_are_trained():
    class Still(ShapedMLP):
        def factors(self):
            return {"output.weight": Factors(lr=0.0)}

    network = new_network(partial(Still, max_units=16))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    list(training(network, n_epochs=1).epochs())
    assert [name for name, p in network.named_parameters() if torch.equal(p, before[name])] == ["output.weight"]


def test_a_network_says_how_long_a_gradient_may_be():
    class Short(ShapedMLP):
        max_gradient_norm = 1e-3

    norms = {}
    for make in (ShapedMLP, Short):
        course = training(new_network(partial(make, max_units=16)), optimizer=SGD())
        next(course.epochs())
        norms[make] = course.moments.norm()
    assert norms[Short] < 0.02 * norms[ShapedMLP]


def test_of_k_predictions_each_has_its_own_loss():
    torch.manual_seed(0)
    logits, y = torch.randn(5, 4, 3), torch.randint(3, (5,))
    expected = torch.stack([classification_loss(logits[:, i], y) for i in range(4)]).mean(0)
    torch.testing.assert_close(classification_loss(logits, y), expected)
    values, y = torch.randn(5, 4, 1), torch.randn(5)
    expected = torch.stack([regression_loss(values[:, i], y) for i in range(4)]).mean(0)
    torch.testing.assert_close(regression_loss(values, y), expected)


def test_a_loss_that_is_not_a_number_ends_the_training():
    network = new_network(NETWORKS[0])
    nn.init.constant_(network.output.bias, math.nan)
    with pytest.raises(FloatingPointError, match=r"train_loss=nan in epoch 1"):
        next(training(network).epochs())


@pytest.mark.parametrize("make", [ShapedMLP, ShapedResNet])
def test_a_network_learns_a_checkerboard_by_heart(make):
    torch.manual_seed(0)
    x_num = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(8, 1)
    data = TrainingData(x_num, torch.zeros(32, 0, dtype=torch.int64), (x_num[:, 0] != x_num[:, 1]).long())
    network = make(2, (), 2, max_units=32, use_dropout=False)
    list(training(network, data, AdamW(lr=0.01), n_epochs=40, rows_per_epoch=32).epochs())
    assert torch.equal(predict(network, data.x_num, data.x_cat).argmax(1), data.y)


def test_a_network_learns_from_categories_alone():
    torch.manual_seed(0)
    x_cat = torch.cartesian_prod(torch.arange(3), torch.arange(12))
    data = TrainingData(torch.zeros(36, 0), x_cat, (x_cat.sum(1) % 2).float())
    network = ShapedMLP(0, CARDINALITIES, 1, max_units=64, use_dropout=False)
    *_, last = training(network, data, AdamW(lr=0.01), loss=regression_loss, n_epochs=60, rows_per_epoch=36).epochs()
    assert last.train_loss < 0.05


@pytest.mark.parametrize("make", NETWORKS)
def test_a_row_is_predicted_alike_alone_and_in_a_batch(make):
    network, data = new_network(make), rows()
    next(training(network).epochs())
    together = predict(network, data.x_num, data.x_cat)
    alone = torch.cat([predict(network, data.x_num[i : i + 1], data.x_cat[i : i + 1]) for i in range(60)])
    torch.testing.assert_close(predict(network, data.x_num, data.x_cat, batch_size=7), together)
    torch.testing.assert_close(alone, together)


@pytest.mark.parametrize("mode", [True, False])
def test_prediction_does_not_drop_and_keeps_the_mode(mode):
    network, data = new_network(NETWORKS[0]).train(mode), rows()
    assert torch.equal(predict(network, data.x_num, data.x_cat), predict(network, data.x_num, data.x_cat))
    assert network.training is mode


def test_prediction_of_no_rows_has_no_rows():
    assert predict(new_network(NETWORKS[1]), torch.zeros(0, 3), torch.zeros(0, 2, dtype=torch.int64)).shape == (0, 2)


def test_label_smoothing_keeps_the_loss_of_a_certain_prediction_above_zero():
    logits, y = torch.tensor([[50.0, -50.0]]), torch.tensor([0])
    assert classification_loss(logits, y) == 0
    assert classification_loss(logits, y, label_smoothing=0.1) == pytest.approx(5)


def test_the_regression_loss_compares_row_with_row():
    losses = regression_loss(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1.0, 2.0, 5.0]))
    assert losses.tolist() == [0, 0, 4]


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"rows_per_epoch": 1}])
def test_batches_of_a_single_row_are_refused(settings):
    with pytest.raises(ValueError, match="at least 2 rows"):
        training(new_network(NETWORKS[0]), **settings)


@pytest.mark.parametrize("augmentation", [None, Adversarial()])
def test_a_step_on_weighted_rows_is_a_step_on_so_many_rows(augmentation):
    data, counts = rows(), torch.arange(60) % 3 + 1
    repeated = TrainingData(*(column.repeat_interleave(counts, dim=0) for column in (data.x_num, data.x_cat, data.y)))
    weighted = replace(data, weights=counts / counts.float().mean())
    networks = []
    for given in (weighted, repeated, data):
        network = new_network(partial(ShapedMLP, max_units=16, max_dropout=0.0))
        settings = {"batch_size": 200, "rows_per_epoch": len(given), "n_epochs": 3, "augmentation": augmentation}
        losses = [epoch.train_loss for epoch in training(network, given, SGD(lr=0.1), **settings).epochs()]
        networks.append((losses, predict(network, data.x_num, data.x_cat)))
    torch.testing.assert_close(networks[0], networks[1], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(networks[0][1], networks[2][1], atol=1e-3)
