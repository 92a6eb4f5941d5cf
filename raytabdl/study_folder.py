"""The folder of a study that takes hours: its settings, and what is finished as lines that are only ever added."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytabdl.exceptions import RunFolderError
from raytabdl.lines import append_line, read_lines
from raytabdl.lock import locked
from raytabdl.persistence import make_folder, read_json, write_json

LOCK = ".lock"
DATA_SETS = "datasets.jsonl"


@dataclass(frozen=True)
class StudyFolder:
    """Where a study is kept, so that it goes on after a kill at any time; one process at a time adds to it."""

    path: Path

    @property
    def settings(self) -> Path:
        return self.path / "study.json"

    @contextmanager
    def begun(self, settings: Mapping[str, Any]) -> Iterator[None]:
        """Makes the folder, or goes on with a study of the same settings, while the block lasts.

        Raises RunFolderError where it was begun with others, holds something else, or another process is at it.
        """
        self.check(settings)
        try:
            make_folder(self.path)
            (self.path / LOCK).touch()
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be written: {error}") from error
        with locked(self.path / LOCK):
            if not self.settings.exists():
                write_json(self.settings, dict(settings))
            yield

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raises RunFolderError where it was begun with other settings, or holds something else."""
        if self.settings.exists():
            begun_with = read_json(self.settings)
            for name in sorted({*settings, *begun_with}):
                if begun_with.get(name) != (now := settings.get(name)):
                    raise RunFolderError(
                        f"{self.path} was begun with {name} {begun_with.get(name)!r}, got {now!r}; go on with the "
                        "same settings, or choose another folder"
                    )
        elif self.path.exists() and not (self.path.is_dir() and {e.name for e in self.path.iterdir()} <= {LOCK}):
            raise RunFolderError(f"{self.path} is not an empty folder and holds no study; choose another one")

    def add_data_set(self, name: str, content: str, facts: Mapping[str, Any]) -> None:
        """Notes what a data set is like. Raises RunFolderError where the study knows another of its name."""
        known = {record["name"]: record for record in self.records(DATA_SETS)}
        if name not in known:
            self.append(DATA_SETS, {"name": name, "content": content, **facts})
        elif known[name]["content"] != content:
            raise RunFolderError(
                f"{self.path} was begun with another table {name}, of {known[name]['n_rows']} rows in the study; "
                "go on with the same file, or choose another folder"
            )

    def append(self, name: str, record: Mapping[str, Any]) -> None:
        """Adds a line to a file of JSON lines; what is not finite must be null."""
        append_line(self.path / name, json.dumps(record, allow_nan=False))

    def records(self, name: str) -> Iterator[dict[str, Any]]:
        """The lines of a file, without a last one that was cut short. Raises RunFolderError on one that is no JSON."""
        return read_lines(self.path / name)
