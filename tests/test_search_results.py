"""All that a run has measured, from its records alone."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from raytabdl.history import BAG, Change, Result, Seconds, Status, Trial
from raytabdl.inputs import Target, TaskType
from raytabdl.persistence import write_json
from raytabdl.run_folder import RunFolder, write_labels
from raytabdl.search_results import search_results

NETWORK = {"model": "mlp", "network.mlp.n_layers": 3, "network.mlp.use_dropout": True, "network.mlp.shape": "funnel"}
FOREST = {"model": "random_forest", "classic.random_forest.max_features": 0.5}
RECORDS = [
    Trial("0000", NETWORK, "portfolio", 0, 1),
    Trial("0001", {**NETWORK, "network.mlp.n_layers": 1}, "model", 0, 2),
    Trial("0002", FOREST, "random", 0, 3),
    Result("0000", 1, 0.7, 0.6, {"log_loss": 0.6, "f1": 0.5}, Seconds(1.0, 0.5), 4.0, "0000@1", 99),
    Change("0001", Status.FAILED, 5.0, "Traceback ...\nFloatingPointError: the loss must stay finite"),
    Result("0002", 1, 0.4, 0.3, {"log_loss": 0.3, "f1": math.nan}, Seconds(2.0), 6.0, "0002@1"),
    Result("0000", 3, 0.5, 0.4, {"log_loss": 0.4, "f1": 0.8}, Seconds(3.0), 9.0, "0000@3", 99),
    Trial("0000.2", NETWORK, BAG, -1, 4, fold=2),
    Result("0000.2", 3, 0.6, 0.5, {"log_loss": 0.5, "f1": 0.7}, Seconds(4.0), 12.0, "0000.2@3", 99),
]


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    write_json(folder.run_json, {"settings": {"metric": None}})
    write_labels(folder.path / "labels.json", np.array(["no", "yes"]), Target(TaskType.BINARY, 2))
    return folder


@pytest.fixture
def table(folder):
    history = folder.history()
    for record in RECORDS:
        history.append(record)
    return search_results(folder)


def test_there_is_a_row_for_each_result_and_one_for_a_trial_that_failed(table):
    keys = list(table[["trial", "fold", "budget"]].itertuples(index=False, name=None))
    assert keys[:4] == [("0000", 0, 1), ("0002", 0, 1), ("0000", 0, 3), ("0000", 2, 3)]
    failed = table.iloc[4]
    assert (failed["trial"], failed["status"]) == ("0001", "failed")
    assert failed["failure"] == "FloatingPointError: the loss must stay finite"
    assert failed[["budget", "rung_loss", "loss", "log_loss", "seconds", "time", "n_parameters"]].isna().all()
    assert len(table) == 5


def test_a_row_has_the_losses_the_scores_and_the_costs_of_its_result(table):
    assert table["loss"].tolist()[:4] == [0.6, 0.3, 0.4, 0.5]
    assert table["rung_loss"].tolist()[:4] == [0.7, 0.4, 0.5, 0.6]
    assert table["f1"].tolist()[:4] == pytest.approx([0.5, math.nan, 0.8, 0.7], nan_ok=True)
    assert table["seconds"].tolist()[:4] == [1.5, 2.0, 3.0, 4.0]
    assert table["time"].tolist()[:4] == [4.0, 6.0, 9.0, 12.0]
    assert table["n_parameters"].tolist()[:4] == [99, pd.NA, 99, 99]
    assert table.attrs["metric"] == "log_loss"


def test_each_hyperparameter_has_a_column_of_its_type_missing_where_it_is_not_active(table):
    """Integers and booleans stay what they are, also beside rows that have none."""
    names = [*NETWORK, *FOREST]
    assert list(table.columns[-4:]) == [name for name in names if name != "model"]
    assert table["network.mlp.n_layers"].tolist() == [3, pd.NA, 3, 3, 1]
    assert table["network.mlp.n_layers"].dtype == "Int64"
    assert table["network.mlp.use_dropout"].dtype == "boolean"
    assert table["classic.random_forest.max_features"].tolist() == pytest.approx(
        [math.nan, 0.5, math.nan, math.nan, math.nan], nan_ok=True
    )
    shapes = table["network.mlp.shape"]
    assert shapes.dropna().unique().tolist() == ["funnel"]
    assert shapes.isna().tolist() == [False, True, False, False, False]


def test_a_run_without_a_trial_has_no_rows(folder):
    assert len(search_results(folder)) == 0
