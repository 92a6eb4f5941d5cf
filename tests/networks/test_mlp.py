from __future__ import annotations

import pytest
import torch
from torch import nn

from raytabdl.networks import ShapedMLP
from raytabdl.networks.dropout import Dropout


def linear_widths(network):
    return [module.out_features for module in network.modules() if isinstance(module, nn.Linear)]


def test_the_widths_follow_the_shape():
    assert linear_widths(ShapedMLP(20, (), 3, n_layers=4, max_units=100, shape="funnel")) == [100, 68, 36, 3]


def test_one_layer_is_a_linear_model():
    network = ShapedMLP(4, (), 3, n_layers=1)
    x, no_codes = torch.randn(5, 4), torch.zeros(5, 0, dtype=torch.int64)
    torch.testing.assert_close(network(2 * x, no_codes), 2 * network(x, no_codes))
    assert linear_widths(network) == [3]


def test_dropout_acts_at_the_rates_of_the_shape():
    network = ShapedMLP(20, (), 3, n_layers=4, shape="funnel", max_dropout=0.6)
    assert [m.rate for m in network.modules() if isinstance(m, Dropout)] == pytest.approx([0.6, 0.4002, 0.2004])


def test_without_dropout_training_is_deterministic():
    network = ShapedMLP(4, (), 1, use_dropout=False)
    x, no_codes = torch.randn(5, 4), torch.zeros(5, 0, dtype=torch.int64)
    assert torch.equal(network(x, no_codes), network(x, no_codes))


@pytest.mark.parametrize(("d_num", "cardinalities"), [(3, ()), (0, (3, 20)), (3, (3, 20))])
@pytest.mark.parametrize("activation", ["relu", "selu", "silu"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_parameter_has_a_gradient_whatever_the_columns(d_num, cardinalities, batch_norm, activation):
    network = ShapedMLP(d_num, cardinalities, 2, batch_norm=batch_norm, activation=activation)
    x_cat = torch.stack([torch.randint(1, c, (8,)) for c in cardinalities], 1) if cardinalities else None
    no_codes = torch.zeros(8, 0, dtype=torch.int64)
    output = network(torch.randn(8, d_num), no_codes if x_cat is None else x_cat)
    output.square().sum().backward()
    assert output.shape == (8, 2)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("activation", ["relu", "selu", "silu"])
def test_initial_activations_neither_vanish_nor_explode(activation):
    torch.manual_seed(0)
    network = ShapedMLP(50, (), 1, n_layers=6, activation=activation, use_dropout=False)
    x = network.hidden(torch.randn(200, 50))
    assert 0.1 < x.square().mean() < 4


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match=r"relu, selu, silu.*'swish'"):
        ShapedMLP(3, (), 1, activation="swish")


def test_a_head_stands_between_the_shape_and_the_output():
    network = ShapedMLP(20, (), 3, n_layers=3, max_units=100, shape="funnel", head_layers=3, head_units=64)
    assert linear_widths(network) == [100, 52, 64, 64, 3]


def test_the_new_options_at_their_defaults_draw_no_random_numbers():
    networks = []
    for options in ({}, {"head_layers": 1, "initialisation": "default", "bias": "zero", "embedding_factor": 1.0}):
        torch.manual_seed(0)
        networks.append((ShapedMLP(3, (3, 9), 2, **options), torch.rand(())))
    (first, then), (second, then_too) = networks
    assert torch.equal(then, then_too)
    assert first.state_dict().keys() == second.state_dict().keys()
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))
