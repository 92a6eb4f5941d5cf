from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from raytabdl.networks.dropout import FadingDropout
from raytabdl.networks.numeric import MAX_EMBEDDED, PBLD
from raytabdl.networks.realmlp import NTKLinear, RealMLP
from raytabdl.training.weights import Weights

CARDINALITIES = (3, 10, 30)  # a sign, one-hot, vectors


def rows(n=200):
    torch.manual_seed(1)
    x_cat = torch.stack([torch.randint(c, (n,)) for c in CARDINALITIES], 1)
    return torch.randn(n, 5), x_cat


def network(**settings):
    torch.manual_seed(0)
    net = RealMLP(5, CARDINALITIES, 3, **settings)
    net.initialise(*rows())
    return net


def test_the_equations_of_the_paper():
    net = network(activation="mish").eval()
    x_num, x_cat = rows(4)
    embedding = net.numbers
    waves = torch.cos(2 * math.pi * x_num[:, :, None] * embedding.frequencies + embedding.phases)
    values = torch.einsum("bcf,cfd->bcd", waves, embedding.weight) + embedding.bias
    codes = net.categories(x_cat)
    x = torch.cat([values.flatten(1), x_num, *codes], dim=1) * net.scale
    for block in net.hidden:
        x = x @ block.linear.weight.T / math.sqrt(x.shape[1]) + block.linear.bias
        x = x + block.slope * (F.mish(x) - x)
    expected = x @ net.output.weight.T / math.sqrt(x.shape[1]) + net.output.bias
    torch.testing.assert_close(net(x_num, x_cat), expected)


def test_categories_are_signs_one_hot_and_vectors():
    net = RealMLP(0, CARDINALITIES, 2)
    one_hot, sign, vectors = net.categories(torch.tensor([[1, 3, 5], [2, 1, 7], [0, 0, 0]]))
    assert sign.flatten().tolist() == [-1, 1, 0]
    assert one_hot.shape == (3, 9)
    assert one_hot.argmax(1).tolist() == [2, 0, 0]
    assert vectors.shape == (3, 8)
    assert one_hot[2].count_nonzero() == vectors[2].count_nonzero() == 0


@pytest.mark.parametrize("activation", ["selu", "mish", "silu"])
def test_every_layer_starts_with_unit_variance_and_kinks_among_the_data(activation):
    net, x = network(activation=activation).eval(), None
    x = net._scaled(*rows())
    for linear, activate in [(block.linear, block.activate) for block in net.hidden] + [(net.output, None)]:
        outputs = linear(x)
        torch.testing.assert_close(outputs.std(0, correction=0), torch.ones(outputs.shape[1]))
        without_bias = outputs - linear.bias
        assert (without_bias.min(0).values <= -linear.bias + 1e-5).all()
        assert (-linear.bias <= without_bias.max(0).values + 1e-5).all()
        x = activate(outputs) if activate else None


def test_the_learning_rates_are_those_of_the_paper():
    net = network(scale_lr_factor=5.0, first_lr_factor=0.5)
    weights = Weights(net, net.factors())
    found = {}
    for name in ("lr", "weight_decay"):
        for segment in weights.segments:
            weights.vector[segment.begin : segment.end] = getattr(segment.factors, name)
        found[name] = {key: round(p.unique().item(), 6) for key, p in net.named_parameters()}
    assert found["lr"]["scale"] == 5
    assert found["lr"]["hidden.0.linear.weight"] == 0.5
    assert found["lr"]["hidden.1.linear.weight"] == found["lr"]["output.weight"] == 1
    assert found["lr"]["hidden.0.linear.bias"] == 0.05
    assert found["lr"]["hidden.2.linear.bias"] == found["lr"]["output.bias"] == 0.1
    assert {found["lr"][f"hidden.{i}.slope"] for i in range(3)} == {0.1}
    assert {rate for key, rate in found["lr"].items() if key.startswith("numbers.")} == {0.1}
    not_decaying = {key for key, rate in found["weight_decay"].items() if rate == 0}
    assert not_decaying == {f"hidden.{i}.linear.bias" for i in range(3)} | {"output.bias"}
    decaying = found["weight_decay"].keys() - not_decaying
    assert {key: found["weight_decay"][key] for key in decaying} == {key: found["lr"][key] for key in decaying}


def test_columns_that_are_constant_start_with_finite_weights():
    net = RealMLP(3, (), 2)
    net.initialise(torch.zeros(50, 3), torch.zeros(50, 0, dtype=torch.int64))
    assert all(p.isfinite().all() and p.abs().max() < 100 for p in net.parameters())


def test_many_numbers_go_in_as_they_are():
    wide = RealMLP(MAX_EMBEDDED + 1, (), 2)
    assert not any(name.startswith("numbers.") for name, _ in wide.named_parameters())
    assert wide.scale.shape == (MAX_EMBEDDED + 1,)
    assert wide(torch.randn(4, MAX_EMBEDDED + 1), torch.zeros(4, 0, dtype=torch.int64)).shape == (4, 2)


def test_pbld_gives_the_columns_themselves_beside_their_waves():
    torch.manual_seed(0)
    embedding, x = PBLD(3, n_frequencies=8, d=5), torch.randn(10, 3)
    embedded = embedding(x)
    assert embedded.shape == (10, embedding.d_out) == (10, 15)
    assert torch.equal(embedded[:, -3:], x)
    changed = x.clone()
    changed[:, 1] += 0.5
    assert (embedding(changed) != embedded).any(0).tolist() == [False] * 4 + [True] * 4 + [False] * 5 + [True, False]


def test_the_ntk_parametrisation_divides_by_the_root_of_the_width():
    linear, x = NTKLinear(16, 2), torch.randn(3, 16)
    torch.testing.assert_close(linear(x), F.linear(x, linear.weight / 4, linear.bias))


@pytest.mark.parametrize(("progress", "rate"), [(0, 0.4), (0.5, 0.4), (0.75, 0.2), (1, 0)])
def test_dropout_fades_in_the_second_half(progress, rate):
    dropout = FadingDropout(0.4)
    dropout.set_progress(progress)
    assert dropout.rate == pytest.approx(rate)
