from __future__ import annotations

import math
from pathlib import Path

import pytest
from ConfigSpace import ConfigurationSpace

from raytabdl.analysis.run_importance import importance_table, run_study
from raytabdl.exceptions import DataError, RunFolderError, SettingError
from raytabdl.history import Change, History, Result, Seconds, Status, Trial
from raytabdl.presets import medium
from raytabdl.run_folder import RunFolder
from raytabdl.search.vectors import to_config
from raytabdl.space import configuration_space


def result(name: str, budget: int, loss: float) -> Result:
    return Result(name, budget, loss, loss, {}, Seconds(), 0.0)


@pytest.fixture(scope="module")
def space() -> ConfigurationSpace:
    return configuration_space(medium().only(["mlp", "lightgbm"]), seed=0)


@pytest.fixture
def folder(space: ConfigurationSpace, tmp_path: Path) -> RunFolder:
    """A run of 60 trials in which the width of the MLP decides; all at budget 1, a third at 3, one at 27, 4 failed."""
    folder = RunFolder(tmp_path)
    folder.write_space(space)
    history = History(folder.trials)
    for number, drawn in enumerate(space.sample_configuration(60)):
        config = to_config(drawn.get_array(), space)
        name = f"{number:04}"
        history.append(Trial(name, config, "random", 0, 0))
        if number >= 56:
            history.append(Change(name, Status.FAILED, 1.0, "Traceback\nMemoryError"))
            continue
        loss = 1.0 / math.log(float(config.get("network.mlp.max_units", 5000)))
        history.append(result(name, 1, loss))
        if number % 3 == 0:
            history.append(result(name, 3, loss))
    history.append(result("0000", 27, 0.1))
    history.append(Trial("quick-dummy", {"model": "dummy"}, "quick", 0, 0))
    history.append(result("quick-dummy", 1, 99.0))
    history.append(
        Trial("0000-f1", to_config(space.get_default_configuration().get_array(), space), "bag", 0, 0, fold=1)
    )
    history.append(result("0000-f1", 1, 50.0))
    return folder


def test_the_largest_budget_with_enough_trials_is_looked_at(folder: RunFolder) -> None:
    with pytest.warns(UserWarning, match="4 of 23 configurations failed"):
        study, budget = run_study(folder)
    assert budget == 3
    assert len(study.losses) == 19


def test_quick_trials_and_other_folds_have_no_say(folder: RunFolder) -> None:
    with pytest.warns(UserWarning, match="4 of 60"):
        study, budget = run_study(folder, budget=1)
    assert budget == 1
    assert len(study.losses) == 56
    assert study.losses.max() < 1


@pytest.mark.filterwarnings("ignore:.*failed")
def test_what_decides_within_a_model_comes_first(folder: RunFolder) -> None:
    study, _ = run_study(folder, model="mlp", budget=1)
    table, importance = importance_table(study)
    assert table["hyperparameter"][0] == "network.mlp.max_units"
    assert table["fanova"][0] > 0.5
    assert table["lpi"][0] == table["lpi"].max()
    assert not table["hyperparameter"].str.startswith("classic").any()
    assert "model" not in set(table["hyperparameter"])
    assert importance.single["network.mlp.max_units"] == table["fanova"][0]


def test_a_run_that_is_going_on_is_read_up_to_its_last_whole_line(folder: RunFolder) -> None:
    with folder.trials.open("a") as file:
        file.write('{"record": "trial", "id": "00')
    with pytest.warns(UserWarning, match="4 of 23"):
        assert len(run_study(folder)[0].losses) == 19


@pytest.mark.parametrize(
    ("model", "budget", "error", "words"),
    [
        (None, 9, SettingError, r"got 9; .* has 1 \(56 trials\), 3 \(19 trials\), 27 \(1 trials\)"),
        ("tabm", None, SettingError, r"trials of tabm .* got the models \['dummy', 'lightgbm', 'mlp'\]"),
        (None, 27, DataError, "at least 10 configurations must have a finite loss, got 1 of 5"),
    ],
)
def test_what_a_run_does_not_have_is_answered_with_what_it_has(
    model: str | None, budget: int | None, error: type[Exception], words: str, folder: RunFolder
) -> None:
    with pytest.raises(error, match=words):
        run_study(folder, model=model, budget=budget)


@pytest.mark.filterwarnings("ignore:.*failed")
def test_a_run_without_a_space_is_refused(folder: RunFolder) -> None:
    folder.space.unlink()
    with pytest.raises(RunFolderError, match=r"must have a space\.json"):
        run_study(folder)


def test_the_space_comes_back_as_it_was_written(folder: RunFolder, space: ConfigurationSpace) -> None:
    assert folder.read_space() == space
