"""The threads that trials and the driver's quick models work in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
import torch
from threadpoolctl import threadpool_info
from torch import Tensor, nn

from raytabdl import Figures, TabularClassifier
from raytabdl.search.portfolio import Member, Portfolio
from raytabdl.space import Choices


@dataclass(frozen=True)
class Seen:
    """What a trial found in its worker, and a callback in the driver: the threads of BLAS, by the stage of the fit."""

    trial: dict[str, Any]
    driver: dict[str, set[int]]


@pytest.fixture(scope="module")
def seen(
    ray_cluster: None,
    table: tuple[pd.DataFrame, pd.Series],
    own_network: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Seen:
    folder = tmp_path_factory.mktemp("threads")
    driver: dict[str, set[int]] = {}

    def forward(network: nn.Module, logits: Tensor) -> Tensor:
        if network.training:
            pools = [(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()]
            found = {"torch": torch.get_num_threads(), "pools": pools, "variable": os.environ["OMP_NUM_THREADS"]}
            (folder / "trial.json").write_text(json.dumps(found))
        return logits

    def look(now: Figures) -> None:
        pools = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        driver.setdefault(now.stage, set()).update(pools)

    TabularClassifier(
        None,
        n_trials=1,
        n_workers=1,
        choices=Choices(networks=(own_network("watched", forward),), classic=()),
        portfolio=Portfolio("hand-chosen", (Member({"model": "watched"}),)),
        run_folder=folder / "run",
        callbacks=[look],
    ).fit(*table)
    return Seen(json.loads((folder / "trial.json").read_text()), driver)


@pytest.mark.ray
def test_a_trial_works_in_one_thread(seen: Seen) -> None:
    assert (seen.trial["torch"], seen.trial["variable"]) == (1, "1")
    assert {api for api, _ in seen.trial["pools"]} == {"blas", "openmp"}
    assert {n_threads for _, n_threads in seen.trial["pools"]} == {1}


@pytest.mark.ray
def test_quick_models_leave_the_other_cores_to_rays_start(seen: Seen) -> None:
    assert seen.driver["quick models"] == seen.driver["search"] == {1}


LIMITED = """
import json, numpy
from threadpoolctl import threadpool_info
from raytabdl.runtime.threads import one_thread, torch

one_thread()
import scipy.linalg  # brings a BLAS of its own
print(json.dumps([torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]))
"""


def test_a_worker_has_one_thread_whatever_the_environment_says_also_for_what_is_loaded_later() -> None:
    """As on a cluster whose nodes set it, which Ray leaves alone."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert set(json.loads(done.stdout)) == {1}
