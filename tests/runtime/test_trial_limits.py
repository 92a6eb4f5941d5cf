"""Trials that take too long, hang, or take too much memory, in fits on the session's Ray."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from raytabdl import TabularClassifier
from raytabdl.component import Network
from raytabdl.search.portfolio import Member, Portfolio
from raytabdl.space import Choices

pytestmark = pytest.mark.ray

Table = tuple[pd.DataFrame, pd.Series]


@pytest.fixture(scope="session")
def hanging(own_network: Any) -> type[Network]:
    """Waits for ever, outside of Python's code, in its first step of training."""

    def forward(network: nn.Module, logits: Tensor) -> Tensor:
        if network.training:
            threading.Event().wait()
        return logits

    return own_network("hanging", forward)


def greedy_network(own_network: Any, name: str, megabytes_per_row: float, megabytes: float) -> type[Network]:
    """Holds so much memory from its first step of training on."""

    def forward(network: nn.Module, logits: Tensor) -> Tensor:
        if network.training and not hasattr(network, "held"):
            network.held = torch.ones(int((megabytes + megabytes_per_row * len(logits)) * 1e6 / 4))
        return logits

    return own_network(name, forward)


def fitted(
    table: Table, folder: Path, networks: list[type[Network]], batch_size: int = 256, **options: Any
) -> TabularClassifier:
    """Fits one configuration of each network, then one of a forest."""
    names = [*(network.name for network in networks), "random_forest"]
    sizes = [{f"network.{network.name}.batch_size": batch_size} for network in networks]
    configs = [{"model": name, **size} for name, size in zip(names, [*sizes, {}], strict=True)]
    classifier = TabularClassifier(
        n_trials=len(configs),
        choices=Choices(networks=tuple(networks)).only(names),
        portfolio=Portfolio("hand-chosen", tuple(Member(config) for config in configs)),
        run_folder=folder,
        **options,
    )
    return classifier.fit(*table)


def trial_of(classifier: TabularClassifier, model: str) -> str:
    """The name of the trial that trains a model; in a short run classic models come first."""
    trials = classifier.folder_.history().trials.values()
    (name,) = [trial.id for trial in trials if trial.config["model"] == model and trial.origin == "portfolio"]
    return name


def changes(classifier: TabularClassifier, model: str) -> list[tuple[str, str]]:
    """(status, reason) of all that happened to the trial of a model."""
    trial = trial_of(classifier, model)
    records = [json.loads(line) for line in classifier.folder_.trials.read_text().splitlines()]
    return [(r["status"], r["reason"]) for r in records if r.get("trial_id") == trial and r["record"] == "change"]


def test_a_trial_that_hangs_does_not_keep_the_fit_and_the_others_are_kept(
    ray_cluster: None, table: Table, hanging: type[Network], tmp_path: Path
) -> None:
    began = time.monotonic()
    classifier = fitted(table, tmp_path / "run", [hanging], time_limit=16, n_workers=2)
    assert time.monotonic() - began < 18
    assert changes(classifier, "hanging") == [("stopped", "the run was over")]
    assert trial_of(classifier, "random_forest") in set(classifier.leaderboard()["trial"])
    assert classifier.score(*table) > 0.8


def test_a_trial_past_its_own_limit_ends_with_what_it_published_and_one_that_hangs_is_killed(
    ray_cluster: None, table: Table, hanging: type[Network], slow: type[Network], tmp_path: Path
) -> None:
    """Without a time limit of the run: nothing else would end the one that hangs.

    The slow one takes half a second for an epoch, and never trains fewer than nine epochs.
    """
    options = {"time_limit": None, "n_workers": 1, "trial_time_limit": 3.5}
    classifier = fitted(table, tmp_path / "run", [hanging, slow], batch_size=32, **options)
    ((status, reason),) = changes(classifier, "hanging")
    assert status == "timeout"
    assert "3.5 s of trial_time_limit" in reason
    assert "did not answer" in reason
    *_, (status, reason) = changes(classifier, "slow")
    assert (status, "did not answer" in reason) == ("timeout", False)
    board = classifier.leaderboard()
    board = board[board["origin"] == "portfolio"].set_index("model")
    assert 0 < board.loc["slow", "budget"] < 27
    assert board.loc["slow", "seconds"] < 3.5
    assert board.loc["random_forest", "status"] == "completed"
    assert classifier.folder_.history().outcomes() == {"success": 1, "timeout": 2}


@pytest.fixture(scope="module")
def short_of_memory(
    ray_cluster: None, table: Table, own_network: Any, tmp_path_factory: pytest.TempPathFactory
) -> TabularClassifier:
    """Fits what fits into memory with smaller batches, what never does, and what raises with large ones."""

    def raises(network: nn.Module, logits: Tensor) -> Tensor:
        if network.training and len(logits) > 120:  # 320 rows in batches of at most 256 are 160 each, or 107
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99999999999 bytes")
        return logits

    networks = [
        greedy_network(own_network, "greedy", megabytes_per_row=9.0, megabytes=0.0),
        greedy_network(own_network, "glutton", megabytes_per_row=0.0, megabytes=3000.0),
        own_network("raises", raises),
    ]
    folder = tmp_path_factory.mktemp("short") / "run"
    return fitted(table, folder, networks, time_limit=None, n_workers=2, trial_memory=1.5)


def test_a_trial_that_takes_too_much_memory_goes_on_with_smaller_batches(short_of_memory: TabularClassifier) -> None:
    (status, reason), *later = changes(short_of_memory, "greedy")
    assert status == "running"
    assert "trial_memory is 1.5 GB" in reason
    assert [status for status, _ in later][-1] in ("completed", "stopped")
    assert trial_of(short_of_memory, "greedy") in set(short_of_memory.leaderboard()["trial"])


def test_one_that_takes_too_much_with_them_too_is_a_memout(short_of_memory: TabularClassifier) -> None:
    (first, _), (last, reason) = changes(short_of_memory, "glutton")
    assert (first, last) == ("running", "memout")
    assert reason.startswith("memout: the worker took ")
    assert short_of_memory.folder_.history().outcomes() == {"success": 3, "memout": 1}


def test_memory_that_cannot_be_allocated_does_not_cost_the_worker(short_of_memory: TabularClassifier) -> None:
    (status, reason), *later = changes(short_of_memory, "raises")
    assert (status, "out of memory" in reason) == ("running", True)
    assert [status for status, _ in later][-1] in ("completed", "stopped")
