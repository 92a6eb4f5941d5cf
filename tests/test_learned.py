"""From the records of evaluations to a portfolio: folders, tables of losses, and what cannot be learned from."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from raytabdl import cli
from raytabdl.evaluations import (
    CANDIDATES,
    LINES,
    TABLE,
    Candidate,
    Evaluation,
    Facts,
    predictions_file,
    read_evaluations,
    targets_file,
    write_table,
)
from raytabdl.exceptions import DataError
from raytabdl.learned import LearnSettings, learned_portfolios
from raytabdl.search.portfolio import Portfolio
from raytabdl.study_folder import DATA_SETS, StudyFolder

BOOSTER = Candidate.of({"model": "lightgbm", "classic.lightgbm.num_leaves": 31}, "shipped", "tuned")
FOREST = Candidate.of({"model": "random_forest"}, "design")
NETWORK = Candidate.of({"model": "mlp", "network.mlp.n_layers": 3}, "literature", "small")
CANDIDATES_OF = {candidate.id: candidate for candidate in (BOOSTER, FOREST, NETWORK)}
SETTINGS = LearnSettings(size=8, per_family=2, draws=3, seed=0)


def line(data_set: str, candidate: Candidate, loss: float, seconds: float = 1.0, end: str = "complete") -> Evaluation:
    budget = {"complete": 27, "left": 3, "failed": 0}.get(end, 1)
    return Evaluation(data_set, candidate.id, budget, loss, loss, seconds, end, "Traceback\nboom" * (end == "failed"))


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    """Makes the folder of a study with the given evaluations, and predictions that have their losses."""

    def make(*lines: Evaluation) -> Path:
        path = tmp_path / "study"
        path.mkdir()
        folder = StudyFolder(path)
        folder.settings.write_text(json.dumps({"study": "portfolio", "preset": "medium", "seed": 0}))
        for candidate in CANDIDATES_OF.values():
            folder.append(CANDIDATES, asdict(candidate))
        for name in dict.fromkeys(one.data_set for one in lines):
            folder.append(DATA_SETS, asdict(Facts(name, "1f", 100, 4, 2, "binary", math.log(2))))
            targets_file(path, name).parent.mkdir(exist_ok=True)
            np.save(targets_file(path, name), np.zeros(20, np.int64))
            predictions_file(path, name, "").parent.mkdir(parents=True)
        for one in lines:
            folder.append(LINES, one.to_fields())
            truth = np.full(20, math.exp(-one.rung_loss))
            file = predictions_file(path, one.data_set, one.candidate)
            np.save(file, np.stack([truth, 1 - truth], axis=1).astype(np.float32))
        return path

    return make


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.commands, ["portfolio", *(str(argument) for argument in arguments)])


def models(portfolio: Portfolio) -> list[object]:
    return [member.config["model"] for member in portfolio.members]


def test_a_portfolio_is_learned_written_and_read_again(study: Callable[..., Path], tmp_path: Path) -> None:
    path = study(
        line("adult", BOOSTER, 0.4, 2.0), line("adult", NETWORK, 0.3, 9.0), line("adult", FOREST, 0.6, 1.0, "left"),
        line("sick", BOOSTER, 0.4, 2.0), line("sick", NETWORK, 0.5, 9.0), line("sick", FOREST, math.inf, 0.1, "failed"),
    )  # fmt: skip
    result = run("learn", path, "--out", tmp_path / "out", "--draws", 2)
    assert result.exit_code == 0, result.output
    assert "classification, learned on 2 data sets" in result.stdout
    portfolio = Portfolio.read(tmp_path / "out" / "classification.json")
    assert models(portfolio) == ["lightgbm", "mlp", "random_forest"]
    assert [member.note[-7:] for member in portfolio.members] == ["round 1", "round 1", "round 2"]
    assert portfolio.origin == "learned"
    assert portfolio.members[0].note.startswith("shipped: tuned; gain 0.")
    made = portfolio.provenance
    assert set(made["data_sets"]) == {"adult", "sick"}
    assert made["evaluations"] == {"complete": 4, "left": 1, "late": 0, "failed": 1}
    assert made["evaluate"] == {"study": "portfolio", "preset": "medium", "seed": 0}
    assert {"raytabdl", "torch"} < set(made["versions"])
    assert not (tmp_path / "out" / "regression.json").exists()


def test_from_the_table_of_losses_the_best_loss_decides(study: Callable[..., Path], tmp_path: Path) -> None:
    path = study(line("adult", BOOSTER, 0.4), line("adult", NETWORK, 0.45), line("adult", FOREST, 0.3, 60.0))
    found = read_evaluations(path)
    write_table(found, tmp_path / TABLE)
    table = read_evaluations(tmp_path / TABLE)
    assert (table.facts, table.lines, table.provenance) == (found.facts, found.lines, found.provenance)
    assert table.candidates == found.candidates
    learned = learned_portfolios(table, SETTINGS, ())["classification"].portfolio
    assert models(learned) == ["lightgbm", "random_forest", "mlp"]  # the network is no better than the booster
    assert learned.provenance["rule"] == "the best loss's gain per second"


def test_what_left_at_a_low_rung_costs_as_much_as_to_the_end(study: Callable[..., Path]) -> None:
    losses = [line("adult", BOOSTER, 0.4, 3.0), line("adult", NETWORK, 0.45, 1.0, "left")]
    found = read_evaluations(study(*losses))
    (first, *_) = learned_portfolios(found, SETTINGS, ())["classification"].rows
    assert (first["model"], first["seconds"]) == ("lightgbm", 3.0)  # the other would take 9 s


def test_a_table_that_is_left_out_decides_nothing(study: Callable[..., Path], tmp_path: Path) -> None:
    path = study(line("adult", BOOSTER, 0.4), line("adult", NETWORK, 0.5), line("sick", NETWORK, 0.1))
    assert run("learn", path, "--out", tmp_path / "out", "--leave-out", "sick").exit_code == 0
    portfolio = Portfolio.read(tmp_path / "out" / "classification.json")
    assert models(portfolio)[0] == "lightgbm"
    assert portfolio.provenance["learn"]["leave_out"] == ["sick"]
    assert list(portfolio.provenance["data_sets"]) == ["adult"]
    refused = run("learn", path, "--out", tmp_path / "out", "--leave-out", "sik")
    assert refused.exit_code == 2
    assert "the data sets are adult, sick; got sik" in refused.stderr
    refused = run("learn", path, "--out", tmp_path / "out", "--leave-out", "sick", "--leave-out", "adult")
    assert "all are left out: sick, adult" in refused.stderr


def test_of_a_study_that_is_going_on_what_has_ended_counts(study: Callable[..., Path]) -> None:
    path = study(line("adult", BOOSTER, 0.4), line("adult", NETWORK, 0.1, end=""))
    with (path / LINES).open("a") as file:
        file.write('{"data_set": "adult", "candi')
    assert models(learned_portfolios(read_evaluations(path), SETTINGS, ())["classification"].portfolio) == ["lightgbm"]


def test_where_nothing_can_be_learned_it_is_said_why(study: Callable[..., Path], tmp_path: Path) -> None:
    path = study(line("adult", BOOSTER, math.inf, 0.1, "failed"), line("adult", NETWORK, 0.7))
    refused = run("learn", path, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "better than the baseline, got none on adult (1 evaluations failed)" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_data_set_that_tells_nothing_is_left_out_and_said_so(study: Callable[..., Path]) -> None:
    found = read_evaluations(study(line("adult", BOOSTER, 0.4), line("noise", BOOSTER, 0.8)))
    with pytest.warns(UserWarning, match="no candidate is better than the baseline on noise"):
        assert learned_portfolios(found, SETTINGS, ())["classification"].n_data_sets == 1


def test_a_candidate_of_a_family_that_the_space_has_no_longer_is_no_member(study: Callable[..., Path]) -> None:
    path = study(line("adult", BOOSTER, 0.4), line("adult", FOREST, 0.5))
    gone = Candidate.of({"model": "perceptron"}, "literature")
    StudyFolder(path).append(CANDIDATES, asdict(gone))
    StudyFolder(path).append(LINES, line("adult", gone, 0.1).to_fields())
    learned = learned_portfolios(read_evaluations(path), SETTINGS, ())["classification"]
    assert set(models(learned.portfolio)) == {"lightgbm", "random_forest"}


def test_what_holds_no_evaluations_is_refused(study: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be a table of losses or the folder"):
        read_evaluations(tmp_path)
    path = study(line("adult", NETWORK, 0.3, end=""))
    with pytest.raises(DataError, match="got none that ended"):
        read_evaluations(path)
    write_table(read_evaluations_of_one(path), tmp_path / TABLE)
    content = (tmp_path / TABLE).read_bytes()
    (tmp_path / TABLE).write_bytes(content[: len(content) // 2])
    refused = run("learn", tmp_path / TABLE, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "losses.parquet is no complete table of losses" in refused.stderr


def read_evaluations_of_one(path: Path):
    StudyFolder(path).append(LINES, line("adult", BOOSTER, 0.4).to_fields())
    return read_evaluations(path)


def test_predictions_that_are_missing_are_named_with_the_way_out(study: Callable[..., Path]) -> None:
    path = study(line("adult", BOOSTER, 0.4))
    predictions_file(path, "adult", BOOSTER.id).unlink()
    with pytest.raises(DataError, match=rf"{BOOSTER.id}\.npy is missing.*or learn from losses\.parquet"):
        learned_portfolios(read_evaluations(path), SETTINGS, ())


def test_show_says_what_becomes_of_members_in_a_space(tmp_path: Path) -> None:
    members = [
        {"config": {"model": "mlp", "network.mlp.n_layers": 5}, "note": "deep"},
        {"config": {"model": "mlp", "network.mlp.n_layers": 6}},
        {"config": {"model": "lightgbm"}},
    ]
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"origin": "learned", "provenance": {"made": "today"}, "members": members}))
    said = run("show", file, "--preset", "small").stdout
    fits, changed, left_out = (row.split() for row in said.splitlines() if row.split()[:1] in (["1"], ["2"], ["3"]))
    assert fits[2:] == ["fits", "deep"]
    assert changed[2:] == ["changed:", "network.mlp.n_layers"]
    assert left_out[2:] == ["left", "out"]
    assert "made: today" in said
    file.write_text('{"origin": "learned"')
    assert "own.json must hold a portfolio" in run("show", file).stderr
