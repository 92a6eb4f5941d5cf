"""The leaderboard of a folder, from its records alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from raytabdl.history import Change, Result, Seconds, Status, Trial
from raytabdl.inputs import Target, TaskType
from raytabdl.leaderboard import leaderboard
from raytabdl.persistence import write_json
from raytabdl.run_folder import RunFolder, write_labels


def folder_of(path, *records):
    folder = RunFolder(path / "run")
    folder.create()
    write_json(folder.run_json, {"settings": {"metric": None}})
    write_labels(folder.path / "labels.json", np.array(["no", "yes"]), Target(TaskType.BINARY, 2))
    history = folder.history()
    for record in records:
        history.append(record)
    return folder


def result(trial_id, budget, loss, n_parameters=None):
    return Result(trial_id, budget, loss, loss, {"log_loss": loss}, Seconds(1.0), 1.0, "x@1", n_parameters)


def test_the_parameters_of_networks_are_counted_and_those_of_classic_models_are_missing(tmp_path):
    board = leaderboard(
        folder_of(
            tmp_path,
            Trial("0000", {"model": "mlp"}, "portfolio", 0, 1),
            Trial("0001", {"model": "catboost"}, "portfolio", 0, 1),
            result("0001", 27, 0.5),
            result("0000", 9, 0.3, n_parameters=4321),
            Change("0001", Status.COMPLETED, 2.0),
        )
    )
    assert board["model"].tolist() == ["mlp", "catboost"]
    assert board["n_parameters"].tolist() == [4321, pd.NA]
    assert board["status"].tolist() == ["running", "completed"]


def test_a_folder_without_results_has_an_empty_leaderboard(tmp_path):
    assert len(leaderboard(folder_of(tmp_path))) == 0
