"""A search from a call of ``fit``: what is tried in which order, that it can be repeated, and what failures do."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raytabdl import Figures, TabularClassifier
from raytabdl.component import Network
from raytabdl.exceptions import SettingError
from raytabdl.networks.mlp import ShapedMLP
from raytabdl.search.portfolio import Member, Portfolio, first_configurations
from raytabdl.search.samplers import RandomSearch
from raytabdl.space import Choices, configuration_space
from raytabdl.warm_start import default_portfolio

pytestmark = pytest.mark.ray

Table = tuple[pd.DataFrame, pd.Series]


def records(classifier: TabularClassifier) -> list[dict[str, Any]]:
    return [json.loads(line) for line in classifier.folder_.trials.read_text().splitlines()]


def trials(classifier: TabularClassifier) -> list[dict[str, Any]]:
    """The trials of the search, without the quick models, in the order in which they were suggested."""
    return [r for r in records(classifier) if r["record"] == "trial" and r["origin"] != "quick"]


class Heard(list[Figures]):
    """A callback that keeps all that it is told."""

    def __call__(self, now: Figures) -> None:
        self.append(now)


@pytest.fixture(scope="module")
def twice(ray_cluster: None, table: Table, tmp_path_factory: pytest.TempPathFactory) -> list[TabularClassifier]:
    """The same fit two times: 14 trials, one worker, no time limit."""
    folder = tmp_path_factory.mktemp("twice")
    return [
        TabularClassifier(None, n_trials=14, n_workers=1, seed=0, run_folder=folder / name, callbacks=[Heard()]).fit(
            *table
        )
        for name in ("first", "second")
    ]


def test_tunes_own_snapshots_hold_no_trials(twice: list[TabularClassifier]) -> None:
    """Each would hold all trials ever made; the run is resumed from its own records."""
    import ray

    session = Path(ray._private.worker._global_node.get_session_dir_path())
    snapshots = list(session.glob("artifacts/*/search/driver_artifacts/experiment_state-*.json"))
    assert len(snapshots) >= len(twice)
    assert all(json.loads(path.read_text())["trial_data"] == [] for path in snapshots)


def test_callbacks_hear_of_the_search_and_of_its_rungs(twice: list[TabularClassifier]) -> None:
    (heard,) = twice[0].callbacks
    stages = [now.stage for now in heard]
    assert stages == sorted(stages, key=["quick models", "search", "over"].index)
    assert set(stages) == {"quick models", "search", "over"}
    assert all(now.seconds_left is None for now in heard)
    in_search = [now for now in heard if now.stage == "search"]
    # A trial stands at one rung; below it counts as promoted.
    entered = [sum(o.racing + o.waiting + o.stopped + o.failed for _, o in now.rungs) for now in in_search]
    assert entered == sorted(entered)
    assert 0 < entered[-1] <= 14
    assert [budget for budget, _ in in_search[-1].rungs] == [1, 3, 9, 27]


def test_the_first_trials_are_the_portfolio_in_order(twice: list[TabularClassifier]) -> None:
    target = twice[0].predictor_.target
    members = first_configurations(default_portfolio(target), configuration_space(Choices()))
    tried = trials(twice[0])
    assert len(members) >= 8
    assert [trial["config"] for trial in tried[: len(members)]] == members
    origins = [trial["origin"] for trial in tried]
    assert origins[: len(members)] == ["portfolio"] * len(members)
    assert set(origins[len(members) :]) <= {"model", "random"}
    assert [trial["id"] for trial in tried] == [f"{i:04d}" for i in range(14)]


def test_the_same_seed_and_one_worker_give_the_same_trials(twice: list[TabularClassifier]) -> None:
    def course(classifier: TabularClassifier) -> list[tuple[Any, ...]]:
        """Everything that is recorded of the search but its seconds."""
        steps: list[tuple[Any, ...]] = []
        for r in records(classifier):
            if str(r.get("id", r.get("trial_id"))).startswith("quick"):
                continue
            if r["record"] == "trial":
                steps.append((r["id"], sorted(r["config"].items()), r["origin"], r["bracket"], r["seed"]))
            elif r["record"] == "result":
                steps.append((r["trial_id"], r["budget"], r["rung_loss"], r["loss"]))
            else:
                steps.append((r["trial_id"], r["status"]))
        return steps

    first, second = (course(classifier) for classifier in twice)
    assert first == second


def test_the_same_seed_and_one_worker_give_the_same_predictions(twice: list[TabularClassifier], table: Table) -> None:
    first, second = twice
    assert first.predictor_.ensemble == second.predictor_.ensemble
    np.testing.assert_array_equal(first.predict_proba(table[0]), second.predict_proba(table[0]))


def test_a_network_of_the_users_own_that_fails_keeps_nobody_else_from_the_ensemble(
    ray_cluster: None,
    table: Table,
    raising: type[Network],
    nan_in_prediction: type[Network],
    slow: type[Network],
    tmp_path: Path,
) -> None:
    """Classes that no worker can import, and the failures of two of them."""
    choices = Choices(networks=(ShapedMLP, raising, nan_in_prediction, slow), classic=())
    models = ("raising", "mlp", "nan_in_prediction", "slow")
    portfolio = Portfolio("hand-chosen", tuple(Member({"model": model}) for model in models))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        classifier = TabularClassifier(
            None, n_trials=4, n_workers=2, choices=choices, portfolio=portfolio, run_folder=tmp_path / "run"
        ).fit(*table)
    assert [trial["config"]["model"] for trial in trials(classifier)] == list(models)
    last = {r["trial_id"]: r for r in records(classifier) if r["record"] == "change"}
    assert [last[f"000{i}"]["status"] == "failed" for i in range(4)] == [True, False, True, False]
    assert "Traceback" in last["0000"]["reason"]
    assert last["0000"]["reason"].strip().endswith("RuntimeError: a layer of my own is broken")
    assert "finite predictions" in last["0002"]["reason"]
    assert not [r for r in records(classifier) if r["record"] == "result" and r["trial_id"] in ("0000", "0002")]
    assert not [r for r in records(classifier) if r.get("status") == "running" and r["trial_id"] in ("0000", "0002")]
    reached = {r["trial_id"]: r["budget"] for r in records(classifier) if r["record"] == "result"}
    assert max(reached["0001"], reached["0003"]) == 27
    assert {"0001", "0003"} <= set(classifier.leaderboard()["trial"])
    assert math.isfinite(classifier.score(*table))


def test_where_all_trials_fail_the_quick_model_is_returned_with_the_reasons(
    ray_cluster: None, table: Table, raising: type[Network], nan_in_prediction: type[Network], tmp_path: Path
) -> None:
    choices = Choices(networks=(raising, nan_in_prediction), classic=())
    configs = [{"model": "raising", "network.raising.n_units": i} for i in (1, 2, 3)] + [{"model": "nan_in_prediction"}]
    portfolio = Portfolio("hand-chosen", tuple(Member(config) for config in configs))
    classifier = TabularClassifier(
        None, n_trials=4, n_workers=2, choices=choices, portfolio=portfolio, run_folder=tmp_path / "run"
    )
    with pytest.warns(UserWarning, match="all 4 trials failed") as caught:
        classifier.fit(*table)
    (message,) = (str(warning.message) for warning in caught if warning.category is UserWarning)
    assert "3 x RuntimeError: a layer of my own is broken" in message
    assert "1 x FloatingPointError: no epoch" in message
    assert "quick model is returned" in message
    assert {name.partition("@")[0].partition("-")[0] for name in classifier.predictor_.members} == {"quick"}
    majority = table[1].value_counts(normalize=True).max()
    assert classifier.score(*table) > majority


class Own(RandomSearch):
    """Random search that says whose suggestions they are."""

    origin = "own"


def test_a_sampler_of_ones_own_suggests_what_comes_after_the_portfolio(
    ray_cluster: None, table: Table, tmp_path: Path
) -> None:
    portfolio = Portfolio("hand-chosen", (Member({"model": "lightgbm"}),))
    folder = tmp_path / "run"
    clf = TabularClassifier(None, n_trials=3, n_workers=1, portfolio=portfolio, sampler=Own, run_folder=folder)
    assert [trial["origin"] for trial in trials(clf.fit(*table))] == ["portfolio", "own", "own"]
    (folder / "ensemble.json").write_text((folder / "ensemble.json").read_text().replace("true", "false"))
    with pytest.raises(SettingError, match=r"sampler must be the one .* was started with, Own; got None"):
        TabularClassifier.resume(folder)
    with pytest.raises(SettingError, match=r"sampler must be a class of .* got 'random'"):
        TabularClassifier(60, sampler="random").fit(*table)  # type: ignore[arg-type]
