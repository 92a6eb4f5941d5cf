"""Networks: torch modules from encoded rows to outputs."""

from __future__ import annotations

from raytabdl.component import Network
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.networks.realmlp import RealMLP
from raytabdl.networks.resnet import ShapedResNet

NETWORKS: tuple[type[Network], ...] = (ShapedMLP, ShapedResNet, RealMLP)

__all__ = ["NETWORKS", "RealMLP", "ShapedMLP", "ShapedResNet"]
