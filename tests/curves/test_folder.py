from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from raytabdl.curves import CurveFolder, LCBench, LearningCurve, write_lcbench
from raytabdl.curves.folder import LINES, to_line
from raytabdl.curves.tasks import SPACE
from raytabdl.curves.words import final_results, joined, lcbench_config
from raytabdl.exceptions import CurvesError
from raytabdl.presets import small
from raytabdl.space import configuration_space

RECORDS = [
    {"epoch": 0.0, "Train/val_accuracy": 50.0, "Train/test_result": 40.0},
    {"epoch": 1.0, "Train/val_accuracy": 60.0, "Train/test_result": 45.0, "Train/lr": 0.123456789},
]


def curve(n_values: int = 2) -> LearningCurve:
    log = joined(RECORDS, n_values)
    return LearningCurve({"num_layers": 1}, log, {"seed": 3, **final_results(log)})


def write(folder: Path, *lines: dict[str, object], end: str = "") -> None:
    (folder / LINES).write_text("".join(json.dumps(line) + "\n" for line in lines) + end)


def test_curves_are_in_the_order_of_their_names_however_they_came(tmp_path: Path) -> None:
    write(tmp_path, *(to_line("car", name, curve()) for name in ("10", "2", "2-1", "0")))
    assert CurveFolder(tmp_path).config_ids("car") == ("0", "2", "2-1", "10")


def test_of_a_run_that_is_going_on_the_finished_curves_are_read(tmp_path: Path) -> None:
    failed = {"dataset": "car", "id": "1", "failure": "Traceback\nMemoryError: too wide"}
    write(tmp_path, to_line("car", "0", curve()), failed, end=json.dumps(to_line("car", "2", curve()))[:-9])
    folder = CurveFolder(tmp_path)
    assert folder.config_ids("car") == ("0",)
    assert folder.failures == {("car", "1"): failed["failure"]}
    write(tmp_path, failed)
    with pytest.raises(CurvesError, match="got none; failures: MemoryError: too wide"):
        CurveFolder(tmp_path)
    (tmp_path / LINES).unlink()
    with pytest.raises(CurvesError, match="no curve yet"):
        CurveFolder(tmp_path)


@pytest.mark.parametrize("ending", [".json", ".parquet"])
def test_what_was_made_is_written_in_lcbenchs_form(ending: str, tmp_path: Path) -> None:
    write(tmp_path, to_line("car", "0", curve()), to_line("car", "1", curve(n_values=4)))
    write_lcbench(CurveFolder(tmp_path), tmp_path / f"curves{ending}")
    read = LCBench(tmp_path / f"curves{ending}")
    whole, diverged = (read.curve("car", name) for name in (0, 1))
    np.testing.assert_allclose(whole.log["Train/lr"], [math.nan, 0.123456789], rtol=1e-6)
    np.testing.assert_array_equal(diverged.log["Train/val_accuracy"], [50, 60, math.nan, math.nan])
    assert whole.results == {"seed": 3, "final_val_accuracy": 60.0, "final_test_accuracy": 45.0}
    assert math.isnan(float(diverged.values("final_val_accuracy")))
    assert read.table("final_val_accuracy")["car"].isna().tolist() == [False, True]


def test_a_configuration_of_the_small_space_has_lcbenchs_names() -> None:
    sampled = dict(configuration_space(small(), seed=0).sample_configuration())
    config = lcbench_config(sampled, n_epochs=50)
    assert len(config) == 17
    assert set(SPACE) < set(config)
    assert config["num_layers"] == sampled["network.mlp.n_layers"]
    assert config["learning_rate"] == sampled["network.mlp.optimizer.sgd.lr"]
    assert config["cosine_annealing_T_max"] == 50
