"""Steps between the encoded rows and a network, each fitted on the training part only."""

from __future__ import annotations

from raytabdl.preprocessing.imputation import MissingIndicator
from raytabdl.preprocessing.scaling import QuantileScaler, RobustScaler, Scaler, StandardScaler

SCALERS: tuple[type[Scaler], ...] = (RobustScaler, QuantileScaler, StandardScaler)

__all__ = ["SCALERS", "MissingIndicator", "QuantileScaler", "RobustScaler", "Scaler", "StandardScaler"]
