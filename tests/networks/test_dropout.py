from __future__ import annotations

import pytest
import torch

from raytabdl.networks.dropout import Dropout


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.15, 0.5, 0.9])
def test_values_are_dropped_at_the_rate_and_the_mean_is_kept(rate):
    torch.manual_seed(0)
    x = Dropout(rate)(torch.ones(1000, 1001))
    assert (x == 0).float().mean() == pytest.approx(rate, abs=0.002)
    assert x.mean() == pytest.approx(1, abs=0.01)
    assert len(x.unique()) == (1 if rate == 0 else 2)


def test_values_are_dropped_independently():
    torch.manual_seed(0)
    x = Dropout(0.5)(torch.ones(40_000, 8)) / 2
    assert torch.corrcoef(x.T).fill_diagonal_(0).abs().max() < 0.03  # 6 standard errors


def test_the_gradient_passes_where_the_value_does():
    x = torch.randn(5, 7, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, torch.where(y == 0, 0.0, 2.0))


def test_evaluation_leaves_the_values_alone():
    x = torch.randn(3, 3)
    assert Dropout(0.5).eval()(x) is x


def test_a_rate_of_one_is_refused():
    with pytest.raises(ValueError, match="rate"):
        Dropout(1.0)
