"""The networks that have a reference, and the settings that both are trained with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import rtdl_revisiting_models as rtdl
import torch
from torch import Tensor, nn

from raytabdl.component import Network
from raytabdl.inputs import Target
from raytabdl.networks import FTTransformer, PlainResNet, RealMLP, TabM
from raytabdl.preprocessing import Chosen, Codes, OneHot, QuantileScaler, RobustScaler
from raytabdl.training import AdamW, Constant, Coslog, Optimizer, Schedule
from raytabdl.training.loop import TrainingData
from raytabdl.training.losses import Loss


@dataclass(frozen=True)
class Model:
    """A network of ours with all that its training needs."""

    network: type[Network]
    arguments: Mapping[str, Any]
    steps: Mapping[str, Chosen]
    optimizer: Optimizer
    schedule: Schedule
    n_epochs: int
    batch_size: int


@dataclass(frozen=True)
class PytabkitReference:
    """An estimator of pytabkit by its name without the ending, with constructor arguments."""

    estimator: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class RtdlReference:
    """A network of rtdl_revisiting_models, made from the numbers, the cardinalities and the outputs.

    It is trained by the usual loop, on the rows as our preprocessing makes them.
    """

    build: Callable[[int, tuple[int, ...], int], nn.Module]


@dataclass(frozen=True)
class Pair:
    """A model and its reference."""

    model: Model
    reference: PytabkitReference | RtdlReference


def pairs(target: Target) -> dict[str, Pair]:
    """All pairs by the name of the network, for a kind of target."""
    return {"realmlp": _realmlp(target), "tabm": _tabm(), "resnet": _resnet(), "ft_transformer": _ft_transformer()}


def _realmlp(target: Target) -> Pair:
    """The tuned defaults of RealMLP-TD, but for half of the epochs and without label smoothing, bad for log loss."""
    is_classification = target.task_type.is_classification
    lr, activation = (0.04, "selu") if is_classification else (0.2, "mish")
    model = Model(
        RealMLP,
        {"activation": activation},
        {"scaler": Chosen(RobustScaler, {}), "encoder": Chosen(Codes, {})},
        AdamW(lr=lr, weight_decay=0.02, beta2=0.95, decay_schedule="flat_cosine"),
        Coslog(),
        n_epochs=128,
        batch_size=256,
    )
    no_smoothing = {"use_ls": False} if is_classification else {}
    return Pair(model, PytabkitReference("RealMLP_TD", {"n_epochs": 128, "batch_size": 256, **no_smoothing}))


def _tabm() -> Pair:
    """TabM_D, smaller, with embeddings, and batches that the members share, as ours always do."""
    model = Model(
        TabM,
        {"variant": "tabm", "k": 16, "n_blocks": 2, "d_block": 128, "dropout": 0.1, "n_bins": 32, "d_embedding": 12},
        {"scaler": Chosen(QuantileScaler, {}), "encoder": Chosen(Codes, {})},
        AdamW(lr=2e-3, weight_decay=3e-4, beta2=0.999),
        Constant(),
        n_epochs=40,
        batch_size=128,
    )
    theirs = {
        "tabm_k": 16,
        "n_blocks": 2,
        "d_block": 128,
        "dropout": 0.1,
        "num_emb_type": "pwl",
        "num_emb_n_bins": 32,
        "d_embedding": 12,
        "lr": 2e-3,
        "weight_decay": 3e-4,
        "gradient_clipping_norm": 1.0,
        "share_training_batches": True,
        "n_epochs": 40,
        "patience": 40,
        "batch_size": 128,
    }
    return Pair(model, PytabkitReference("TabM_D", theirs))


def _resnet() -> Pair:
    """Ours has a batch norm more in each block, before the second layer (Auto-PyTorch's pre-activation form)."""
    model = Model(
        PlainResNet,
        {"n_groups": 1, "n_units_1": 128, "n_blocks_1": 2, "dropout_1": 0.15},
        {"scaler": Chosen(QuantileScaler, {}), "encoder": Chosen(OneHot, {})},
        AdamW(lr=1e-3, weight_decay=1e-5, beta2=0.999),
        Constant(),
        n_epochs=40,
        batch_size=128,
    )

    def build(d_num: int, cardinalities: tuple[int, ...], d_out: int) -> nn.Module:
        return _OneTable(
            rtdl.ResNet(
                d_in=d_num,
                d_out=d_out,
                n_blocks=2,
                d_block=128,
                d_hidden_multiplier=1.0,
                dropout1=0.15,
                dropout2=0.0,
            )
        )

    return Pair(model, RtdlReference(build))


def _ft_transformer() -> Pair:
    model = Model(
        FTTransformer,
        {"n_blocks": 2, "d_token": 64, "attention_dropout": 0.15, "ffn_dropout": 0.05, "ffn_factor": 4 / 3},
        {"scaler": Chosen(QuantileScaler, {}), "encoder": Chosen(Codes, {})},
        AdamW(lr=5e-4, weight_decay=1e-5, beta2=0.999),
        Constant(),
        n_epochs=25,
        batch_size=128,
    )

    def build(d_num: int, cardinalities: tuple[int, ...], d_out: int) -> nn.Module:
        return _Tokens(
            rtdl.FTTransformer(
                n_cont_features=d_num,
                cat_cardinalities=list(cardinalities),
                d_out=d_out,
                n_blocks=2,
                d_block=64,
                attention_n_heads=8,
                attention_dropout=0.15,
                ffn_d_hidden_multiplier=4 / 3,
                ffn_dropout=0.05,
                residual_dropout=0.0,
            )
        )

    return Pair(model, RtdlReference(build))


class _OneTable(nn.Module):
    """A network of numbers alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        output: Tensor = self.network(x_num)
        return output


class _Tokens(_OneTable):
    """A network that is handed None for what there is not."""

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        output: Tensor = self.network(x_num if x_num.shape[1] else None, x_cat if x_cat.shape[1] else None)
        return output


def usual_epochs(network: nn.Module, data: TrainingData, model: Model, loss: Loss, lr: float) -> Iterator[None]:
    """The loop that most write: a new order of the rows each epoch, AdamW, gradients clipped at a norm of 1."""
    inner = network.network
    groups = inner.make_parameter_groups() if isinstance(inner, rtdl.FTTransformer) else network.parameters()
    optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=model.optimizer.weight_decay)
    for _ in range(model.n_epochs):
        network.train()
        for rows in torch.randperm(len(data)).split(model.batch_size):
            optimizer.zero_grad()
            loss(network(data.x_num[rows], data.x_cat[rows]), data.y[rows]).mean().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        yield
