from __future__ import annotations

import pytest
import torch
from torch import nn

from raytabdl.networks import ShapedResNet
from raytabdl.networks.dropout import Dropout

NO_CODES = torch.zeros(16, 0, dtype=torch.int64)


def test_the_widths_follow_the_shape_over_first_layer_groups_and_output():
    network = ShapedResNet(20, (), 3, n_groups=2, blocks_per_group=2, max_units=100, shape="funnel")
    widths = [block.branch[0].out_features for block in network.blocks]
    assert [network.first.out_features, *widths, network.output.out_features] == [100, 68, 68, 36, 36, 3]


def test_dropout_rates_differ_by_group_and_act():
    network = ShapedResNet(20, (), 3, n_groups=3, blocks_per_group=2, shape="funnel", max_dropout=0.6)
    rates = [m.rate for m in network.modules() if isinstance(m, Dropout)]
    assert rates == pytest.approx([0.6, 0.6, 0.4002, 0.4002, 0.2004, 0.2004])


def test_the_branch_still_depends_on_its_input_under_dropout():
    network = ShapedResNet(5, (), 1, n_groups=1, max_dropout=0.5)
    branch = network.blocks[0].branch
    assert branch(torch.randn(16, 128)).std(dim=0).min() > 0


def test_dropout_acts_in_training_and_not_in_evaluation():
    network, x = ShapedResNet(5, (), 1, max_dropout=0.5), torch.randn(16, 5)
    assert not torch.equal(network(x, NO_CODES), network(x, NO_CODES))
    network.eval()
    assert torch.equal(network(x, NO_CODES), network(x, NO_CODES))


def test_a_block_without_its_branch_is_the_identity():
    network = ShapedResNet(5, (), 1, n_groups=1)
    block = network.blocks[0]
    nn.init.zeros_(block.branch[-1].weight)
    x = torch.randn(16, 128)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("shape", ["brick", "diamond"])
@pytest.mark.parametrize(("d_num", "cardinalities"), [(3, ()), (0, (3, 20)), (3, (3, 20))])
def test_every_parameter_has_a_gradient_whatever_the_columns(d_num, cardinalities, shape):
    torch.manual_seed(0)
    network = ShapedResNet(d_num, cardinalities, 2, shape=shape, blocks_per_group=2)
    x_cat = torch.stack([torch.randint(1, c, (16,)) for c in cardinalities], 1) if cardinalities else NO_CODES
    network(torch.randn(16, d_num), x_cat)[:, 0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_a_network_without_a_block_is_refused():
    with pytest.raises(ValueError, match="n_groups=0"):
        ShapedResNet(3, (), 1, n_groups=0)


def test_a_dropout_rate_is_a_rate_and_no_switch():
    """Auto-PyTorch's paper branch gave blocks the switch as their rate: nn.Dropout(True) drops all."""
    torch.manual_seed(0)
    network, dropped = ShapedResNet(5, (), 1, n_groups=1, use_dropout=True, max_dropout=0.3), []
    (dropout,) = (m for m in network.modules() if isinstance(m, Dropout))
    dropout.register_forward_hook(lambda _, x, y: dropped.append((y[x[0] > 0] == 0).float().mean().item()))
    network(torch.randn(500, 5), torch.zeros(500, 0, dtype=torch.int64))
    assert dropped == [pytest.approx(0.3, abs=0.02)]


@pytest.mark.parametrize("branches", ["shake_shake", "shake_drop"])
def test_shaken_branches_are_random_in_training_and_their_mean_in_evaluation(branches):
    torch.manual_seed(0)
    network, x = (
        ShapedResNet(5, (), 1, n_groups=1, batch_norm=False, use_dropout=False, branches=branches),
        torch.randn(16, 5),
    )
    (block,) = network.blocks
    assert not torch.equal(network(x, NO_CODES), network(x, NO_CODES))
    x = torch.randn(16, 128)
    draws = torch.stack([block(x) for _ in range(2000)]).detach()
    evaluated = block.eval()(x)
    assert torch.equal(block(x), evaluated)
    error = draws.std(0) / 2000**0.5
    assert ((draws.mean(0) - evaluated).abs() < 5 * error + 1e-5).all()


def test_the_probability_to_keep_a_branch_falls_linearly_with_depth():
    network = ShapedResNet(5, (), 1, n_groups=2, blocks_per_group=2, branches="shake_drop", max_shake_drop=0.6)
    assert [block._p_kept for block in network.blocks] == pytest.approx([0.85, 0.7, 0.55, 0.4])


def test_without_skip_a_block_is_its_branch():
    network = ShapedResNet(5, (), 1, n_groups=1, skip=False, use_dropout=False)
    block, x = network.blocks[0], torch.randn(16, 128)
    torch.testing.assert_close(block(x), block.branch(block.activate(x)))


def test_without_batch_norm_rows_do_not_see_each_other_in_training():
    network = ShapedResNet(5, (), 1, batch_norm=False, use_dropout=False)
    assert not any(isinstance(m, nn.BatchNorm1d) for m in network.modules())
    x = torch.randn(16, 5)
    torch.testing.assert_close(network(x[:1], NO_CODES[:1]), network(x, NO_CODES)[:1])


@pytest.mark.parametrize("options", [{"branches": "two"}, {"max_shake_drop": 1.5}, {"activation": "swish"}])
def test_an_option_that_there_is_not_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ShapedResNet(3, (), 1, **options)
