"""When a training ends before its horizon."""

from __future__ import annotations

from typing import ClassVar

from raytabdl.component import Component, Integer, Space


class Stopping(Component):
    """Never."""

    name: ClassVar[str] = "none"

    def ends(self, n_epochs: int, best_epoch: int) -> bool:
        """Whether to end after ``n_epochs``, of which ``best_epoch`` had the least loss on the validation rows."""
        return False


class Patience(Stopping):
    """After so many epochs without a lower loss (Prechelt, 1998, "Early Stopping - But When?")."""

    name: ClassVar[str] = "patience"
    space: ClassVar[Space] = {"n_epochs": Integer(5, 50, default=20, log=True)}

    def __init__(self, *, n_epochs: int = 20) -> None:
        self.n_epochs = n_epochs

    def ends(self, n_epochs: int, best_epoch: int) -> bool:
        return n_epochs - best_epoch >= self.n_epochs
