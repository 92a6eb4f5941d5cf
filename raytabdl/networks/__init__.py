"""Networks: torch modules from encoded rows to outputs."""

from __future__ import annotations

from raytabdl.component import Network
from raytabdl.networks.ft_transformer import FTTransformer
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.networks.plain_mlp import PlainMLP
from raytabdl.networks.plain_resnet import PlainResNet
from raytabdl.networks.realmlp import RealMLP
from raytabdl.networks.resnet import ShapedResNet
from raytabdl.networks.tabm import TabM

NETWORKS: tuple[type[Network], ...] = (ShapedMLP, ShapedResNet, RealMLP)
ALL_NETWORKS: tuple[type[Network], ...] = (*NETWORKS, TabM, FTTransformer, PlainMLP, PlainResNet)

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
]
