from __future__ import annotations

import pytest
import torch

from raytabdl.networks.shake import shake_drop, shake_shake

N = 4000


def coefficients(function, *inputs):
    """What each input was multiplied by, row by row, in the value and in the gradient."""
    leaves = [torch.full((N, 3), float(x), requires_grad=True) for x in inputs]
    value = function(*leaves)
    gradients = torch.autograd.grad(value.sum(), leaves)
    for tensor in (value, *gradients):
        assert torch.equal(tensor, tensor[:, :1].expand_as(tensor))  # a row has one
    return value[:, 0].detach(), *(gradient[:, 0] for gradient in gradients)


def is_uniform(x, low, high):
    shares = ((x - low) / (high - low)).sort().values
    return (shares - torch.linspace(0, 1, len(x))).abs().max() < 1.63 / len(x) ** 0.5  # Kolmogorov-Smirnov at 1 %


def test_shake_shake_mixes_by_uniform_shares_and_gradients_by_others():
    torch.manual_seed(0)
    to_values, to_first, to_second = coefficients(lambda a, b: shake_shake(a, b, training=True), 1, 0)
    assert is_uniform(to_values, 0, 1)
    assert is_uniform(to_first, 0, 1)
    torch.testing.assert_close(to_first + to_second, torch.ones(N))
    assert torch.corrcoef(torch.stack([to_values, to_first]))[0, 1].abs() < 0.08


def test_shake_shake_is_the_mean_in_evaluation():
    value, to_first, to_second = coefficients(lambda a, b: shake_shake(a, b, training=False), 1, 5)
    assert (value == 3).all()
    assert (to_first == 0.5).all()
    assert (to_second == 0.5).all()


@pytest.mark.parametrize("p_kept", [0.0, 0.3, 1.0])
def test_shake_drop_keeps_a_branch_or_shakes_it(p_kept):
    torch.manual_seed(0)
    to_values, to_gradients = coefficients(lambda x: shake_drop(x, p_kept, training=True), 1)
    kept = to_gradients == 1
    assert kept.float().mean().item() == pytest.approx(p_kept, abs=0.03)
    assert (to_values[kept] - 1).abs().max() < 1e-6 if kept.any() else p_kept == 0
    if p_kept < 1:
        assert is_uniform(to_values[~kept], -1, 1)
        assert is_uniform(to_gradients[~kept], 0, 1)
        assert torch.corrcoef(torch.stack([to_values[~kept], to_gradients[~kept]]))[0, 1].abs() < 0.08


def test_shake_drop_is_the_expectation_in_evaluation():
    value, to_gradients = coefficients(lambda x: shake_drop(x, 0.3, training=False), 2)
    assert value.unique().tolist() == pytest.approx([0.6])
    assert to_gradients.unique().tolist() == pytest.approx([0.3])
