from __future__ import annotations

import numpy as np
import pytest
import torch

from raytabdl.networks import ShapedMLP
from raytabdl.training import SGD, Constant
from raytabdl.training.gradients import GradientStatistics
from raytabdl.training.loop import Training, TrainingData
from raytabdl.training.losses import classification_loss


def test_statistics_are_those_of_numpy_over_all_values():
    torch.manual_seed(0)
    gradients = [torch.randn(7, 5), torch.randn(11)]
    values = np.concatenate([gradient.numpy().ravel() for gradient in gradients]).astype(float)
    found = GradientStatistics.of(gradients)
    assert (found.max, found.mean, found.std) == pytest.approx((values.max(), values.mean(), values.std()))
    assert (found.q10, found.q25, found.median, found.q75, found.q90) == pytest.approx(
        np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9])
    )
    assert found.norm == pytest.approx(np.mean([np.linalg.norm(gradient) for gradient in gradients]), rel=1e-6)


def training(**settings):
    torch.manual_seed(0)
    x = torch.randn(40, 3)
    data = TrainingData(x, torch.empty(40, 0, dtype=torch.int64), (x[:, 0] > 0).long())
    return Training(
        ShapedMLP(3, (), 2, n_layers=3, max_units=8, use_dropout=False),
        data,
        optimizer=SGD(lr=0.05),
        schedule=Constant(),
        loss=classification_loss,
        batch_size=40,
        n_epochs=2,
        rows_per_epoch=40,
        seed=0,
        **settings,
    )


def test_an_epoch_has_the_gradient_of_its_last_step_by_layer():
    watched = training(with_gradients=True)
    network, data = watched.network, watched.data
    classification_loss(network(data.x_num, data.x_cat), data.y).mean().backward()
    expected = {name: p.grad for name, p in network.named_parameters()}
    gradients = next(watched.epochs()).gradients
    assert list(gradients.layers) == ["hidden.0", "hidden.2", "output"]
    assert gradients.layers["output"].norm == pytest.approx(
        float((expected["output.weight"].norm() + expected["output.bias"].norm()) / 2), rel=1e-5
    )
    assert gradients.overall.max == pytest.approx(float(max(g.max() for g in expected.values())), rel=1e-5)


def test_gradients_that_nobody_asks_for_are_not_looked_at_and_change_nothing():
    plain, watched = training(), training(with_gradients=True)
    assert [epoch.gradients for epoch in plain.epochs()] == [None, None]
    list(watched.epochs())
    assert torch.equal(plain.weights.vector, watched.weights.vector)
