from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from raytabdl.component import Factors
from raytabdl.training.weights import Weights, clip_


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))


def test_the_parameters_are_views_of_the_vector():
    net = network()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    weights = Weights(net, {})
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    weights.vector += 1
    assert all(torch.equal(p, before[name] + 1) for name, p in net.named_parameters())
    assert len(weights.vector) == sum(p.numel() for p in net.parameters())


def test_matrices_decay_and_biases_and_norms_do_not():
    net = network()
    weights = Weights(net, {})
    assert [segment.factors.weight_decay for segment in weights.segments] == [0.0, 1.0]
    decaying = weights.segments[1]
    weights.vector[decaying.begin : decaying.end] = 7
    assert all((p == 7).all() == (p.ndim == 2) for p in net.parameters())


def test_a_network_says_how_its_parameters_are_treated():
    factors = {"0.bias": Factors(0.1, 0.0), "3.weight": Factors(6.0)}
    net = network()
    weights = Weights(net, factors)
    for segment in weights.segments:
        weights.vector[segment.begin : segment.end] = segment.factors.lr
    assert {name: p.unique().item() for name, p in net.named_parameters()} == pytest.approx(
        {"0.weight": 1, "0.bias": 0.1, "1.weight": 1, "1.bias": 1, "3.weight": 6, "3.bias": 1}
    )


def test_factors_of_an_unknown_parameter_are_refused():
    with pytest.raises(ValueError, match=r"3\.wieght"):
        Weights(network(), {"3.wieght": Factors(6.0)})


def test_the_gradient_is_that_of_backward_and_zero_for_what_is_not_used():
    net, x = network(), torch.randn(8, 4)
    weights = Weights(net, {})
    weights.differentiate(net[0](x).square().mean())
    net[0](x).square().mean().backward()
    expected = torch.cat(
        [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in weights.parameters]
    )
    torch.testing.assert_close(weights.gradient, expected)


def test_frozen_parameters_are_left_out():
    net = network()
    net[3].requires_grad_(False)
    assert len(Weights(net, {}).vector) == 4 * 3 + 3 + 3 + 3


@pytest.mark.parametrize(("max_norm", "clipped"), [(1.0, [0.6, 0.8]), (10.0, [3, 4]), (math.inf, [3, 4])])
def test_a_gradient_is_clipped_to_its_greatest_norm(max_norm, clipped):
    weights = Weights(nn.Linear(2, 1, bias=False), {})
    weights.gradient.copy_(torch.tensor([3.0, 4.0]))
    clip_(weights.gradient, max_norm)
    torch.testing.assert_close(weights.gradient, torch.tensor(clipped, dtype=torch.float32))


def test_a_gradient_of_zero_stays():
    weights = Weights(nn.Linear(2, 1, bias=False), {})
    clip_(weights.gradient, 1.0)
    assert (weights.gradient == 0).all()
