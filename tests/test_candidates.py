from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from raytabdl.candidates import gather, incumbents
from raytabdl.exceptions import RunFolderError
from raytabdl.history import Result, Seconds, Trial
from raytabdl.inputs import Target, TaskType
from raytabdl.persistence import write_json
from raytabdl.presets import full, medium, small
from raytabdl.run_folder import RunFolder, write_labels
from raytabdl.space import configuration_space
from raytabdl.warm_start import shipped_portfolio


def test_what_is_known_to_work_comes_first_and_each_configuration_once() -> None:
    gathered = gather(configuration_space(medium()), n_design=4, runs=(), seed=0)
    sources = [candidate.source for candidate in gathered.candidates]
    assert list(dict.fromkeys(sources)) == ["shipped", "literature", "design"]
    assert Counter(sources)["shipped"] >= 20
    assert Counter(sources)["design"] == 4 * 8
    ids = [candidate.id for candidate in gathered.candidates]
    assert len(set(ids)) == len(ids)
    kinds = Counter(candidate.kind for candidate in gathered.candidates if candidate.source == "shipped")
    assert set(kinds) >= {"classification", "regression"}


def test_candidates_are_those_of_the_space() -> None:
    gathered = gather(configuration_space(small()), n_design=2, runs=(), seed=0)
    assert {candidate.config["model"] for candidate in gathered.candidates} == {"mlp"}
    assert gathered.n_left_out > 20


def test_the_literatures_settings_are_in_the_full_space_as_they_are() -> None:
    space = configuration_space(full())
    for member in shipped_portfolio("literature").members:
        for name, value in member.config.items():
            assert space[name].legal_value(value), f"{member.note}: {name} = {value}"


def test_the_incumbents_of_a_run_are_the_best_of_different_families(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    write_json(folder.run_json, {})
    write_labels(folder.path / "labels.json", np.array(["a", "b"]), Target(TaskType.BINARY, 2))
    history = folder.history()
    losses = {"lightgbm": [0.3, 0.2], "mlp": [0.5], "catboost": [0.4], "tabm": [0.6], "linear": [0.1]}
    for model, own in losses.items():
        for number, loss in enumerate(own):
            name = f"{model}-{number}"
            origin = "quick" if model == "linear" else "random"
            history.append(Trial(name, {"model": model, "number": number}, origin, 0, 0))
            history.append(Result(name, 27, loss, loss, {}, Seconds(), 1.0))
    found = incumbents(folder)
    assert [candidate.config for candidate in found] == [
        {"model": "lightgbm", "number": 1},
        {"model": "catboost", "number": 0},
        {"model": "mlp", "number": 0},
    ]
    assert {candidate.kind for candidate in found} == {"classification"}
    with pytest.raises(RunFolderError, match="holds no run"):
        incumbents(RunFolder(tmp_path))
