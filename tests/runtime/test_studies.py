"""The two commands that make data, on the session's Ray and broken off in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from raytabdl import cli, datasets
from raytabdl.collection import StudyTask, data_sets, read_study_task
from raytabdl.curves import LCBench
from raytabdl.evaluations import Candidate, predictions_file, read_evaluations, targets_file
from raytabdl.metrics import log_loss
from raytabdl.runtime.evaluation_plan import EvaluationSettings, EvaluationStudy, as_settings
from raytabdl.study_folder import StudyFolder

pytestmark = pytest.mark.ray

CAR = f"{datasets.describe('car').path}:class"
AIRFOIL = f"{datasets.describe('airfoil_self_noise').path}:scaled_sound_pressure"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(cli.commands, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def cells(path: Path) -> list[tuple[str, str]]:
    return [(record["dataset"], record["id"]) for record in StudyFolder(path).records("curves.jsonl")]


def test_curves_are_made_for_each_configuration_data_set_and_seed(ray_cluster: None, tmp_path: Path) -> None:
    out = tmp_path / "curves"
    command = ("lcbench", "run", CAR, AIRFOIL, "--rows", 200, "--configs", 2, "--seeds", 2, "--epochs", 4, "--out", out)
    command += ("--workers", 1)
    assert "0 of 8 done" in run(*command, "--dry-run").stderr
    assert not out.exists()
    run(*command)
    benchmark = LCBench(out / "full.json")
    assert set(benchmark.dataset_names) == {"car", "airfoil_self_noise"}
    assert benchmark.config_ids("car") == ("0", "0-1", "1", "1-1")
    first, other_seed = (benchmark.curve("car", name) for name in ("0", "0-1"))
    assert first.config == other_seed.config == benchmark.config("airfoil_self_noise", "0")
    assert (first.results["seed"], other_seed.results["seed"]) == (0, 1)
    assert not np.array_equal(first.log["Train/val_cross_entropy"], other_seed.log["Train/val_cross_entropy"])
    assert {len(values) for values in first.log.values()} == {5}
    assert first.log["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert {"Train/lr", "Train/test_result", "Train/gradient_norm", "Train/layer_wise_gradient_q10_layer_0"} <= set(
        first.log
    )
    assert first.results["final_test_accuracy"] == pytest.approx(first.log["Train/test_result"][-1])
    assert first.results["instances"] == pytest.approx(200, abs=10)
    assert not any("gradient" in tag for tag in LCBench(out / "light.json").tags("car"))
    assert LCBench(out / "full.parquet").n_configs("airfoil_self_noise") == 4
    made = (out / "curves.jsonl").read_bytes()
    run(*command)
    assert (out / "curves.jsonl").read_bytes() == made
    run(*command, "--configs", 3)
    assert (out / "curves.jsonl").read_bytes().startswith(made)
    assert len(set(cells(out))) == len(cells(out)) == 12


@pytest.mark.slow
def test_a_study_that_was_killed_goes_on_with_what_it_lacks(ray_cluster: None, tmp_path: Path) -> None:
    out = tmp_path / "curves"
    command = ["lcbench", "run", CAR, "--rows", "200", "--configs", "8", "--epochs", "20", "--out", str(out)]
    command += ["--workers", "1"]
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    with subprocess.Popen([sys.executable, "-m", "raytabdl", *command], env=environment) as driver:
        ends = time.monotonic() + 90
        while not (out.exists() and cells(out)) and time.monotonic() < ends:
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
    kept = cells(out)
    assert 1 <= len(kept) < 8
    with (out / "curves.jsonl").open("a") as file:
        file.write('{"dataset": "car", "id": "7", "log": {')  # killed in the midst of a line
    assert f"{len(kept)} of 8 done" in run(*command, "--dry-run").stderr
    run(*command)
    assert cells(out)[: len(kept)] == kept
    assert sorted(cells(out)) == sorted(("car", str(index)) for index in range(8))


@pytest.fixture(scope="module")
def car() -> StudyTask:
    return read_study_task(data_sets([CAR])[0], max_rows=300, seed=0, with_test=False)


def evaluate(candidates: list[Candidate], task: StudyTask, folder: StudyFolder, n_most: int) -> None:
    """Evaluates until so many are finished in all."""
    from raytabdl.runtime.evaluation import evaluate as run_evaluations

    settings = EvaluationSettings("medium", 300, 0)
    study = EvaluationStudy.of(settings, folder, [task], candidates)
    with folder.begun(as_settings(settings)):
        study.begin()
        run_evaluations(study, n_workers=1, is_over=lambda: study.found.n_finished >= n_most, watch=lambda found: None)


def test_candidates_are_evaluated_rung_by_rung_and_the_worst_leave(
    ray_cluster: None, car: StudyTask, tmp_path: Path
) -> None:
    good = [{"classic.lightgbm.learning_rate": rate} for rate in (0.2, 0.15, 0.1, 0.12)]
    bad = [{"classic.lightgbm.learning_rate": 0.01, "classic.lightgbm.min_data_in_leaf": 100}]
    candidates = [Candidate.of({"model": "lightgbm", **values}, "design") for values in (*good, *bad)]
    candidates += [
        Candidate.of({"model": "mlp", "network.mlp.n_layers": "deep"}, "design"),
        Candidate.of({"model": "random_forest"}, "shipped"),
    ]
    folder = StudyFolder(tmp_path / "study")
    evaluate(candidates, car, folder, n_most=3)
    kept = (folder.path / "evaluations.jsonl").read_bytes()
    assert len(read_evaluations(folder.path).ends()) == 3
    evaluate(candidates, car, folder, n_most=99)
    assert (folder.path / "evaluations.jsonl").read_bytes().startswith(kept)
    found = read_evaluations(folder.path)
    ends = [found.ends()["car", candidate.id] for candidate in candidates]
    assert [line.end for line in ends] == ["complete"] * 4 + ["left", "failed", "complete"]
    assert [line.budget for line in ends] == [27] * 4 + [1, 0, 27]
    assert "TypeError: '<' not supported" in ends[5].reason
    budgets = [line.budget for line in found.lines if line.candidate == candidates[0].id]
    assert budgets == [1, 3, 9, 27]
    y = np.load(targets_file(folder.path, "car"))
    for line in ends[:5]:
        predictions = np.load(predictions_file(folder.path, "car", line.candidate))
        assert predictions.dtype == np.float32
        assert log_loss(y, predictions) == pytest.approx(line.loss, rel=1e-4)
        assert line.loss < found.facts["car"].baseline
