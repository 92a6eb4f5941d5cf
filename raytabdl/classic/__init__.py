"""Classic models, trained in iterations: trials of the same search as the networks."""

from __future__ import annotations

from raytabdl.classic.catboost import CatBoost
from raytabdl.classic.forests import ExtraTrees, RandomForest
from raytabdl.classic.lightgbm import LightGBM
from raytabdl.classic.linear import Linear
from raytabdl.classic.neighbours import NearestNeighbours
from raytabdl.classic.svm import SVM
from raytabdl.component import Classic

CLASSIC: tuple[type[Classic], ...] = (CatBoost, LightGBM, RandomForest, ExtraTrees)
ALL_CLASSIC: tuple[type[Classic], ...] = (*CLASSIC, NearestNeighbours, SVM, Linear)
"""With those that only the full preset searches. The baseline, which has nothing to search, is in neither."""

__all__ = [
    "ALL_CLASSIC",
    "CLASSIC",
    "SVM",
    "CatBoost",
    "ExtraTrees",
    "LightGBM",
    "Linear",
    "NearestNeighbours",
    "RandomForest",
]
