"""Steps between the encoded rows and a network, each fitted on the training part only."""

from __future__ import annotations

from collections.abc import Mapping

from raytabdl.component import Component
from raytabdl.preprocessing.cache import FoldCache
from raytabdl.preprocessing.categorical import AllLevels, CategoryPairs, MergeRare
from raytabdl.preprocessing.chain import DEFAULTS, Chosen, Preprocessing
from raytabdl.preprocessing.clustering import FeatureAgglomeration
from raytabdl.preprocessing.encode import Codes, Encoder, OneHot, Ordinal, TargetEncoding
from raytabdl.preprocessing.features import Arithmetic, PolynomialFeatures
from raytabdl.preprocessing.imputation import (
    ConstantImputer,
    MeanImputer,
    MedianImputer,
    MissingIndicator,
    MostFrequentImputer,
    ZeroImputer,
)
from raytabdl.preprocessing.kernels import KernelPCA, Nystroem, RandomKitchenSinks
from raytabdl.preprocessing.plain_scaling import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    NoScaler,
    PowerScaler,
    QuantileRangeScaler,
)
from raytabdl.preprocessing.reduction import PCA, FastICA, Keep, TruncatedSVD
from raytabdl.preprocessing.resampling import (
    SMOTE,
    NoResampling,
    OverUnderSampler,
    RandomOverSampler,
    RandomUnderSampler,
    Resampler,
)
from raytabdl.preprocessing.scaling import QuantileScaler, RobustScaler, Scaler, StandardScaler
from raytabdl.preprocessing.selection import (
    SelectByLinearModel,
    SelectByTrees,
    SelectPercentile,
    SelectRates,
    VarianceThreshold,
)
from raytabdl.preprocessing.step import Step
from raytabdl.preprocessing.trees import RandomTreesEmbedding

SCALERS: tuple[type[Scaler], ...] = (RobustScaler, QuantileScaler, StandardScaler)
"""Those that networks choose from unless told otherwise; of the other families they have the first member."""

ALL_SCALERS: tuple[type[Scaler], ...] = (
    *SCALERS,
    NoScaler,
    MinMaxScaler,
    MaxAbsScaler,
    Normalizer,
    PowerScaler,
    QuantileRangeScaler,
)
LEVELS: tuple[type[Step], ...] = (AllLevels, MergeRare)
ENCODERS: tuple[type[Encoder], ...] = (Codes, OneHot, Ordinal, TargetEncoding)
IMPUTERS: tuple[type[Step], ...] = (ZeroImputer, MeanImputer, MedianImputer, MostFrequentImputer, ConstantImputer)
FEATURES: tuple[type[Step], ...] = (
    Keep,
    VarianceThreshold,
    TruncatedSVD,
    PCA,
    FastICA,
    KernelPCA,
    Nystroem,
    RandomKitchenSinks,
    FeatureAgglomeration,
    RandomTreesEmbedding,
    PolynomialFeatures,
    Arithmetic,
    CategoryPairs,
    SelectByTrees,
    SelectByLinearModel,
    SelectPercentile,
    SelectRates,
)
RESAMPLERS: tuple[type[Resampler], ...] = (
    NoResampling,
    RandomOverSampler,
    SMOTE,
    RandomUnderSampler,
    OverUnderSampler,
)

FAMILIES: Mapping[str, tuple[type[Component], ...]] = {
    "levels": LEVELS,
    "encoder": ENCODERS,
    "scaler": ALL_SCALERS,
    "imputer": IMPUTERS,
    "features": FEATURES,
    "resampler": RESAMPLERS,
}
"""All members by the name that the family has in a configuration, in the order in which they are applied."""

__all__ = [
    "ALL_SCALERS",
    "DEFAULTS",
    "ENCODERS",
    "FAMILIES",
    "FEATURES",
    "IMPUTERS",
    "LEVELS",
    "PCA",
    "RESAMPLERS",
    "SCALERS",
    "SMOTE",
    "AllLevels",
    "Arithmetic",
    "CategoryPairs",
    "Chosen",
    "Codes",
    "ConstantImputer",
    "Encoder",
    "FastICA",
    "FeatureAgglomeration",
    "FoldCache",
    "Keep",
    "KernelPCA",
    "MaxAbsScaler",
    "MeanImputer",
    "MedianImputer",
    "MergeRare",
    "MinMaxScaler",
    "MissingIndicator",
    "MostFrequentImputer",
    "NoResampling",
    "NoScaler",
    "Normalizer",
    "Nystroem",
    "OneHot",
    "Ordinal",
    "OverUnderSampler",
    "PolynomialFeatures",
    "PowerScaler",
    "Preprocessing",
    "QuantileRangeScaler",
    "QuantileScaler",
    "RandomKitchenSinks",
    "RandomOverSampler",
    "RandomTreesEmbedding",
    "RandomUnderSampler",
    "Resampler",
    "RobustScaler",
    "Scaler",
    "SelectByLinearModel",
    "SelectByTrees",
    "SelectPercentile",
    "SelectRates",
    "StandardScaler",
    "Step",
    "TargetEncoding",
    "TruncatedSVD",
    "VarianceThreshold",
    "ZeroImputer",
]
