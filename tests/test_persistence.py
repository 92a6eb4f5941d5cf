from __future__ import annotations

import errno
import json
import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest

from raytabdl import persistence
from raytabdl.exceptions import CorruptModelError
from raytabdl.persistence import (
    MANIFEST,
    check_manifest,
    make_folder,
    map_arrays,
    read_array,
    read_arrays,
    read_json,
    whole_folder,
    write_array,
    write_arrays,
    write_bytes,
    write_json,
    write_manifest,
)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def saved(folder):
    """A folder with a manifest over a file and a folder."""
    (folder / "models").mkdir()
    write_json(folder / "run.json", {"seed": 0})
    write_array(folder / "models" / "weights.npy", np.arange(4.0))
    write_manifest(folder, ["run.json", "models"])
    return folder


def mode(path):
    return path.stat().st_mode & 0o777


def test_values_read_back_as_they_were_written(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None, "é"]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, None, "é"]}
    array = np.arange(12.0, dtype=np.float32).reshape(3, 4).T
    write_array(tmp_path / "a.npy", array)
    write_arrays(tmp_path / "a.safetensors", {"x": array, "empty": np.empty((0, 3), np.int64)})
    assert (read_array(tmp_path / "a.npy") == array).all()
    read = read_arrays(tmp_path / "a.safetensors")
    assert (read["x"] == array).all()
    assert read["empty"].shape == (0, 3)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_midway_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    def fail(*_):
        raise OSError("no space left on device")

    write_bytes(tmp_path / "a", b"old")
    monkeypatch.setattr(persistence.os, failing, fail)
    with pytest.raises(OSError, match="no space"):
        write_bytes(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_folder_takes_the_place_of_the_old_one_whole(tmp_path):
    for content in ("old", "new"):
        with whole_folder(tmp_path / "model") as folder:
            (folder / content).write_text(content)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]


def test_a_folder_that_fails_midway_leaves_the_old_one_and_nothing_else(tmp_path):
    with whole_folder(tmp_path / "model") as folder:
        (folder / "old").touch()
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "model") as folder:
        (folder / "new").touch()
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["old"]


class Volume:
    """An empty folder that may be filled and not replaced: the tests run as root, whom no mode of a folder stops."""

    def __init__(self, path, monkeypatch, what):
        path.mkdir()
        self.path = path
        self.renamed = []
        self.fails_at = None
        self._what = what
        self._mkdtemp, self._rename = tempfile.mkdtemp, Path.rename
        monkeypatch.setattr(tempfile, "mkdtemp", self.mkdtemp)

        def rename(entry, target):
            return self.rename(entry, target)

        monkeypatch.setattr(Path, "rename", rename)

    def mkdtemp(self, *, prefix, dir):
        if self._what in (errno.EACCES, errno.EROFS) and dir == self.path.parent:
            raise OSError(self._what, os.strerror(self._what), str(dir))
        return self._mkdtemp(prefix=prefix, dir=dir)

    def rename(self, entry, target):
        if self.path in (entry, target):
            raise OSError(self._what, os.strerror(self._what), str(entry))
        if len(self.renamed) == self.fails_at:
            self.fails_at = None
            raise OSError(errno.ENOSPC, "no space left on device")
        self.renamed.append(Path(target).name)
        return self._rename(entry, target)


@pytest.fixture(params=[errno.EACCES, errno.EROFS, errno.EBUSY, errno.EPERM, errno.EXDEV], ids=errno.errorcode.get)
def volume(tmp_path, monkeypatch, request):
    return Volume(tmp_path / "model", monkeypatch, request.param)


def fill(path):
    with whole_folder(path) as folder:
        (folder / "models").mkdir()
        (folder / "models" / "weights").write_text("weights")
        (folder / MANIFEST).write_text("hashes")
        (folder / "run.json").write_text("run")


def test_an_empty_folder_that_cannot_be_replaced_is_filled_the_manifest_last(volume, tmp_path):
    fill(volume.path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert {path.name for path in volume.path.iterdir()} == {"models", "run.json", MANIFEST}
    assert (volume.path / "models" / "weights").read_text() == "weights"
    assert mode(volume.path / "models" / "weights") == mode(volume.path / "run.json") == 0o600
    assert volume.renamed[-1] == MANIFEST


@pytest.mark.parametrize("n_moved", [0, 1, 2])
def test_one_that_cannot_be_filled_whole_stays_empty(volume, tmp_path, n_moved):
    volume.fails_at = n_moved
    with pytest.raises(OSError, match="no space"):
        fill(volume.path)
    assert list(tmp_path.rglob("*")) == [volume.path]


def test_one_whose_content_fails_midway_stays_empty(volume, tmp_path):
    with pytest.raises(RuntimeError), whole_folder(volume.path) as folder:
        (folder / "new").touch()
        raise RuntimeError
    assert list(tmp_path.rglob("*")) == [volume.path]


def test_one_that_holds_something_is_left_as_it_is(volume, tmp_path):
    (volume.path / "mine").touch()
    with pytest.raises(OSError):
        fill(volume.path)
    assert set(tmp_path.rglob("*")) == {volume.path, volume.path / "mine"}


def test_mapped_arrays_are_those_that_were_written_and_the_file_stays_as_it_is(tmp_path):
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array([-(2**40)]),
        "c": np.asfortranarray(np.arange(6.0).reshape(3, 2)),
        "none": np.empty((4, 0), np.int32),
    }
    write_arrays(tmp_path / "a.safetensors", arrays)
    mapped = map_arrays(tmp_path / "a.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(mapped[name], array)
        assert mapped[name].dtype == array.dtype
    before = (tmp_path / "a.safetensors").read_bytes()
    mapped["a"][:] = 7
    assert (tmp_path / "a.safetensors").read_bytes() == before


def test_folders_and_files_are_closed_to_other_users(tmp_path):
    make_folder(tmp_path / "run")
    write_json(tmp_path / "run" / "a.json", {})
    with whole_folder(tmp_path / "model") as folder:
        (folder / "weights").touch(mode=0o644)
        (folder / "part").mkdir(mode=0o755)
    assert mode(tmp_path / "run") == mode(tmp_path / "model") == mode(tmp_path / "model" / "part") == 0o700
    assert mode(tmp_path / "run" / "a.json") == mode(tmp_path / "model" / "weights") == 0o600


def test_a_folder_that_is_as_it_was_written_passes_also_where_it_was_moved(tmp_path):
    (tmp_path / "a").mkdir()
    saved(tmp_path / "a").rename(tmp_path / "b")
    check_manifest(tmp_path / "b")


@pytest.mark.parametrize("damage", ["truncated", "bit flip", "missing"])
@pytest.mark.parametrize("name", ["run.json", "models/weights.npy"])
def test_a_damaged_file_is_named(tmp_path, name, damage):
    file = saved(tmp_path) / name
    content = bytearray(file.read_bytes())
    content[-1] ^= damage == "bit flip"
    file.write_bytes(content[: -5 if damage == "truncated" else None])
    if damage == "missing":
        file.unlink()
    with pytest.raises(CorruptModelError, match=name):
        check_manifest(tmp_path)


@pytest.mark.parametrize("outside", ["../x", "models/../../x", "{absolute}"])
def test_a_manifest_that_names_a_file_outside_is_refused(tmp_path, outside):
    (tmp_path / "x").write_text("secret")
    (tmp_path / "model").mkdir()
    folder = saved(tmp_path / "model")
    name = outside.format(absolute=tmp_path / "x")
    manifest = read_json(folder / MANIFEST)
    manifest["sha256"][name] = persistence._sha256(tmp_path / "x")
    write_json(folder / MANIFEST, manifest)
    with pytest.raises(CorruptModelError, match="outside"):
        check_manifest(folder)


def test_a_link_to_a_file_outside_is_refused(tmp_path):
    (tmp_path / "model").mkdir()
    folder = saved(tmp_path / "model")
    (folder / "run.json").rename(tmp_path / "run.json")
    (folder / "run.json").symlink_to(tmp_path / "run.json")
    with pytest.raises(CorruptModelError, match="outside"):
        check_manifest(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"sha256": {}}', '{"format": "1", "sha256": {}}'])
def test_a_manifest_that_is_none_is_refused(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(CorruptModelError):
        check_manifest(tmp_path)


def test_a_newer_format_asks_for_an_update(tmp_path):
    write_json(saved(tmp_path) / MANIFEST, {"format": persistence.FORMAT + 1, "sha256": {}})
    with pytest.raises(CorruptModelError, match="update raytabdl"):
        check_manifest(tmp_path)


def test_a_file_that_does_not_exist_cannot_be_in_a_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match="labels"):
        write_manifest(tmp_path, ["labels.json"])


@pytest.mark.parametrize("read", [read_json, read_array, read_arrays])
@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY\x01\x00", b"nonsense", b"{"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, read, content):
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(CorruptModelError, match=str(tmp_path / "a")):
        read(tmp_path / "a")


def test_a_pickle_in_an_array_file_is_refused_and_executes_nothing(tmp_path):
    payload = np.array([Payload(tmp_path / "executed")], dtype=object)
    np.save(tmp_path / "objects.npy", payload, allow_pickle=True)
    np.savez(tmp_path / "archive.npz", payload=payload)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Payload(tmp_path / "executed")))
    for name in ("objects.npy", "archive.npz", "raw.npy"):
        for read in (read_array, read_arrays):
            with pytest.raises(CorruptModelError, match=name):
                read(tmp_path / name)
    assert not (tmp_path / "executed").exists()
    pickle.loads((tmp_path / "raw.npy").read_bytes())
    assert (tmp_path / "executed").exists()  # the payload is one


def test_object_arrays_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        write_array(tmp_path / "a.npy", np.array([{}], dtype=object))
    assert json.dumps(os.listdir(tmp_path)) == "[]"


def test_a_manifest_has_the_format_and_the_sha_256_of_each_file(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "abc").write_bytes(b"abc")
    (tmp_path / "empty").touch()
    write_manifest(tmp_path, ["empty", "models"])
    assert read_json(tmp_path / MANIFEST) == {
        "format": 1,
        "sha256": {
            "empty": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "models/abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        },
    }


def test_what_is_being_written_lies_beside_its_place(tmp_path, monkeypatch):
    """So that it takes the place in one step, on whatever disk."""
    assert make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    write_bytes(tmp_path / "file", b"content")
    with whole_folder(tmp_path / "c" / "d" / "model") as folder:
        assert folder.parent == tmp_path / "c" / "d"
    assert (tmp_path / "c" / "d" / "model").is_dir()
