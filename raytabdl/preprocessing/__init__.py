"""Steps between the encoded rows and a network, each fitted on the training part only."""

from raytabdl.preprocessing.imputation import MissingIndicator
from raytabdl.preprocessing.scaling import QuantileScaler, RobustScaler, StandardScaler

SCALERS: tuple[type[StandardScaler] | type[RobustScaler] | type[QuantileScaler], ...] = (
    RobustScaler,
    QuantileScaler,
    StandardScaler,
)

__all__ = ["SCALERS", "MissingIndicator", "QuantileScaler", "RobustScaler", "StandardScaler"]
