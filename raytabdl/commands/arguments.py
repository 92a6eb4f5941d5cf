"""Arguments that several commands take, and what they come to."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from raytabdl.tables import ENDINGS, WRITABLE

if TYPE_CHECKING:
    from raytabdl.space import Choices

LEAST_SECONDS = 0.1
"""What a fit is given where reading the table took all of its time: a quick model."""


class Seconds(click.ParamType[float]):
    """A positive number of seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds > 0):
            self.fail(f"{value!r} is not a positive number of seconds", param, ctx)
        return seconds


class TableFile(click.Path):
    """The path of a table, whose kind its ending tells."""

    name = "table"

    def __init__(self, endings: tuple[str, ...], **options: Any) -> None:
        super().__init__(dir_okay=False, **options)
        self.endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.name.lower().endswith(self.endings):
            self.fail(f"{str(path)!r} ends in none of {', '.join(self.endings)}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"{str(path.parent)!r} is no folder", param, ctx)
        return path


class Run(click.Path):
    """The path of the folder of a run, or the address of one in a store."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        return value if "://" in str(value) else Path(os.fsdecode(super().convert(value, param, ctx)))


class NewRun(Run):
    """The same of a run to be made: missing or empty, seen before a table is read."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        path = super().convert(value, param, ctx)
        if isinstance(path, Path) and path.is_dir() and any(path.iterdir()):
            way_out = f"go on with its run (raytabdl resume {path})" if (path / "run.json").exists() else "delete it"
            self.fail(f"{str(path)!r} is not empty; choose another folder, or {way_out}", param, ctx)
        return path


INPUT = TableFile(ENDINGS, exists=True)
OUTPUT = TableFile(WRITABLE, writable=True)
RUN = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_RUN = NewRun(file_okay=False)
PRESET = click.Choice(("small", "medium", "full"))
UPDATES = click.Path(exists=True, dir_okay=False, path_type=Path)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random."
)


def searched(name: str | None, updates: Path | None) -> str | Choices | None:
    """What is searched, where an option says so."""
    if updates is None:
        return name
    from raytabdl.presets import preset

    return preset(name).updated_from(updates)


def remaining(began: float, limit_s: float) -> float:
    """The seconds of a limit that are left since then, or the least that a fit is given."""
    return max(limit_s - (time.monotonic() - began), LEAST_SECONDS)
