"""Who is compared: each system with its virtual environment and its adapter."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ADAPTERS = Path(__file__).parent / "adapters"

_TORCH = "torch==2.13.0"


@dataclass(frozen=True)
class Environment:
    """A virtual environment: the Python it needs, and the arguments of one ``pip install`` after the other.

    Old systems are pinned to releases of their time: their own bounds let newer ones in, which they fail with.
    """

    name: str
    python: str
    installs: tuple[str, ...]
    removed: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()
    """Packages that Debian and Ubuntu have what it needs in, beside Python."""

    @property
    def interpreter(self) -> Path:
        """Its Python, below the folder named by RAYTABDL_PEERS (``.peers`` by default)."""
        return Path(os.environ.get("RAYTABDL_PEERS", ".peers")).absolute() / self.name / "bin" / "python"


@dataclass(frozen=True)
class System:
    """A system as it is used here; without an environment it runs in raytabdl's own."""

    name: str
    adapter: str
    distributions: tuple[str, ...]
    environment: Environment | None
    options: Mapping[str, Any] = field(default_factory=dict)
    is_deterministic: bool = False

    @property
    def interpreter(self) -> Path:
        return Path(sys.executable) if self.environment is None else self.environment.interpreter


BASELINES = Environment("baselines", "3.11", ("scikit-learn pandas lightgbm catboost",))
AUTOGLUON = Environment(
    "autogluon",
    "3.11",
    (_TORCH, f"autogluon.tabular[lightgbm,catboost,xgboost,fastai,tabm,realmlp,ray]==1.6.3 {_TORCH}"),
    removed=("torchvision",),  # the build that comes with it fails beside a CPU torch, and takes RealMLP with it
)
FLAML = Environment("flaml", "3.11", ("flaml[automl,catboost]==2.7.0",))
H2O = Environment("h2o", "3.11", ("h2o==3.46.0.12 pandas scikit-learn polars",), debian=("default-jre-headless",))
LIGHTAUTOML = Environment("lightautoml", "3.11", (_TORCH, f"lightautoml==0.4.2 {_TORCH}"))
PYTABKIT = Environment("pytabkit", "3.11", (_TORCH, f"pytabkit[models,hpo]==1.7.3 {_TORCH}"))
AUTOSKLEARN = Environment(
    "autosklearn",
    "3.8",
    (
        "setuptools<60 wheel<0.40 numpy==1.22.4 Cython<3",
        "--no-build-isolation ConfigSpace==0.4.21",
        "--no-build-isolation pyrfr==0.8.3",
        "--no-build-isolation scipy==1.8.1 pandas==1.4.4 numpy==1.22.4 scikit-learn==0.24.2 dask==2022.7.1 "
        "distributed==2022.7.1 smac==1.2 pynisher==0.6.4 auto-sklearn==0.15.0",
    ),
    debian=("swig", "build-essential"),
)
AUTOPYTORCH = Environment(
    "autopytorch",
    "3.8",
    (
        "setuptools<60 wheel<0.40 numpy==1.22.4 Cython<3",
        "torch==1.12.1 torchvision==0.13.1",
        "--no-build-isolation ConfigSpace==0.5.0",
        "--no-build-isolation pyrfr==0.8.3",
        "autopytorch==0.2.1 ConfigSpace==0.5.0 pynisher==0.6.4 smac==1.4.0 numpy==1.22.4 pandas==1.4.4 scipy==1.8.1 "
        "dask==2022.7.1 distributed==2022.7.1 catboost==1.0.6 lightgbm==3.3.2 protobuf<3.21 torch==1.12.1 "
        "torchvision==0.13.1 opencv-python<4.7 tensorboard<2.11",
    ),
    debian=("swig", "build-essential"),
)
ENVIRONMENTS = (BASELINES, AUTOGLUON, FLAML, H2O, LIGHTAUTOML, PYTABKIT, AUTOSKLEARN, AUTOPYTORCH)

_SEQUENTIAL = {
    "presets": "best_quality",
    "dynamic_stacking": False,
    "ag_args_ensemble": {"fold_fitting_strategy": "sequential_local"},
}
"""Not AutoGluon's default, and the stronger form of it on few cores: Ray's workers cost most of a short limit."""

_SYSTEMS = (
    System("raytabdl", "raytabdl_estimator.py", ("raytabdl",), None),
    System("hgb", "baselines.py", ("scikit-learn",), BASELINES, {"model": "hgb"}, is_deterministic=True),
    System("catboost", "baselines.py", ("catboost",), BASELINES, {"model": "catboost"}, is_deterministic=True),
    System("lightgbm", "baselines.py", ("lightgbm",), BASELINES, {"model": "lightgbm"}, is_deterministic=True),
    System("dummy", "baselines.py", ("scikit-learn",), BASELINES, {"model": "dummy"}, is_deterministic=True),
    System(
        "autogluon-medium", "autogluon_tabular.py", ("autogluon.tabular",), AUTOGLUON, {"presets": "medium_quality"}
    ),
    System("autogluon-best", "autogluon_tabular.py", ("autogluon.tabular",), AUTOGLUON, {"presets": "best_quality"}),
    System("autogluon-best-sequential", "autogluon_tabular.py", ("autogluon.tabular",), AUTOGLUON, _SEQUENTIAL),
    System("flaml", "flaml_automl.py", ("flaml",), FLAML),
    System("h2o", "h2o_automl.py", ("h2o",), H2O),
    System("lightautoml", "lightautoml_tabular.py", ("lightautoml",), LIGHTAUTOML),
    System("autosklearn", "autosklearn_automl.py", ("auto-sklearn",), AUTOSKLEARN),
    System("autopytorch", "autopytorch_tabular.py", ("autopytorch",), AUTOPYTORCH, {"portfolio_selection": "greedy"}),
    System("realmlp", "pytabkit_models.py", ("pytabkit",), PYTABKIT, {"model": "RealMLP_TD"}),
    System("tabm", "pytabkit_models.py", ("pytabkit",), PYTABKIT, {"model": "TabM_D"}),
)
SYSTEMS: Mapping[str, System] = {system.name: system for system in _SYSTEMS}
OURS = "raytabdl"
SCALE = "dummy"
"""Marks the lower end of normalised scores, and is no competitor."""
