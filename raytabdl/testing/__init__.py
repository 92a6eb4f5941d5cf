"""Contracts that the members of a family must keep, for the package's own and for a user's.

Each check raises ContractError, which says what must hold and what was seen, or SettingError where a space does not fit
its constructor.
"""

from __future__ import annotations

from raytabdl.testing.classic import check_classic
from raytabdl.testing.contract import ContractError
from raytabdl.testing.metric import check_metric
from raytabdl.testing.network import check_network
from raytabdl.testing.scaler import check_scaler
from raytabdl.testing.step import check_step
from raytabdl.testing.training import check_optimizer, check_schedule

__all__ = [
    "ContractError",
    "check_classic",
    "check_metric",
    "check_network",
    "check_optimizer",
    "check_scaler",
    "check_schedule",
    "check_step",
]
