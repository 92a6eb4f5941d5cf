"""Models that earlier releases saved, and what a loader of a stranger's file must refuse."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch

from raytabdl.estimators import TabularClassifier, load
from raytabdl.exceptions import CorruptModelError, RunFolderError
from raytabdl.persistence import MANIFEST, read_json, write_json, write_manifest
from raytabdl.run_folder import KEPT

GOLDEN = sorted(Path(__file__).with_name("golden").glob("format-*/*"))
CLASSIFIER = next(path for path in GOLDEN if path.name == "classifier")
MEMBER_FILES = sorted(file.relative_to(CLASSIFIER / "model").as_posix() for file in CLASSIFIER.glob("model/models/*/*"))


@pytest.fixture(params=GOLDEN, ids=lambda path: f"{path.parent.name}-{path.name}")
def golden(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the golden classifier, which a test may change."""
    return Path(shutil.copytree(CLASSIFIER / "model", tmp_path / "model"))


def hashed_again(model: Path) -> Path:
    """What someone does who changes a file of a model and wants it to be loaded."""
    write_manifest(model, [*KEPT, "models"])
    return model


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


# What an earlier release has saved.


def test_a_golden_model_has_a_member_of_every_family() -> None:
    members = load(CLASSIFIER / "model").predictor_.members.values()
    names = {str(member.config["model"]) for member in members}
    trees = {"catboost", "lightgbm", "random_forest", "extra_trees"}
    assert names == trees | {"mlp", "tabm", "linear", "svm", "neighbours", "dummy"}


def test_a_golden_model_predicts_what_it_did(golden: Path) -> None:
    predictor = load(golden / "model").predictor_
    rows, expected = pd.read_csv(golden / "rows.csv"), read_json(golden / "expected.json")
    inputs = predictor.schema.encode(rows)
    assert predictor.members.keys() == expected["members"].keys()
    for name, member in predictor.members.items():
        np.testing.assert_allclose(member.predict(inputs), expected["members"][name], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(predictor.predict(rows), expected["predictions"], rtol=1e-5, atol=1e-7)


def test_a_model_is_loaded_from_a_moved_read_only_folder_and_left_as_it_is(model: Path) -> None:
    moved = model.rename(model.parent / "elsewhere é")
    for entry in (moved, *moved.rglob("*")):
        entry.chmod(0o500 if entry.is_dir() else 0o400)
    before = contents(moved)
    rows = pd.read_csv(CLASSIFIER / "rows.csv")
    predictions = load(moved).predict_proba(rows)
    np.testing.assert_allclose(predictions, read_json(CLASSIFIER / "expected.json")["predictions"], rtol=1e-5)
    assert contents(moved) == before
    for entry in (moved, *moved.rglob("*")):
        entry.chmod(0o700)


def test_loading_needs_nothing_that_only_training_does(golden: Path) -> None:
    """Neither Ray nor an extra: they are made impossible to import."""
    blocked = ["ray", "hpbandster", "matplotlib", "jinja2", "onnx", "onnxruntime"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "import pandas as pd\n"
        "from raytabdl.estimators import load\n"
        f"load({str(golden / 'model')!r}).predict(pd.read_csv({str(golden / 'rows.csv')!r}))\n"
        "print('predicted')"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "predicted\n", done.stderr


def test_nothing_in_a_saved_model_belongs_to_a_version_of_python(golden: Path) -> None:
    """Each file is JSON, plain arrays under their names, or a booster's own: no pickle, no byte code."""
    for file in (golden / "model").rglob("*"):
        if file.is_dir():
            continue
        content = file.read_bytes()
        if file.suffix == ".safetensors":
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            assert {entry["dtype"] for entry in header.values()} <= {"F32", "F64", "I32", "I64"}
        elif file.suffix == ".cbm":
            assert content.startswith(b"CBM1")
        elif file.suffix == ".txt":
            assert content.startswith(b"tree\n")
        else:
            assert file.suffix in (".json", ".jsonl")
            for line in content.splitlines() if file.suffix == ".jsonl" else [content]:
                json.loads(line)


# What is no longer what was saved.


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
@pytest.mark.parametrize("name", [*KEPT, *MEMBER_FILES])
def test_a_file_that_was_changed_is_named(model: Path, name: str, damage: str) -> None:
    file = model / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= damage == "flipped"
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[: -1 if damage == "cut" else None])
    with pytest.raises(CorruptModelError, match=name.replace("+", r"\+")):
        load(model)


def test_a_file_that_the_manifest_does_not_list_is_not_read(model: Path) -> None:
    manifest = read_json(model / MANIFEST)
    name = next(name for name in manifest["sha256"] if name.endswith("network.safetensors"))
    del manifest["sha256"][name]
    write_json(model / MANIFEST, manifest)
    with pytest.raises(CorruptModelError, match=rf"does not list .*{name}"):
        load(model)


def test_what_a_file_manager_leaves_in_a_folder_is_no_damage(model: Path) -> None:
    next(model.glob("models/*")).joinpath(".DS_Store").write_bytes(b"icons")
    load(model)


# What a stranger has made, hashes and all.


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def pickled(payload: Payload) -> bytes:
    return pickle.dumps(payload)


def torch_archive(payload: Payload) -> bytes:
    file = io.BytesIO()
    torch.save({"network.weight": payload}, file)
    return file.getvalue()


def joblib_file(payload: Payload) -> bytes:
    file = io.BytesIO()
    joblib.dump([payload], file)
    return file.getvalue()


def object_array(payload: Payload) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([payload], dtype=object), allow_pickle=True)
    return file.getvalue()


@contextmanager
def nothing_executed(folder: Path) -> Iterator[Payload]:
    yield Payload(folder / "executed")
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("craft", [pickled, torch_archive, joblib_file, object_array])
@pytest.mark.parametrize("name", [*KEPT[:-1], *MEMBER_FILES])  # the trials are not read
def test_a_crafted_file_is_refused_by_name_and_executes_nothing(
    model: Path, tmp_path: Path, name: str, craft: Callable[[Payload], bytes]
) -> None:
    with nothing_executed(tmp_path) as payload:
        (model / name).write_bytes(craft(payload))
        with pytest.raises((CorruptModelError, RunFolderError), match=Path(name).parent.name or name):
            load(hashed_again(model))


def test_the_payload_is_one(tmp_path: Path) -> None:
    pickle.loads(pickled(Payload(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["schema.json", "labels.json", "ensemble.json", *MEMBER_FILES[:2]])
@pytest.mark.parametrize("content", ["{}", "[]", "3", '{"weights": 3}'])
def test_json_of_another_form_is_refused(model: Path, name: str, content: str) -> None:
    (model / name).write_text(content)
    with pytest.raises(CorruptModelError):
        load(hashed_again(model))


@pytest.mark.parametrize("member", ["../outside", "/outside", "..", "a/b", ""])
def test_an_ensemble_that_climbs_out_of_its_folder_is_refused(model: Path, member: str) -> None:
    shutil.copytree(next(model.glob("models/*")), model / "outside")
    ensemble = read_json(model / "ensemble.json")
    write_json(model / "ensemble.json", {**ensemble, "weights": {member: 1.0}})
    with pytest.raises(CorruptModelError, match="outside the folder"):
        load(hashed_again(model))


def test_a_member_that_is_a_link_out_of_the_folder_is_refused(model: Path, tmp_path: Path) -> None:
    member = next(model.glob("models/*"))
    shutil.move(member, tmp_path / "elsewhere")
    member.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptModelError, match="outside the folder"):
        load(model)
    with pytest.raises(CorruptModelError, match="does not list"):
        load(hashed_again(model))


def test_an_archive_is_no_model_and_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("../manifest.json", "{}")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunFolderError, match="no saved model"):
        load(tmp_path / "model.zip")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_class_that_a_model_names_is_not_imported(model: Path) -> None:
    record = next(model.glob("models/*/pipeline.json"))
    content = read_json(record)
    write_json(record, {**content, "config": {"model": "os.path.join"}})
    with pytest.raises(ValueError, match="must be one of"):
        TabularClassifier.load(hashed_again(model))
