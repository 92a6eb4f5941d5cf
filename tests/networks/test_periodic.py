from __future__ import annotations

import pytest
import rtdl_num_embeddings as oracle
import torch

from raytabdl.networks.periodic import PLR


def of_package(made):
    """The package's module with the same weights."""
    lite, (d_num, n_frequencies) = len(made.weight) == 1, made.frequencies.shape
    theirs = oracle.PeriodicEmbeddings(d_num, made.weight.shape[2], n_frequencies=n_frequencies, lite=lite)
    with torch.no_grad():
        theirs.periodic.weight.copy_(made.frequencies)
        theirs.linear.weight.copy_(made.weight[0].T if lite else made.weight)
        theirs.linear.bias.copy_(made.bias.flatten() if lite else made.bias[:, 0])
    return theirs


@pytest.mark.parametrize("lite", [False, True])
def test_the_embedding_is_that_of_the_package(lite):
    torch.manual_seed(0)
    made, x = PLR(3, d=5, n_frequencies=7, sigma=0.5, lite=lite), torch.randn(20, 3)
    theirs = of_package(made)
    torch.testing.assert_close(made(x), theirs(x), rtol=1e-5, atol=1e-6)
    for ours, other in ((made.frequencies, theirs.periodic.weight), (made.bias, theirs.linear.bias)):
        gradients = [torch.autograd.grad(f(x).square().sum(), p)[0] for f, p in ((made, ours), (theirs, other))]
        torch.testing.assert_close(gradients[0].flatten(), gradients[1].flatten(), rtol=1e-4, atol=1e-5)


def test_one_column_has_a_layer_of_its_own_in_both_forms():
    torch.manual_seed(0)
    full = PLR(1, d=4)
    lite = PLR(1, d=4, lite=True)
    lite.load_state_dict(full.state_dict())
    x = torch.randn(6, 1)
    torch.testing.assert_close(lite(x), full(x))


def test_the_frequencies_have_the_deviation_asked_for():
    frequencies = PLR(100, d=1, sigma=0.2).frequencies.detach()
    assert frequencies.std().item() == pytest.approx(0.2, rel=0.05)
    assert frequencies.abs().max() <= 0.6


def test_a_frequency_scale_of_zero_is_refused():
    with pytest.raises(ValueError, match="positive"):
        PLR(2, d=3, sigma=0.0)
