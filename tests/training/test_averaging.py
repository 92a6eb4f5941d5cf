from __future__ import annotations

import itertools
from functools import partial

import pytest
import torch
from safetensors.torch import load, save

from raytabdl.networks import ShapedMLP
from raytabdl.training import AVERAGINGS, SGD, AdamW, Constant, CosineRestarts, Plateau
from raytabdl.training.averaging import Averaging, Lookahead, SnapshotEnsemble, StochasticWeightAveraging
from raytabdl.training.loop import Training, TrainingData, predict
from raytabdl.training.losses import classification_loss


def data(n=60):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    return TrainingData(x, torch.empty(n, 0, dtype=torch.int64), (x[:, 0] * x[:, 1] > 0).long())


def training(averaging, *, schedule=None, n_epochs=8, optimizer=None, **settings):
    torch.manual_seed(0)
    network = ShapedMLP(3, (), 2, max_units=16, use_dropout=False, **settings)
    return Training(
        network,
        data(),
        optimizer=optimizer or AdamW(lr=0.01),
        schedule=schedule or Constant(),
        loss=classification_loss,
        batch_size=16,
        n_epochs=n_epochs,
        rows_per_epoch=60,
        seed=0,
        averaging=averaging,
    )


def predictions(network):
    return predict(network, data().x_num, data().x_cat)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_weights_of_swa_are_the_mean_over_the_last_quarter(batch_norm):
    averaged, plain = (training(a, batch_norm=batch_norm) for a in (StochasticWeightAveraging(), Averaging()))
    seen = [plain.weights.vector.clone() for _ in plain.epochs()]
    list(averaged.epochs())
    (predictor,) = averaged.predictors()
    names, mean = averaged.weights.names, torch.stack(seen[6:]).mean(0)
    found = torch.cat([predictor.get_parameter(name).detach().flatten() for name in names])
    torch.testing.assert_close(found, mean)
    assert torch.equal(averaged.weights.vector, plain.weights.vector)  # the course itself is not changed


def test_swa_predicts_with_the_last_weights_before_the_last_quarter():
    averaged = training(StochasticWeightAveraging())
    list(itertools.islice(averaged.epochs(), 6))
    assert averaged.predictors() == [averaged.network]


def test_batch_norms_of_swa_have_the_statistics_of_the_averaged_network():
    averaged = training(StochasticWeightAveraging(), batch_norm=True)
    list(averaged.epochs())
    (predictor,) = averaged.predictors()
    hidden = predictor.hidden[0](data().x_num)
    torch.testing.assert_close(predictor.hidden[1].running_mean, hidden.mean(0))
    torch.testing.assert_close(predictor.hidden[1].running_var, hidden.var(0))


def test_snapshots_are_the_networks_at_the_ends_of_the_last_three_cycles():
    schedule = partial(CosineRestarts, n_cycles=4, factor_length=1)
    snapshots, plain = training(SnapshotEnsemble(), schedule=schedule()), training(Averaging(), schedule=schedule())
    seen = [predictions(plain.network) for _ in plain.epochs()]
    n_predictors = []
    for _ in snapshots.epochs():
        n_predictors.append(len(snapshots.predictors()))
    assert n_predictors == [1, 1, 2, 2, 3, 3, 3, 3]
    for network, expected in zip(snapshots.predictors(), (seen[3], seen[5], seen[7]), strict=True):
        torch.testing.assert_close(predictions(network), expected)


def test_a_rate_without_cycles_has_one_snapshot():
    one = training(SnapshotEnsemble())
    list(one.epochs())
    assert one.predictors() == [one.network]


@pytest.mark.parametrize("alpha", [0.5, 0.8])
def test_lookahead_goes_a_share_of_the_way_every_few_steps(alpha):
    ahead = training(Lookahead(n_steps=4, alpha=alpha), optimizer=SGD(lr=0.1, momentum=0.0), n_epochs=1)
    plain = training(Averaging(), optimizer=SGD(lr=0.1, momentum=0.0), n_epochs=1)
    start = plain.weights.vector.clone()
    list(plain.epochs())  # 60 rows in batches of 16 are 4 steps
    list(ahead.epochs())
    torch.testing.assert_close(ahead.weights.vector, start + alpha * (plain.weights.vector - start))


def test_the_slow_weights_of_lookahead_predict():
    ahead = training(Lookahead(n_steps=7), n_epochs=2)
    list(ahead.epochs())  # 8 steps: the last one is not taken over
    (predictor,) = ahead.predictors()
    assert not torch.equal(predictions(predictor), predictions(ahead.network))


@pytest.mark.parametrize("averaging", AVERAGINGS)
@pytest.mark.parametrize("n_before", [2, 7])
def test_pause_and_resume_is_bit_for_bit_no_pause(averaging, n_before):
    build = partial(training, schedule=CosineRestarts(n_cycles=4, factor_length=1), batch_norm=True)
    straight = build(averaging())
    list(straight.epochs())
    paused = build(averaging())
    list(itertools.islice(paused.epochs(), n_before))
    resumed = build(averaging())
    resumed.restore(load(save(paused.state())))
    list(resumed.epochs())
    for network, expected in zip(resumed.predictors(), straight.predictors(), strict=True):
        assert torch.equal(predictions(network), predictions(expected))


def test_a_plateau_goes_on_from_a_checkpoint_as_if_there_were_none():
    build = partial(training, Averaging(), n_epochs=12, optimizer=SGD(lr=0.3))
    straight = [e.learning_rate for e in build(schedule=Plateau(patience=2)).epochs()]
    paused = build(schedule=Plateau(patience=2))
    begun = [e.learning_rate for e in itertools.islice(paused.epochs(), 6)]
    resumed = build(schedule=Plateau(patience=2))
    resumed.restore(load(save(paused.state())))
    assert begun + [e.learning_rate for e in resumed.epochs()] == straight
