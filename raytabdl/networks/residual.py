"""Groups of pre-activation residual blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from raytabdl.component import Choice, Real, Space, When
from raytabdl.networks.activations import ACTIVATIONS, activation_of
from raytabdl.networks.dropout import Dropout
from raytabdl.networks.initialisation import init_hidden
from raytabdl.networks.shake import shake_drop, shake_shake

_BRANCHES = ("one", "shake_shake", "shake_drop")

RESIDUAL: Space = {
    "activation": Choice(tuple(ACTIVATIONS), default="relu"),
    "batch_norm": Choice((True, False), default=True),
    "skip": Choice((True, False), default=True),
    "branches": Choice(_BRANCHES, default="one", when=When("skip", (True,))),
    "max_shake_drop": Real(0.0, 1.0, default=0.5, when=When("branches", ("shake_drop",))),
}


@dataclass(frozen=True)
class BlockForm:
    """What the blocks of a network have in common; ``max_shake_drop`` is the rate at the last of them."""

    activation: str = "relu"
    batch_norm: bool = True
    skip: bool = True
    branches: str = "one"
    max_shake_drop: float = 0.5

    def __post_init__(self) -> None:
        if self.branches not in _BRANCHES:
            raise ValueError(f"branches must be one of {', '.join(_BRANCHES)}, got {self.branches=}")
        if not 0 <= self.max_shake_drop <= 1:
            raise ValueError(f"a probability must be in [0, 1], got {self.max_shake_drop=}")

    def activate(self, d: int) -> nn.Sequential:
        norm = [nn.BatchNorm1d(d)] if self.batch_norm else []
        return nn.Sequential(*norm, activation_of(self.activation))


def residual_groups(
    d_groups: Sequence[int], n_blocks: Sequence[int], rates: Sequence[float], form: BlockForm
) -> nn.Sequential:
    """The blocks of all groups: ``n_blocks`` and dropout ``rates`` of each, ``d_groups`` with the width before them.

    The probability that shake-drop keeps a branch falls linearly with depth.
    """
    sizes = [
        (d_before if i == 0 else d, d, rate)
        for (d_before, d), n, rate in zip(pairwise(d_groups), n_blocks, rates, strict=True)
        for i in range(n)
    ]
    return nn.Sequential(
        *(
            ResidualBlock(*size, form, p_kept=1 - form.max_shake_drop * i / len(sizes))
            for i, size in enumerate(sizes, start=1)
        )
    )


class ResidualBlock(nn.Module):
    """x + Linear(Dropout(relu(BN(Linear(relu(BN(x))))))); with a new width, the shortcut is Linear(relu(BN(x))).

    The form may take away x or the norm, exchange relu, and give two branches (shake-shake) or one that is kept with
    probability ``p_kept`` (shake-drop).
    """

    def __init__(self, d_in: int, d_out: int, dropout: float, form: BlockForm, p_kept: float = 1.0) -> None:
        super().__init__()
        self.activate = form.activate(d_in)
        self.branch = _branch(d_in, d_out, dropout, form)
        needs_shortcut = form.skip and d_in != d_out
        self.shortcut = init_hidden(nn.Linear(d_in, d_out), form.activation) if needs_shortcut else None
        self.second = _branch(d_in, d_out, dropout, form) if form.branches == "shake_shake" else None
        self._skip = form.skip
        self._p_kept = p_kept if form.branches == "shake_drop" else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, d_in) to (batch, d_out)."""
        activated = self.activate(x)
        branch: Tensor = self.branch(activated)
        if not self._skip:
            return branch
        if self.second is not None:
            branch = shake_shake(branch, self.second(activated), self.training)
        if self._p_kept < 1:
            branch = shake_drop(branch, self._p_kept, self.training)
        return branch + (x if self.shortcut is None else self.shortcut(activated))


def _branch(d_in: int, d_out: int, dropout: float, form: BlockForm) -> nn.Sequential:
    return nn.Sequential(
        init_hidden(nn.Linear(d_in, d_out, bias=not form.batch_norm), form.activation),
        *form.activate(d_out),
        *([Dropout(dropout)] if dropout > 0 else []),
        init_hidden(nn.Linear(d_out, d_out), form.activation),
    )
