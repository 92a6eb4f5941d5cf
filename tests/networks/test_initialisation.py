from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from raytabdl.networks.initialisation import init_hidden, reinitialise


def drawn(initialisation, bias="zero", d_in=200, d_out=400):
    torch.manual_seed(0)
    linear = init_hidden(nn.Linear(d_in, d_out), "relu")
    reinitialise(nn.Sequential(linear, nn.BatchNorm1d(d_out)), initialisation, bias)
    return linear


@pytest.mark.parametrize(
    ("initialisation", "variance"),
    [("default", 2 / 200), ("xavier", 2 / 600), ("kaiming", 2 / 200), ("orthogonal", 1 / 400), ("sparse", 2 / 200)],
)
def test_the_weights_have_the_variance_of_the_formula(initialisation, variance):
    weight = drawn(initialisation).weight.detach()
    assert weight.var().item() == pytest.approx(variance, rel=0.05)
    assert weight.mean().abs() < 0.01


def test_orthogonal_columns_are_orthogonal():
    weight = drawn("orthogonal").weight.detach()
    torch.testing.assert_close(weight.T @ weight, torch.eye(200), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("d_in", "n_read"), [(200, 20), (3, 1)])
def test_a_sparse_neuron_reads_a_tenth_of_its_inputs_each_its_own(d_in, n_read):
    weight = drawn("sparse", d_in=d_in).weight
    assert (weight != 0).sum(1).unique().tolist() == [n_read]
    assert (weight != 0).any(0).all()


@pytest.mark.parametrize("initialisation", ["default", "xavier"])
def test_biases_are_zero_or_normal(initialisation):
    assert drawn(initialisation).bias.count_nonzero() == 0
    assert drawn(initialisation, "normal").bias.std().item() == pytest.approx(1 / math.sqrt(200), rel=0.15)


def test_the_default_leaves_weights_and_random_numbers_alone():
    torch.manual_seed(0)
    expected, then = init_hidden(nn.Linear(200, 400), "relu").weight, torch.rand(())
    assert torch.equal(drawn("default").weight, expected)
    assert torch.equal(torch.rand(()), then)


def test_a_layer_without_bias_stays_without():
    linear = nn.Linear(5, 3, bias=False)
    reinitialise(linear, "kaiming", "normal")
    assert linear.bias is None


@pytest.mark.parametrize("settings", [("lecun", "zero"), ("xavier", "one")])
def test_an_unknown_name_is_refused(settings):
    with pytest.raises(ValueError, match=f"{settings[0]}.*{settings[1]}"):
        reinitialise(nn.Linear(2, 2), *settings)
