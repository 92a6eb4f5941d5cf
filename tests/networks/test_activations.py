from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from raytabdl.networks.activations import ACTIVATIONS, PARAMETRIC, activation_of, parametric

PLAIN = {"selu": F.selu, "mish": F.mish, "silu": F.silu}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mish_and_its_derivative_are_those_of_torch_far_from_zero_too(dtype):
    x = torch.tensor([-1e4, -90.0, -20.0, -3.0, -1.0, 0.0, 0.5, 2.0, 19.9, 20.1, 90.0, 1e4], dtype=dtype)
    results = []
    plain = activation_of("mish")
    for function in (F.mish, plain, lambda x: parametric("mish", x[:, None], torch.ones(1, dtype=dtype))[:, 0]):
        leaf = x.clone().requires_grad_()
        value = function(leaf)
        results.append((value.detach(), *torch.autograd.grad(value.sum(), leaf)))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PARAMETRIC)
def test_the_gradients_are_those_of_finite_differences(name):
    torch.manual_seed(0)
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    slope = torch.rand(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, slope: parametric(name, x, slope), (x, slope))


@pytest.mark.parametrize("name", PARAMETRIC)
def test_a_slope_of_one_is_the_activation_and_of_zero_the_identity(name):
    x = torch.linspace(-4, 4, 12).view(4, 3)
    torch.testing.assert_close(parametric(name, x, torch.ones(3)), PLAIN[name](x))
    torch.testing.assert_close(parametric(name, x, torch.zeros(3)), x)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_that_of_torch(name):
    x = torch.linspace(-4, 4, 12)
    torch.testing.assert_close(activation_of(name)(x), getattr(torch if name in ("tanh", "sigmoid") else F, name)(x))
