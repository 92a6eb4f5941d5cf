from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from raytabdl.networks.activations import PARAMETRIC, parametric

PLAIN = {"selu": F.selu, "mish": F.mish, "silu": F.silu}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mish_and_its_derivative_are_those_of_torch_far_from_zero_too(dtype):
    x = torch.tensor([-1e4, -90.0, -20.0, -3.0, -1.0, 0.0, 0.5, 2.0, 19.9, 20.1, 90.0, 1e4], dtype=dtype)
    results = []
    for function in (lambda x: parametric("mish", x[:, None], torch.ones(1, dtype=dtype))[:, 0], F.mish):
        leaf = x.clone().requires_grad_()
        value = function(leaf)
        results.append((value.detach(), *torch.autograd.grad(value.sum(), leaf)))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


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
