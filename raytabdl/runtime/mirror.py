"""A copy of a run folder in an object store, whole file by whole file, from which the run goes on elsewhere."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from types import TracebackType

from pyarrow.fs import FileSelector, FileSystem, FileType

from raytabdl.exceptions import RunFolderError
from raytabdl.lines import read_lines
from raytabdl.persistence import MANIFEST, make_folder, whole_folder, write_bytes

PUSH_SECONDS = 10.0
"""Between two looks at what is new in the folder."""

_DELETED = "deleted.jsonl"

_LOGS = ("trials.jsonl", "curves.jsonl", "trajectory.jsonl", "phases.jsonl", _DELETED)
"""What grows line by line, and names the other files."""

_LEFT_OUT = ("tune", "cache", "memouts")
"""What is of no use elsewhere."""

_CHECKPOINTS, _PREDICTIONS = "checkpoints", "predictions"

Stamp = tuple[int, int, int]


def mirrored(folder: Path, uri: str | None) -> AbstractContextManager[object]:
    """A copy of a new run while the block goes on, where it is to have one.

    Raises RunFolderError where the store holds a run already, or cannot be written.
    """
    if uri is None:
        return nullcontext()
    mirror = Mirror(folder, uri)
    mirror.check_free()
    return mirror


def is_uri(path: object) -> bool:
    """Whether a run folder is meant to lie in an object store: ``s3://bucket/path?region=eu-central-1``."""
    return isinstance(path, str) and "://" in path


class Mirror:
    """Sends what is new in ``folder`` to a store while the block goes on, and the rest when it ends.

    A file is sent before those that name it, and a checkpoint as one object; so at any time the store holds a run
    that can be gone on with. Models that the run says it has deleted are deleted there too; what only lacks here, such
    as that of a folder which somebody deletes, stays. While the store cannot be reached the run goes on in its folder.
    """

    def __init__(self, folder: Path, uri: str) -> None:
        self.folder = folder
        self.uri = uri
        self._sent: dict[str, Stamp] = {}
        self._made: set[PurePosixPath] = set()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="raytabdl-mirror", daemon=True)
        try:
            self._store, self._root = FileSystem.from_uri(uri)
        except (ValueError, OSError) as error:
            raise RunFolderError(f"{uri} must be the address of a folder as pyarrow reads it: {error}") from error

    def check_free(self) -> None:
        """Raises RunFolderError where the store holds another run already, or cannot be written."""
        if "run.json" in self._stored():
            raise RunFolderError(f"{self.uri} holds a run; choose another address, or go on with it by resume")
        try:
            self._put(".writable", b"")
            self._store.delete_file(f"{self._root}/.writable")
        except OSError as error:
            raise RunFolderError(f"{self.uri} cannot be written; check address and credentials: {error}") from error

    def pull(self) -> None:
        """Brings the run into the folder; a checkpoint that is broken is said and left out.

        Raises RunFolderError where there is none, or it cannot be read.
        """
        stored = self._stored()
        if "run.json" not in stored:
            raise RunFolderError(f"{self.uri} holds no run: it has no run.json")
        for name in stored:  # oldest first: members are told by their age
            path = PurePosixPath(name)
            if ".." in path.parts or path.is_absolute():
                raise RunFolderError(f"{self.uri} holds {name!r}, a name that leads out of the folder")
            with self._store.open_input_stream(f"{self._root}/{name}") as file:
                content = file.read()
            if path.parts[0] == _CHECKPOINTS:
                try:
                    _unpack(content, self.folder / path.with_suffix(""))
                except tarfile.TarError as error:
                    said = f"{self.uri}/{name} is no whole checkpoint, its trial begins anew: {error}"
                    warnings.warn(said, UserWarning, stacklevel=3)
            else:
                make_folder((self.folder / name).parent)
                write_bytes(self.folder / name, content)
        for name in ("models", _PREDICTIONS, _CHECKPOINTS):  # of which an empty one is no object
            make_folder(self.folder / name)
        self._sent = {name: stamp for name, stamp in self._files() if name in stored}

    def push(self) -> None:
        """Sends what is new or has changed, and deletes the models that the run has deleted."""
        if not self.folder.exists():
            return  # the run failed before it had one
        deleted = [record["member"] for record in read_lines(self.folder / _DELETED)]
        logs = {name: path.read_bytes() for name in _LOGS if (path := self.folder / name).exists()}
        predictions = [file for file in self._files() if file[0].startswith(f"{_PREDICTIONS}/")]
        others = [file for file in self._files() if not file[0].startswith(f"{_PREDICTIONS}/") and file[0] != MANIFEST]
        for name, stamp in [*others, *predictions]:
            if self._sent.get(name) != stamp and (content := self._content(name, stamp)) is not None:
                self._put(name, content)
                self._sent[name] = stamp
        for name, content in logs.items():
            if self._sent.get(name, (0, 0, -1))[-1] != len(content):
                self._put(name, content)
                self._sent[name] = (0, 0, len(content))
        if (self.folder / MANIFEST).exists():
            self._put(MANIFEST, (self.folder / MANIFEST).read_bytes())
        here = {name for name, _ in predictions}
        for member in deleted:
            name = f"{_PREDICTIONS}/{member}.npy"
            if name in self._sent and name not in here:  # else it was published anew
                self._delete(member)

    def __enter__(self) -> Mirror:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        try:
            self.push()
        except OSError as failure:
            warnings.warn(
                f"{self.uri} does not hold all of the run, which is whole in {self.folder}: {failure}", stacklevel=2
            )

    def _run(self) -> None:
        while not self._is_over.wait(PUSH_SECONDS):
            try:
                self.push()
            except OSError:
                continue  # it is tried again, and said at the end if it never works

    def _stored(self) -> list[str]:
        """The names in the store, oldest first."""
        try:
            found = self._store.get_file_info(FileSelector(self._root, allow_not_found=True, recursive=True))
        except OSError as error:
            raise RunFolderError(f"{self.uri} cannot be read; check address and credentials: {error}") from error
        files = [(info.mtime_ns or 0, PurePosixPath(info.path)) for info in found if info.type == FileType.File]
        return [path.relative_to(self._root).as_posix() for _, path in sorted(files)]

    def _files(self) -> Iterator[tuple[str, Stamp]]:
        """What is to be in the store, without the logs; a checkpoint is one file there."""
        for entry in sorted(self.folder.rglob("*")):
            path = entry.relative_to(self.folder)
            if path.parts[0] in (*_LEFT_OUT, *_LOGS) or any(part.startswith(".") for part in path.parts):
                continue
            is_checkpoint = path.parts[0] == _CHECKPOINTS
            try:
                if entry.is_dir() if is_checkpoint and len(path.parts) == 2 else entry.is_file() and not is_checkpoint:
                    yield f"{path.as_posix()}.tar" if is_checkpoint else path.as_posix(), _stamp(entry)
            except FileNotFoundError:
                continue  # replaced in this moment

    def _content(self, name: str, stamp: Stamp) -> bytes | None:
        """What a file is now; None where a checkpoint was replaced while it was read."""
        path = self.folder / name
        if not name.startswith(f"{_CHECKPOINTS}/"):
            return path.read_bytes() if path.exists() else None
        packed = io.BytesIO()
        try:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.add(path.with_suffix(""), arcname=".")
            return packed.getvalue() if _stamp(path.with_suffix("")) == stamp else None
        except FileNotFoundError:
            return None

    def _delete(self, member: str) -> None:
        """Deletes a member, as the run does: the predictions first."""
        predictions, model = f"{_PREDICTIONS}/{member}.npy", f"models/{member}"
        # Known no more, also where the store cannot be reached: what stays there is in nobody's way.
        self._sent = {n: s for n, s in self._sent.items() if n != predictions and not n.startswith(f"{model}/")}
        self._made = {path for path in self._made if not path.is_relative_to(PurePosixPath(self._root, model))}
        with suppress(FileNotFoundError):
            self._store.delete_file(f"{self._root}/{predictions}")
            self._store.delete_dir(f"{self._root}/{model}")

    def _put(self, name: str, content: bytes) -> None:
        path = PurePosixPath(self._root, name)
        if path.parent not in self._made:
            self._store.create_dir(path.parent.as_posix(), recursive=True)
            self._made.add(path.parent)
        with self._store.open_output_stream(path.as_posix()) as file:
            file.write(content)


def _unpack(content: bytes, folder: Path) -> None:
    """Writes the files of a checkpoint; what is no plain file of it, or leads out of the folder, is left out."""
    with whole_folder(folder) as temporary, tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for entry in archive:
            path = PurePosixPath(entry.name)
            file = archive.extractfile(entry) if entry.isreg() else None
            if file is not None and not path.is_absolute() and ".." not in path.parts:
                make_folder((temporary / path).parent)
                (temporary / path).write_bytes(file.read())


def _stamp(path: Path) -> Stamp:
    """What changes when a file or a folder is replaced."""
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns, status.st_size
