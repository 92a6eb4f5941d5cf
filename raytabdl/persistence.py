"""Files that are written whole or not at all, and hashes that say whether they still are what was written.

Nothing here writes or reads a pickle: JSON, plain arrays and safetensors only.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from raytabdl.exceptions import CorruptModelError, RaytabdlError, RunFolderError

MANIFEST = "manifest.json"
_DTYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64}

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How an address begins, also once it was made a path of; of a drive there is one letter."""

_IRREPLACEABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)
"""What is said of a folder whose parent cannot be written, of a mount point, and of a folder of an image's layer."""

FORMAT = 1
"""The version of the layout of run folders and saved models."""


def make_folder(path: Path) -> Path:
    """The folder, made where it was missing, closed to other users."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def local_path(path: str | Path) -> Path:
    """The absolute path of a folder. Raises RunFolderError where it is the address of an object store."""
    if _ADDRESS.match(str(path)):
        raise RunFolderError(
            f"{path} is the address of a store, where a folder is needed; the run_folder of a fit may lie in a store, "
            "and is given as a string then: 's3://bucket/path'"
        )
    return Path(path).absolute()


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces a file in one step: a reader sees the old content or the new one, also after a crash."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The path of a file beside another one, whose place it takes when the block ends without an error."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    write_bytes(path, json.dumps(content, indent=1).encode())


def finite(value: Any) -> Any:
    """The value with None for each number in it that is infinite or NaN, at any depth: JSON has neither.

    >>> finite({"loss": math.inf, "scores": [0.5, math.nan]})
    {'loss': None, 'scores': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises CorruptModelError where it is missing or cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CorruptModelError(f"{path} is missing; the folder is no run and no saved model, or was cut") from error
    except ValueError as error:
        raise CorruptModelError(f"{path} is not readable as JSON ({error}); restore the file from a copy") from error


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes a numeric array as .npy in one step."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_bytes(path, content.getvalue())


def read_array(path: Path) -> NDArray[Any]:
    """Raises CorruptModelError where the file is missing, cut short or holds objects, which would be a pickle."""
    try:
        with path.open("rb") as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise CorruptModelError(f"{path} is missing; restore it from a copy") from error
    except (ValueError, EOFError, SyntaxError) as error:
        raise CorruptModelError(f"{path} is no complete array ({error}); restore the file from a copy") from error
    return array


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes named numeric arrays as one safetensors file."""
    write_bytes(path, safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Raises CorruptModelError where the file is missing or cut short."""
    try:
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load_file(path)
    except FileNotFoundError as error:
        raise CorruptModelError(f"{path} is missing; restore it from a copy") from error
    except safetensors.SafetensorError as error:
        raise CorruptModelError(f"{path} is no complete file of arrays ({error}); restore it from a copy") from error
    return arrays


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file as parts of the file itself, whose pages all processes share.

    What is written to them stays in this process. Raises FileNotFoundError where there is no file.
    """
    with path.open("rb") as file:  # the length of the header, the header as JSON, the arrays
        n_header = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(n_header))
        content = np.memmap(file, np.uint8, mode="c", offset=8 + n_header)
    return {
        name: content[slice(*entry["data_offsets"])].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of ``path`` when the block ends without an error.

    An empty folder that cannot be replaced, such as the mount point of a volume, is filled instead.
    """
    make_folder(path.parent)
    with _beside(path) as temporary:
        yield temporary
        if temporary.parent == path:
            _move_up(temporary)
        else:
            _take_the_place(temporary, path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``, or in it where that is all that may be written."""
    try:
        temporary = _temporary_folder(path.parent, path.name)
    except OSError as error:
        if not _stays(path, error):
            raise
        temporary = _temporary_folder(path, path.name)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary_folder(parent: Path, name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))  # mode 0700


def _take_the_place(temporary: Path, path: Path) -> None:
    _settle_all(temporary)
    old = temporary.with_name(f"{temporary.name}-old")
    try:
        if path.exists():
            path.rename(old)
    except OSError as error:
        if not _stays(path, error):
            raise
        inside = _temporary_folder(path, path.name)
        try:
            shutil.copytree(temporary, inside, dirs_exist_ok=True)  # it may lie on another disk
            _move_up(inside)
        finally:
            shutil.rmtree(inside, ignore_errors=True)
    else:
        temporary.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def _move_up(temporary: Path) -> None:
    """Moves what a folder holds into its parent, all of it or nothing; the manifest comes last, and says it is all."""
    _settle_all(temporary)
    moved: list[Path] = []
    try:
        for entry in sorted(temporary.iterdir(), key=lambda entry: entry.name == MANIFEST):
            place = temporary.parent / entry.name
            entry.rename(place)
            moved.append(place)
    except BaseException:
        for place in moved:
            place.rename(temporary / place.name)  # which is deleted
        raise


def _stays(path: Path, error: OSError) -> bool:
    """Whether a folder is empty and can be filled, where an error says that it cannot be replaced."""
    return error.errno in _IRREPLACEABLE and path.is_dir() and not any(path.iterdir())


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """The SHA-256 of each named file or of each file of a named folder, written last."""
    files = [file for name in names for file in _files(folder / name)]
    hashes = {file.relative_to(folder).as_posix(): _sha256(file) for file in sorted(files)}
    write_json(folder / MANIFEST, {"format": FORMAT, "sha256": hashes})


def check_manifest(folder: Path, needed: Iterable[str] = ()) -> None:
    """Raises CorruptModelError, naming the file, where one is missing or is not what was written.

    A file that is ``needed``, or each file in a folder that is, must be in the manifest: none is read unchecked. Hidden
    files, which some file managers leave behind, are never read.
    """
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        raise CorruptModelError(f"{folder / MANIFEST} lists no files; restore it from a copy")
    version = manifest.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise CorruptModelError(
            f"{folder} has format {version!r}, this version of raytabdl reads up to {FORMAT}: update raytabdl"
        )
    root = folder.resolve()
    for name, expected in manifest["sha256"].items():
        file = folder / name
        if not file.resolve().is_relative_to(root):
            raise CorruptModelError(f"{folder / MANIFEST} names a file outside the folder: {name!r}")
        if not file.is_file():
            raise CorruptModelError(f"{file} is missing; restore it from a copy")
        if _sha256(file) != expected:
            raise CorruptModelError(f"{file} was changed or cut short since it was written; restore it from a copy")
    for name in needed:
        if not (folder / name).exists():
            raise CorruptModelError(f"{folder / name} is missing; restore it from a copy")
        for file in _files(folder / name):
            if file.relative_to(folder).as_posix() not in manifest["sha256"] and not file.name.startswith("."):
                raise CorruptModelError(f"{folder / MANIFEST} does not list {file}; restore the folder from a copy")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raises CorruptModelError, naming the path, where what was read from it is not what its format says."""
    try:
        yield
    except RaytabdlError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, OSError) as error:
        raise CorruptModelError(
            f"{path} does not hold what was written ({type(error).__name__}: {error}); restore it from a copy"
        ) from error


def _settle_all(folder: Path) -> None:
    for entry in folder.rglob("*"):
        _settle(entry)


def _settle(entry: Path) -> None:
    """Closes an entry to other users and brings a file to the disk."""
    entry.chmod(0o700 if entry.is_dir() else 0o600)
    if entry.is_file():
        with entry.open("rb") as file:
            os.fsync(file.fileno())


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f"{path} should be in the manifest and does not exist")
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
