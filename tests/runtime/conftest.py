"""One search on the session's Ray, whose records many tests read, and networks of a user's own."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from raytabdl import datasets
from raytabdl.classic import RandomForest
from raytabdl.clock import Clock
from raytabdl.component import Config, Horizon, Integer, Network, Space
from raytabdl.inputs import Target, TaskType
from raytabdl.metrics import metric
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.run_folder import RunFolder
from raytabdl.search.brackets import Budgets, Race
from raytabdl.search.portfolio import project
from raytabdl.search.samplers import BOHB, Observation
from raytabdl.space import Choices, configuration_space
from raytabdl.targets import encode_labels
from raytabdl.task import Task, make_task


@pytest.fixture(scope="session")
def table() -> tuple[pd.DataFrame, pd.Series]:
    """400 rows of car, four classes."""
    X, y = datasets.load("car")
    rows = np.random.default_rng(0).permutation(len(X))[:400]
    return X.iloc[rows].reset_index(drop=True), y.iloc[rows].reset_index(drop=True)


def linear_network(name: str, forward: Callable[[nn.Module, Tensor], Tensor]) -> type[Network]:
    """A network of a user's own, made in a function: no worker can import it, so it travels by value."""

    class Own(Network, nn.Module):
        space: ClassVar[Space] = {"n_units": Integer(1, 10_000, default=8)}

        def __init__(self, d_num: int, cardinalities: Sequence[int], d_out: int, *, n_units: int = 8) -> None:
            super().__init__()
            self.cardinalities = tuple(cardinalities)
            self.output = nn.Linear(d_num + sum(cardinalities), d_out)
            self.n_units = n_units

        def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
            levels = [nn.functional.one_hot(x_cat[:, j], n) for j, n in enumerate(self.cardinalities)]
            logits: Tensor = self.output(torch.cat([x_num, *levels], dim=1))
            return forward(self, logits)

    Own.name = name
    return Own


@pytest.fixture(scope="session")
def own_network() -> Callable[[str, Callable[[nn.Module, Tensor], Tensor]], type[Network]]:
    """Makes a network of a user's own from its name and what its forward pass does with the logits."""
    return linear_network


@pytest.fixture(scope="session")
def raising() -> type[Network]:
    """Raises in its first step of training."""

    def forward(network: nn.Module, logits: Tensor) -> Tensor:
        if network.training:
            raise RuntimeError("a layer of my own is broken")
        return logits

    return linear_network("raising", forward)


@pytest.fixture(scope="session")
def nan_in_prediction() -> type[Network]:
    """Trains with finite losses and predicts NaN."""
    return linear_network(
        "nan_in_prediction", lambda network, logits: logits if network.training else logits * math.nan
    )


@pytest.fixture(scope="session")
def slow() -> type[Network]:
    """Takes about 50 ms for a step of training, whatever the machine does."""

    def forward(network: nn.Module, logits: Tensor) -> Tensor:
        if network.training:
            time.sleep(0.05)
        return logits

    return linear_network("slow", forward)


class Ear(BOHB):
    """A sampler that remembers what it was told."""

    def __init__(self, choices: Choices, seed: int) -> None:
        super().__init__(configuration_space(choices, seed), seed)
        self.heard: list[Observation] = []

    def observe(self, observation: Observation) -> None:
        self.heard.append(observation)
        super().observe(observation)


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file that another process may be writing."""
    if not path.exists():
        return []
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]


@dataclass(frozen=True)
class SearchRun:
    """A search that was run, with what its driver held in memory at the end."""

    folder: RunFolder
    task: Task
    choices: Choices
    horizon: Horizon
    portfolio: list[Config]
    search: Any
    sampler: Ear
    records: list[dict[str, Any]] = field(default_factory=list)


def make_folder(path: Path, X: pd.DataFrame, y: pd.Series) -> tuple[RunFolder, Task]:
    """A run folder with the task of a table."""
    codes, classes = encode_labels(y)
    target = Target(TaskType.MULTICLASS, len(classes))
    task = make_task(X, codes, target, 5, np.random.default_rng(0))
    folder = RunFolder(path)
    folder.create()
    folder.run_json.write_text("{}")  # what workers know the folder by
    folder.write_task(task)
    return folder, task


@pytest.fixture(scope="session")
def search_run(
    ray_cluster: None,
    table: tuple[pd.DataFrame, pd.Series],
    raising: type[Network],
    nan_in_prediction: type[Network],
    tmp_path_factory: pytest.TempPathFactory,
) -> SearchRun:
    """16 trials by two workers: 10 of a portfolio, among them one that raises and one that predicts NaN."""
    from raytabdl.runtime.resume import rebuild
    from raytabdl.runtime.tune import Search, run_search

    folder, task = make_folder(tmp_path_factory.mktemp("search") / "run", *table)
    choices = Choices(networks=(ShapedMLP, raising, nan_in_prediction), classic=(RandomForest,))
    sampler = Ear(choices, seed=0)
    wanted: list[Config] = [
        {"model": "mlp", "network.mlp.optimizer.adamw.lr": 0.0002},
        {"model": "random_forest"},
        {"model": "raising"},
        {"model": "mlp", "network.mlp.optimizer.adamw.lr": 0.01, "network.mlp.max_units": 64},
        {"model": "mlp", "network.mlp.optimizer.adamw.lr": 0.005, "network.mlp.shape": "funnel"},
        {"model": "nan_in_prediction"},
        {"model": "mlp", "network.mlp.optimizer.adamw.lr": 0.001, "network.mlp.n_layers": 2},
        {"model": "mlp", "network.mlp.optimizer.adamw.lr": 0.003, "network.mlp.activation": "silu"},
        {"model": "random_forest", "classic.random_forest.min_samples_leaf": 8},
        {"model": "mlp", "network.mlp.optimizer.adamw.lr": 0.002, "network.mlp.batch_norm": True},
    ]
    portfolio = [config for config in (project(member, sampler.space) for member in wanted) if config is not None]
    assert len(portfolio) == len(wanted)
    horizon = Horizon(27, epochs=54, rows_per_epoch=10_000, iteration_share=0.2)
    search = Search(
        folder=folder,
        task=task,
        choices=choices,
        metric=metric("log_loss", task.target.task_type),
        horizon=horizon,
        sampler=sampler,
        portfolio=portfolio,
        standing=rebuild(folder, Race(Budgets()), Ear(choices, seed=0)),
        full_trial_seconds=math.inf,
        most_trial_seconds=math.inf,
        n_trials=16,
        n_workers=2,
        is_own_ray=False,
        resources={"CPU": 1.0},
        ensemble_size=10,
        seed=0,
        clock=Clock.start(math.inf),
        train_until_s=math.inf,
        history=folder.history(),
    )
    run_search(search, lambda: False, lambda snapshot: None)
    return SearchRun(folder, task, choices, horizon, portfolio, search, sampler, lines(folder.trials))
