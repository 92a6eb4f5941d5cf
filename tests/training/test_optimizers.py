from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from raytabdl.component import Choice
from raytabdl.networks import NETWORKS
from raytabdl.training import OPTIMIZERS, SGD, AdamW

HYPERPARAMETERS = [(optimizer, name) for optimizer in OPTIMIZERS for name in optimizer.space]


def weights_after_training(optimizer):
    torch.manual_seed(0)
    network, x = nn.Linear(4, 3), torch.randn(32, 4)
    built = optimizer.build(network.parameters())
    for _ in range(5):
        built.zero_grad()
        network(x).square().mean().backward()
        built.step()
    return network.weight.detach()


@pytest.mark.parametrize(("optimizer", "name"), HYPERPARAMETERS)
def test_every_hyperparameter_has_an_effect(optimizer, name):
    dimension = optimizer.space[name]
    low, high = dimension.options[:2] if isinstance(dimension, Choice) else (dimension.low, dimension.high)
    assert not torch.equal(
        weights_after_training(optimizer(**{name: low})), weights_after_training(optimizer(**{name: high}))
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_matrices_decay_and_biases_do_not(optimizer):
    network = nn.Linear(4, 3)
    nn.init.ones_(network.weight)
    nn.init.ones_(network.bias)
    built = optimizer(lr=0.1, weight_decay=0.1).build(network.parameters())
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    built.step()
    assert (network.weight < 1).all()
    assert (network.bias == 1).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_norms_do_not_decay_and_every_parameter_is_trained(optimizer):
    network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    decaying, others = optimizer().build(network.parameters()).param_groups
    assert decaying["params"] == [network[0].weight]
    assert others["params"] == [network[0].bias, network[1].weight, network[1].bias]
    assert others["weight_decay"] == 0


@pytest.mark.parametrize(("optimizer", "oracle"), [(AdamW, torch.optim.AdamW), (SGD, torch.optim.SGD)])
def test_the_step_is_that_of_torch_without_fusion(optimizer, oracle):
    arguments = {"betas": (0.9, 0.99)} if optimizer is AdamW else {"momentum": 0.9, "nesterov": True}

    class Oracle:
        def build(self, parameters):
            decaying, *others = parameters
            groups = [{"params": decaying}, {"params": others, "weight_decay": 0.0}]
            return oracle(groups, lr=0.01, weight_decay=0.01, **arguments)

    torch.testing.assert_close(
        weights_after_training(optimizer(lr=0.01, weight_decay=0.01)), weights_after_training(Oracle())
    )


@pytest.mark.parametrize("component", [*OPTIMIZERS, *NETWORKS])
def test_the_constructor_and_the_space_have_the_same_defaults(component):
    parameters = inspect.signature(component).parameters
    assert {name: parameters[name].default for name in component.space} == {
        name: dimension.default for name, dimension in component.space.items()
    }
