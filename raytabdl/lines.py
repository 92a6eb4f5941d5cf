"""Files of JSON lines, which are only ever added to: a killed writer costs the last line at most."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from raytabdl.exceptions import RunFolderError


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file of JSON lines, without a last line that was cut short; none where there is no file."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as error:
                raise RunFolderError(
                    f"{path}, line {number}, is not readable as JSON ({error}); delete the line: what it holds is "
                    "made again"
                ) from error


def append_line(path: Path, line: str) -> None:
    """Adds a line to a file, in the place of a last one that a killed writer left unfinished."""
    with open(path, "a+b", opener=_open_private) as file:
        content_end = file.seek(0, os.SEEK_END)
        while content_end and _byte_before(file, content_end) != b"\n":
            content_end -= 1
        file.truncate(content_end)
        file.write(line.encode() + b"\n")


def _byte_before(file: BinaryIO, position: int) -> bytes:
    file.seek(position - 1)
    return file.read(1)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
