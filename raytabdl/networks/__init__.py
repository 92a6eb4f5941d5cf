"""Networks: torch modules from encoded rows to outputs."""

from __future__ import annotations

from torch import nn

from raytabdl.component import Network
from raytabdl.networks.ft_transformer import FTTransformer
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.networks.plain_mlp import PlainMLP
from raytabdl.networks.plain_resnet import PlainResNet
from raytabdl.networks.realmlp import RealMLP
from raytabdl.networks.resnet import ShapedResNet
from raytabdl.networks.tabm import TabM

NETWORKS: tuple[type[Network], ...] = (ShapedMLP, ShapedResNet, RealMLP, TabM)
ALL_NETWORKS: tuple[type[Network], ...] = (*NETWORKS, FTTransformer, PlainMLP, PlainResNet)


def n_parameters(network: nn.Module) -> int:
    """The number of values that training changes."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


__all__ = [
    "ALL_NETWORKS",
    "NETWORKS",
    "FTTransformer",
    "PlainMLP",
    "PlainResNet",
    "RealMLP",
    "ShapedMLP",
    "ShapedResNet",
    "TabM",
    "n_parameters",
]
