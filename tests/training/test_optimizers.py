from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from raytabdl.component import Choice
from raytabdl.networks import NETWORKS
from raytabdl.training import SGD, Adam, AdamW, RMSprop

OPTIMIZERS = (AdamW, Adam, SGD, RMSprop)
HYPERPARAMETERS = [(optimizer, name) for optimizer in OPTIMIZERS for name in optimizer.space]
ORACLES = [
    (AdamW, {"beta2": 0.95}, torch.optim.AdamW, {"betas": (0.9, 0.95)}),
    (Adam, {"beta1": 0.85, "beta2": 0.97}, torch.optim.Adam, {"betas": (0.85, 0.97)}),
    (SGD, {"momentum": 0.7}, torch.optim.SGD, {"momentum": 0.7, "nesterov": True}),
    (RMSprop, {"alpha": 0.9, "momentum": 0.6}, torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.6}),
]


def course(step, n_steps=5, dtype=torch.float32):
    """Weights after steps along the gradients of a bowl, which ``step(weights, gradient, i)`` takes in place."""
    torch.manual_seed(0)
    weights, slopes = torch.randn(12, dtype=dtype), torch.rand(12, dtype=dtype) * 3
    for i in range(1, n_steps + 1):
        step(weights, (weights - 1) * slopes, i)
    return weights


def ours(optimizer, dtype=torch.float32):
    moments = tuple(torch.zeros(optimizer.n_moments, 12, dtype=dtype))

    def step(weights, gradient, i):
        rates = {"lr": optimizer.lr, "weight_decay": optimizer.decay((i - 0.5) / 5)}
        optimizer.step(weights, gradient, moments, n_steps=torch.tensor(float(i)), **rates)

    return course(step, dtype=dtype)


@pytest.mark.parametrize(("optimizer", "name"), HYPERPARAMETERS)
def test_every_hyperparameter_has_an_effect(optimizer, name):
    dimension = optimizer.space[name]
    low, high = dimension.options[:2] if isinstance(dimension, Choice) else (dimension.low, dimension.high)
    settings = {"weight_decay": 0.1} if name == "decay_schedule" else {}
    first, second = (ours(optimizer(**settings | {name: value})) for value in (low, high))
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("optimizer", "settings", "oracle", "oracle_settings"), ORACLES)
def test_the_steps_are_those_of_torch(optimizer, settings, oracle, oracle_settings):
    weights = nn.Parameter(torch.zeros(12, dtype=torch.float64))
    built = oracle([weights], lr=0.01, weight_decay=0.03, **oracle_settings)

    def step(values, gradient, _):
        weights.data.copy_(values)
        weights.grad = gradient
        built.step()
        values.copy_(weights.data)

    torch.testing.assert_close(
        ours(optimizer(lr=0.01, weight_decay=0.03, **settings), torch.float64),
        course(step, dtype=torch.float64),
        rtol=1e-10,
        atol=1e-10,
    )


@pytest.mark.parametrize("component", [*OPTIMIZERS, *NETWORKS])
def test_the_constructor_and_the_space_have_the_same_defaults(component):
    parameters = inspect.signature(component).parameters
    assert {name: parameters[name].default for name in component.space} == {
        name: dimension.default for name, dimension in component.space.items()
    }
