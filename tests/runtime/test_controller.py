"""What Tune has no settings for, on a Ray of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys, time
import psutil
from ray import tune
from raytabdl.runtime.cluster import connected
from raytabdl.runtime.controller import in_started_workers, registered
from raytabdl.runtime.tune import quiet


class Where(tune.Trainable):
    def step(self):
        return {"worker": os.getpid(), "done": True}


def idle():
    return {p.pid for p in psutil.Process().children(recursive=True) if p.name().startswith("ray::IDLE")}


with connected(2):
    while len(before := idle()) < 2:
        time.sleep(0.1)
    with quiet(), in_started_workers(), registered(Where) as where:
        tuner = tune.Tuner(
            where,
            tune_config=tune.TuneConfig(num_samples=2),
            run_config=tune.RunConfig(storage_path=sys.argv[1], verbose=0),
        )
        used = {result.metrics["worker"] for result in tuner.fit()}
assert used and used <= before, (used, before)
"""


@pytest.mark.ray
@pytest.mark.timeout(120)
def test_trials_run_in_the_workers_that_ray_has_started_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
