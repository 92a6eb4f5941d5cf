"""The scripts in examples/ that show parts of a user's own."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import raytabdl
from raytabdl.inputs import TaskType
from raytabdl.testing import check_classic, check_metric, check_network, check_scaler, check_schedule

EXAMPLES = Path(__file__).parents[1] / "examples"
OWN = {
    "own_network": ("GatedNetwork", check_network),
    "own_classic": ("GradientDescent", check_classic),
    "own_scaler": ("RangeScaler", check_scaler),
    "own_schedule": ("WarmUp", check_schedule),
    "own_metric": ("brier", lambda metric: check_metric(metric, TaskType.MULTICLASS)),
}
each_script = pytest.mark.parametrize("script", OWN)


def test_every_script_of_a_part_of_ones_own_is_tested():
    assert {path.stem for path in EXAMPLES.glob("own_*.py")} == set(OWN)


@each_script
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_part_of_ones_own_keeps_its_contracts(script):
    name, check = OWN[script]
    check(runpy.run_path(str(EXAMPLES / f"{script}.py"))[name])


@each_script
def test_a_part_of_ones_own_takes_fewer_than_20_lines(script):
    parts = (ast.ClassDef, ast.FunctionDef)
    text = (EXAMPLES / f"{script}.py").read_text()
    for node in ast.parse(text).body:
        if isinstance(node, parts):
            lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
            assert sum(1 for line in lines if line.strip()) < 20, node.name


@pytest.mark.examples
@pytest.mark.ray
@each_script
def test_a_script_ends_with_a_leaderboard(script, tmp_path):
    command = [sys.executable, str(EXAMPLES / f"{script}.py")]
    environment = {**os.environ, "PYTHONPATH": str(Path(raytabdl.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "quick-dummy" in done.stdout
    assert " 0000 " in done.stdout
