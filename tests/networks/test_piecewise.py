from __future__ import annotations

import math

import pytest
import rtdl_num_embeddings as oracle
import torch
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.networks.piecewise import LinearEmbedding, PiecewiseLinear


def columns(n=300):
    """Of many values, of three, of two, and of two values one of which fills all quantiles but the last."""
    torch.manual_seed(0)
    return torch.stack(
        [torch.randn(n), torch.randint(3, (n,)), torch.randint(2, (n,)), (torch.arange(n) == 7)], 1
    ).float()


def embedding(x, d=6, n_bins=8):
    torch.manual_seed(1)
    made = PiecewiseLinear(x.shape[1], d=d, n_bins=n_bins)
    made.initialise(x)
    torch.nn.init.normal_(made.weight)
    return made


def of_package(made, bins):
    """The package's module with the same weights; it holds the last bin of a column apart, after the padding."""
    theirs = oracle.PiecewiseLinearEmbeddings(bins, made.weight.shape[2], activation=False, version="B")
    with torch.no_grad():
        theirs.linear0.weight.copy_(made.linear.weight)
        theirs.linear0.bias.copy_(made.linear.bias)
        for j, edges in enumerate(bins):
            n = len(edges) - 1
            theirs.linear.weight[j, : n - 1] = made.weight[j, : n - 1]
            theirs.linear.weight[j, -1] = made.weight[j, n - 1]
    return theirs


@pytest.mark.filterwarnings("ignore:The .*-th feature has just two bin edges")
@pytest.mark.parametrize("n_bins", [2, 8, 64])
def test_the_embedding_is_that_of_the_package_within_and_beyond_the_rows_seen(n_bins):
    x = columns()
    made = embedding(x, n_bins=n_bins)
    theirs = of_package(made, oracle.compute_bins(x, n_bins=n_bins))
    for rows in (x, 5 * torch.randn(50, 4)):
        torch.testing.assert_close(made(rows), theirs(rows), rtol=1e-5, atol=1e-6)


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40), st.integers(1, 20))
def test_the_codes_are_full_bins_then_a_share_then_empty_ones(values, n_bins):
    x = torch.tensor(values)[:, None]
    made = embedding(x, n_bins=n_bins)
    codes = made.encode(x.t().unsqueeze(-1))[0]
    assert codes.isfinite().all()
    assert codes.min() >= -1e-3
    assert codes.max() <= 1 + 1e-3
    for row in codes:
        first_open = next((i for i, code in enumerate(row) if code < 1 - 1e-3), n_bins)
        assert (row[first_open + 1 :] < 1e-3).all()


def test_a_constant_column_has_no_bin_and_its_linear_embedding():
    made = embedding(torch.full((20, 1), 3.0))
    x = torch.randn(5, 1)
    torch.testing.assert_close(made(x), made.linear(x))


def test_edges_that_rounding_cannot_tell_apart_are_one():
    made = embedding(torch.tensor([[0.0], [1e-42], [1.0], [1.0 + 1e-7]]).repeat(5, 1), n_bins=20)
    assert made.bins[0].max() <= 2
    assert made.bins.isfinite().sum() == made.bins.numel() - 2


def test_it_starts_as_the_linear_embedding():
    x = columns()
    made = PiecewiseLinear(4, d=3, n_bins=8)
    made.initialise(x)
    torch.testing.assert_close(made(x), made.linear(x))
    torch.testing.assert_close(made.linear(x), x[:, :, None] * made.linear.weight + made.linear.bias)


def test_new_rows_replace_the_bins_of_old_ones():
    made = embedding(columns())
    made.initialise(torch.zeros(20, 4))
    assert made.bins.count_nonzero() == 0


def test_the_bins_are_part_of_the_state_and_of_shapes_known_before_the_rows():
    x = columns()
    made = embedding(x)
    loaded = PiecewiseLinear(4, d=6, n_bins=8)
    loaded.load_state_dict(made.state_dict())
    assert torch.equal(loaded(x), made(x))


def test_a_linear_embedding_starts_within_the_root_of_its_size():
    made = LinearEmbedding(200, 16)
    for p in made.parameters():
        assert p.abs().max() <= 0.25
        assert p.std().item() == pytest.approx(0.25 / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize("sizes", [{"d": 0, "n_bins": 4}, {"d": 4, "n_bins": 0}])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        PiecewiseLinear(2, **sizes)
