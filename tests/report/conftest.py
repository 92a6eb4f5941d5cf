"""Two runs of a second, without Ray, whose folders the tests read; the names in them are hostile."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raytabdl import TabularClassifier, TabularRegressor
from raytabdl.history import Change, Result, Seconds, Status, Trial
from raytabdl.run_folder import RunFolder

SCRIPT = "<script>alert('x')</script>"
"""The name of the column that decides."""

TARGET = '"><img src=x onerror=alert(1)>'
CLASSES = ("<b>no</b>", "yes & {{ 7 * 7 }}")
REASON = "ValueError: <svg onload=alert(2)> & more"


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> TabularClassifier:
    """A column decides, one is noise with gaps, one is constant; a trial of the search has failed, and another not."""
    rng = np.random.default_rng(0)
    deciding = rng.normal(size=400)
    X = pd.DataFrame({SCRIPT: deciding, "noise": rng.choice(["a", "b"], size=400), "constant": 1.0})
    X.loc[:99, "noise"] = None
    y = pd.Series(np.where(deciding + 0.3 * rng.normal(size=400) > 0, *CLASSES[::-1]), name=TARGET)
    clf = TabularClassifier(time_limit=1.5, run_folder=tmp_path_factory.mktemp("report") / "run").fit(X, y)
    history = clf.folder_.history()
    history.append(Trial("0000", {"model": "mlp"}, "portfolio", 0, 0))
    history.append(Change("0000", Status.FAILED, 1.0, f"Traceback\n{REASON}"))
    history.append(Trial("0001", {"model": "mlp"}, "portfolio", 0, 0))
    history.append(Result("0001", 1, 0.9, 0.9, {"log_loss": 0.9, "roc_auc": 0.5, "accuracy": 0.5}, Seconds(), 1.1))
    history.append(Change("0001", Status.STOPPED, 1.2))
    history.append(Trial("0001.1", {"model": "mlp"}, "bag", -1, 0, fold=1))
    history.append(Change("0001.1", Status.STOPPED, 1.3))
    clf.folder_.finish()  # the hashes are those of the changed history
    return clf


@pytest.fixture(scope="session")
def folder(classifier: TabularClassifier) -> RunFolder:
    return classifier.folder_


@pytest.fixture(scope="session")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> TabularRegressor:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = 3 * X[:, 0] + rng.normal(size=300)
    folder = tmp_path_factory.mktemp("report") / "regression"
    return TabularRegressor(time_limit=1.0, metric="r2", run_folder=folder).fit(X, y)
