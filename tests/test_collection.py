from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.collection import DataSet, data_sets, read_study_task, subsample
from raytabdl.exceptions import DataError, SettingError
from raytabdl.inputs import Target, TaskType


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tables with a manifest: three classes, of which one is rare, and a regression of two columns."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400), "row": np.arange(400)})
    frame["kind"] = ["rare"] * 10 + ["x", "y"] * 195
    frame.to_parquet(tmp_path / "flowers.parquet")
    frame[["a", "b"]].to_csv(tmp_path / "numbers.csv", index=False)
    records = [
        {"name": "flowers", "target": "kind", "task": "multiclass"},
        {"name": "numbers", "target": "b", "file": "numbers.csv"},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(records))
    return tmp_path


def test_a_manifest_names_tables_and_a_table_can_be_named_itself(folder: Path) -> None:
    flowers, numbers = data_sets([str(folder)])
    assert flowers == DataSet("flowers", folder / "flowers.parquet", "kind", "classification")
    assert numbers == DataSet("numbers", folder / "numbers.csv", "b")
    assert data_sets([str(folder)], ["numbers"]) == [numbers]
    assert data_sets([f"{folder / 'numbers.csv'}:b"]) == [numbers]


def test_the_test_set_is_not_trained_on_and_every_class_is(folder: Path) -> None:
    found = read_study_task(data_sets([str(folder)])[0], max_rows=300, seed=0, with_test=True)
    inputs, y = found.test
    rows, test_rows = found.task.inputs.numeric[:, 2], inputs.numeric[:, 2]
    assert not set(rows) & set(test_rows)
    assert len(rows) + len(test_rows) == pytest.approx(300, abs=10)
    assert len(test_rows) / 300 == pytest.approx(0.2, abs=0.02)
    train, valid = found.task.split(0)
    for part in (y, found.task.y[train], found.task.y[valid]):
        assert set(part) == {0, 1, 2}
    again = read_study_task(data_sets([str(folder)])[0], max_rows=300, seed=0, with_test=True)
    other = read_study_task(data_sets([str(folder)])[0], max_rows=300, seed=1, with_test=True)
    assert again.task.content == found.task.content != other.task.content


def test_a_target_of_fractions_is_a_regression(folder: Path) -> None:
    task = read_study_task(data_sets([str(folder)])[1], max_rows=None, seed=0, with_test=False).task
    assert task.target == Target(TaskType.REGRESSION, 0)
    assert len(task.y) == 400


@given(counts=st.lists(st.integers(1, 200), min_size=2, max_size=6), n_rows=st.integers(1, 300))
def test_a_subsample_keeps_classes_and_their_shares(counts: list[int], n_rows: int) -> None:
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = subsample(y, Target(TaskType.MULTICLASS, len(counts)), n_rows, np.random.default_rng(1))
    kept = np.bincount(y[rows], minlength=len(counts))
    assert len(set(rows.tolist())) == len(rows)
    for own, count in zip(kept, counts, strict=True):
        share = count * min(1.0, n_rows / len(y))
        assert min(count, 10) <= own <= count
        assert own <= max(share + 0.5, 10)
        assert own >= min(share - 0.5, count)


@pytest.mark.parametrize(
    ("sources", "names", "words"),
    [
        (["table.txt:y"], [], "FILE:TARGET, a file that ends in"),
        (["table.csv"], [], "FILE:TARGET"),
        (["{folder}/none.csv:y"], [], "is no file"),
        (["{folder}"], ["flower"], "the data sets are flowers, numbers; got flower"),
        (["{folder}", "{folder}/numbers.csv:b"], [], "must differ in name"),
        (["{folder}/.."], [], r"has no manifest\.json"),
    ],
)
def test_what_is_no_data_set_is_refused(folder: Path, sources: list[str], names: list[str], words: str) -> None:
    with pytest.raises((SettingError, DataError), match=words):
        data_sets([source.format(folder=folder) for source in sources], names)


@pytest.mark.parametrize("content", ["{", '{"name": 3}', "[3]", '[{"name": "flowers"}]'])
def test_a_manifest_that_is_none_is_named(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json must hold a list of records with a name and a target"):
        data_sets([str(folder)])


def test_a_fault_in_a_table_names_the_data_set(folder: Path) -> None:
    with pytest.raises(DataError, match=r"flowers: no column 'colour' to predict; it has \['a', 'b', 'row', 'kind'\]"):
        read_study_task(DataSet("flowers", folder / "flowers.parquet", "colour"), max_rows=9, seed=0, with_test=False)
    pd.DataFrame({"a": [1.0, 2.0], "b": [0.5, None]}).to_csv(folder / "numbers.csv", index=False)
    with pytest.raises(DataError, match=r"numbers: Input y contains NaN: 1 missing"):
        read_study_task(data_sets([str(folder)])[1], max_rows=9, seed=0, with_test=False)
