from __future__ import annotations

import pytest
import torch
from torch import nn

from raytabdl.networks import PlainMLP, PlainResNet
from raytabdl.networks.dropout import Dropout
from raytabdl.networks.numeric import MAX_EMBEDDED, numeric_embedding


def linear_widths(network):
    return [module.out_features for module in network.modules() if isinstance(module, nn.Linear)]


def rates(network):
    return [module.rate for module in network.modules() if isinstance(module, Dropout)]


def test_each_layer_of_the_mlp_has_its_own_width_and_rate():
    settings = {"n_units_1": 30, "n_units_2": 70, "n_units_3": 20, "dropout_1": 0.4, "dropout_2": 0.0, "dropout_3": 0.2}
    network = PlainMLP(4, (), 3, n_layers=3, **settings)
    assert linear_widths(network) == [30, 70, 20, 3]
    assert rates(network) == [0.4, 0.2]


def test_each_group_of_the_resnet_has_its_own_width_depth_and_rate():
    settings = {"n_units_1": 30, "n_units_2": 70, "n_blocks_1": 2, "n_blocks_2": 1, "dropout_1": 0.4, "dropout_2": 0.2}
    network = PlainResNet(4, (), 3, n_groups=2, **settings)
    assert [block.branch[0].out_features for block in network.blocks] == [30, 30, 70]
    assert [block.shortcut is None for block in network.blocks] == [True, True, False]
    assert network.first.out_features == 30
    assert rates(network) == [0.4, 0.4, 0.2]


@pytest.mark.parametrize("numeric", ["pwl", "plr", "plr_lite", "pbld"])
def test_the_numbers_are_embedded_column_by_column(numeric):
    torch.manual_seed(0)
    network = PlainMLP(3, (5,), 2, numeric=numeric, d_numeric=5, n_units_1=8)
    assert network.hidden[0].in_features == 3 * 5 + 4
    assert PlainMLP(3, (5,), 2, numeric="none").hidden[0].in_features == 3 + 4


def test_the_bins_come_from_the_training_rows():
    network, x = PlainMLP(2, (), 2, numeric="pwl"), torch.randn(50, 2)
    network.initialise(x, torch.zeros(50, 0, dtype=torch.int64))
    codes = network.numbers.encode(x.t().unsqueeze(-1))
    assert codes.min() >= -1e-5
    assert codes.max() <= 1 + 1e-5
    assert (codes > 0).any(1).all()


def test_no_column_and_very_many_have_no_embedding():
    settings = {"numeric": "pwl", "d_numeric": 3, "n_bins": 4, "sigma": 0.1}
    assert numeric_embedding(0, **settings) is None
    assert numeric_embedding(MAX_EMBEDDED + 1, **settings) is None
    assert numeric_embedding(MAX_EMBEDDED, **settings) is not None
    with pytest.raises(ValueError, match="none, pwl, plr, plr_lite, pbld, got numeric='quantile'"):
        numeric_embedding(2, **settings | {"numeric": "quantile"})


@pytest.mark.parametrize(("network", "size"), [(PlainMLP, "n_layers"), (PlainResNet, "n_groups")])
@pytest.mark.parametrize("n", [0, 6])
def test_a_depth_out_of_range_is_refused(network, size, n):
    with pytest.raises(ValueError, match=f"{size}={n}"):
        network(3, (), 1, **{size: n})
