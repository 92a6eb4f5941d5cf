"""Which configurations a fit begins with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raytabdl.ensemble import Ensemble
from raytabdl.exceptions import SettingError
from raytabdl.history import Change, History, Result, Seconds, Status, Trial
from raytabdl.inputs import Target, TaskType
from raytabdl.metrics import CLASSIFICATION
from raytabdl.run_folder import RunFolder
from raytabdl.search.portfolio import Member, Portfolio
from raytabdl.warm_start import chosen_portfolio, default_portfolio, portfolio_of_run

BINARY = Target(TaskType.BINARY, 2)
FURTHER = Portfolio("hand-chosen", (Member({"model": "mlp"}), Member({"model": "own", "depth": 1})))


def a_run(path: Path, losses: dict[str, float], weights: dict[str, float]) -> RunFolder:
    """A run with a trial for each loss, whose depth is its number."""
    folder = RunFolder(path)
    folder.create()
    folder.run_json.write_text("{}")
    history = History(folder.trials)
    for name, loss in losses.items():
        origin = "quick" if name.startswith("quick") else "model"
        history.append(Trial(name, {"model": "own", "depth": int(name[-1])}, origin, 0, 0))
        history.append(Result(name, 27, loss, loss, {}, Seconds(), 1.0))
        history.append(Change(name, Status.COMPLETED, 1.0))
    if weights:
        folder.write_ensemble(Ensemble(weights, 0.1), CLASSIFICATION["log_loss"])
    return folder


def depths(portfolio: Portfolio) -> list[object]:
    return [member.config.get("depth") for member in portfolio.members]


def test_those_of_the_ensemble_come_first_then_the_best_then_the_portfolio_that_ships(tmp_path: Path) -> None:
    losses = {"quick-9": 0.01, "0001": 0.5, "0002": 0.2, "0003": 0.4, "0004": 0.3}
    folder = a_run(tmp_path / "run", losses, {"0003@27": 0.4, "0004@27": 0.4, "0004.1@27": 0.2})
    found = portfolio_of_run(folder, FURTHER)
    assert depths(found) == [4, 3, 2, 1, None]  # of what FURTHER has too, the first place counts
    assert (found.origin, found.provenance["n_members_of_it"]) == ("earlier run", 4)


def test_a_run_that_was_killed_gives_its_best_ones(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", {"0002": 0.2, "0003": float("inf"), "0001": 0.1}, {})
    assert depths(portfolio_of_run(folder, FURTHER)) == [1, 2, None]


def test_a_portfolio_is_itself_a_file_a_run_or_the_one_that_ships(tmp_path: Path) -> None:
    file = tmp_path / "portfolio.json"
    file.write_text(json.dumps(FURTHER.to_json()))
    assert chosen_portfolio(None, BINARY) == default_portfolio(BINARY)
    assert chosen_portfolio(FURTHER, BINARY) is FURTHER
    assert chosen_portfolio(str(file), BINARY) == FURTHER
    a_run(tmp_path / "run", {"0001": 0.1}, {})
    assert depths(chosen_portfolio(tmp_path / "run", BINARY))[0] == 1


def test_what_holds_no_portfolio_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[]")
    a_run(tmp_path / "run", {"quick-1": 0.1}, {})
    for path, said in (
        (tmp_path / "other.json", "other.json must hold a portfolio"),
        (tmp_path / "missing.json", "missing.json"),
        (tmp_path, "is no run"),
        (tmp_path / "run", "which has no result"),
    ):
        with pytest.raises(SettingError, match=said):
            chosen_portfolio(path, BINARY)
