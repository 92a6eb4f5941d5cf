from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.curves import LCBench, write_lcbench
from raytabdl.exceptions import CurvesError, SettingError


def test_what_lcbench_answers(original: Path) -> None:
    benchmark = LCBench(original)
    assert benchmark.dataset_names == ("adult", "car")
    assert benchmark.n_configs("adult") == 3
    assert benchmark.openml_task_ids == {"adult": 126026, "car": 126026}
    np.testing.assert_array_equal(benchmark.query("adult", "Train/val_accuracy", 1), [50, 55, 70])
    np.testing.assert_array_equal(benchmark.query("adult", "val_accuracy", "1"), [50, 55, 70])
    assert float(benchmark.query("car", "final_val_accuracy", 1)) == 55
    assert benchmark.config("adult", 1)["num_layers"] == 3


def test_one_layer_is_an_integer_though_stored_as_true(original: Path) -> None:
    n_layers = LCBench(original).config("adult", 0)["num_layers"]
    assert n_layers == 1
    assert not isinstance(n_layers, bool)


def test_the_best_of_an_accuracy_is_the_largest_anywhere_on_a_curve(original: Path) -> None:
    benchmark = LCBench(original)
    ranked = [benchmark.query_best("adult", "val_accuracy", position) for position in range(3)]
    assert ranked == [("1", 70.0), ("0", 60.0), ("2", 54.0)]


def test_the_best_of_a_time_is_the_smallest(original: Path, content: dict[str, Any]) -> None:
    content["adult"]["0"]["log"]["time"] = [math.nan] * 3
    original.write_text(json.dumps(content))
    ranked = [LCBench(original).query_best("adult", "time", position) for position in range(3)]
    assert ranked[:2] == [("1", 1.0), ("2", 2.0)]
    assert ranked[2] == ("0", math.inf)


def test_the_tags_are_those_of_the_deepest_network(original: Path) -> None:
    tags = LCBench(original).tags("adult")
    assert {"Train/layer_wise_gradient_mean_layer_2", "time", "final_val_accuracy"} <= set(tags)


def test_a_table_has_the_values_after_an_epoch(original: Path, content: dict[str, Any]) -> None:
    log = content["car"]["2"]["log"]
    content["car"]["2"]["log"] = {tag: values[:2] for tag, values in log.items()}
    del content["car"]["0"]
    original.write_text(json.dumps(content))
    table = LCBench(original).table("val_accuracy", epoch=2)
    assert table.loc["1"].tolist() == [70.0, 55.0]
    assert table["car"].isna().tolist() == [True, False, True]
    assert LCBench(original).table("val_accuracy").loc["2", "car"] == 52.0  # its own end
    with pytest.raises(SettingError, match="epoch=9"):
        LCBench(original).table("val_accuracy", epoch=9)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda b: b.query("adult", "val_acuracy", 0), "got 'val_acuracy'; did you mean 'val_accuracy'"),
        (lambda b: b.query("adults", "time", 0), "the data set must be one of adult, car, got 'adults'; did you mean"),
        (lambda b: b.query("adult", "time", 3), "got 3; it has 3: 0 to 2"),
        (lambda b: b.query_best("adult", "time", 3), "from 0 to 2, got position=3"),
    ],
)
def test_an_unknown_name_is_answered_with_those_that_are_known(ask: Any, words: str, original: Path) -> None:
    with pytest.raises(SettingError, match=words):
        ask(LCBench(original))


@pytest.mark.parametrize("ending", [".json", ".parquet"])
def test_what_was_written_is_read_again(ending: str, original: Path, content: dict[str, Any]) -> None:
    content["car"]["1"]["log"]["time"][1] = math.nan
    content["adult"]["2"]["log"]["time"].append(7.125)
    original.write_text(json.dumps(content))
    first = LCBench(original)
    write_lcbench(first, original.with_name("again" + ending))
    again = LCBench(original.with_name("again" + ending))
    assert again.dataset_names == first.dataset_names
    for dataset in first.dataset_names:
        for config in first.config_ids(dataset):
            one, other = first.curve(dataset, config), again.curve(dataset, config)
            assert (one.config, one.results) == (other.config, other.results)
            assert set(one.log) == set(other.log)
            for tag, values in one.log.items():
                np.testing.assert_array_equal(values, other.log[tag])


@pytest.mark.parametrize("ending", [".json", ".parquet"])
def test_a_light_file_has_no_gradients(ending: str, original: Path) -> None:
    light = original.with_name("light" + ending)
    write_lcbench(LCBench(original), light, light=True)
    assert set(LCBench(light).curve("adult", 1).log) == {"time", "Train/val_accuracy"}


def test_what_is_written_is_json_for_everybody(original: Path, content: dict[str, Any]) -> None:
    content["adult"]["0"]["log"]["time"][0] = math.nan
    original.write_text(json.dumps(content))
    write_lcbench(LCBench(original), original.with_name("plain.json"))
    text = original.with_name("plain.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["adult"]["0"]["log"]["time"][0] is None


def test_a_zip_file_is_read_as_it_is(original: Path) -> None:
    packed = original.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(original, "data_2k.json")
        archive.writestr("__MACOSX/._data_2k.json", "")
    assert LCBench(packed).n_configs("car") == 3
    packed.write_bytes(packed.read_bytes()[:-40])
    with pytest.raises(CurvesError, match="no complete zip file"):
        LCBench(packed)


@given(share=st.floats(0.0, 0.999))
def test_a_file_cut_anywhere_is_said_to_be_cut_short(share: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    log = {"time": [0.5, 12.25], "Train/löss": [1e-3, -2.5e10]}
    entry = {"config": {"num_layers": 2}, "log": log, "results": {"name": "\u00e9{}"}}
    content = json.dumps({"a": {"0": entry, "1": entry}, "b": {"0": entry}}, ensure_ascii=False).encode()
    path = tmp_path_factory.mktemp("cut") / "data.json"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CurvesError, match="cut short"):
        LCBench(path)
    path.write_bytes(content)
    assert LCBench(path).n_configs("a") == 2


def test_a_large_file_is_read_across_its_chunks(
    original: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raytabdl.curves.stream._CHUNK", 7)
    benchmark = LCBench(original)
    np.testing.assert_array_equal(benchmark.query("car", "time", 2), content["car"]["2"]["log"]["time"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cut short"),
        ("<html>" + "x" * 9999, "must be JSON"),
        ("[1, 2]", "must be JSON"),
        ('{"a": {"0": {"log": {}, "curve": [1]}}}', r"must have config, log, results, got \['curve', 'log'\]"),
        ('{"a": {"0": [1, 2]}}', "got list: the file is of another version"),
        ('{"a": {"0": {"config": {}, "log": {"time": ["x"]}, "results": {}}}}', "numbers in its log"),
        ("{}", "must hold learning curves, got none"),
    ],
)
def test_a_file_of_another_kind_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(CurvesError, match=words):
        LCBench(path)


def test_a_missing_file_is_answered_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(CurvesError, match="raytabdl lcbench download"):
        LCBench(tmp_path / "none.json")


def test_a_parquet_file_that_is_cut_or_of_another_version_is_refused(original: Path) -> None:
    path = original.with_suffix(".parquet")
    write_lcbench(LCBench(original), path)
    table = pq.read_table(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CurvesError, match="no complete parquet file"):
        LCBench(path)
    for metadata, words in (({b"raytabdl_learning_curves": b"2"}, "got version 2"), (None, "got no learning curves")):
        pq.write_table(table.replace_schema_metadata(metadata), path)
        with pytest.raises(CurvesError, match=words):
            LCBench(path)


def test_a_file_that_could_not_be_written_whole_is_not_there(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = LCBench(original)
    monkeypatch.setattr(LCBench, "curve", lambda self, dataset, config: 1 / 0)
    for ending in (".json", ".parquet"):
        with pytest.raises(ZeroDivisionError):
            write_lcbench(benchmark, original.with_name("new" + ending))
    assert list(original.parent.iterdir()) == [original]
    with pytest.raises(SettingError, match=r"must end in .json or .parquet, got '.*new.csv'"):
        write_lcbench(benchmark, original.with_name("new.csv"))
