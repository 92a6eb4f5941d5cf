"""A run in its folder: what it starts from, written when it begins, and what is read to go on or to tell of it."""

from __future__ import annotations

import platform
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import raytabdl
from raytabdl.exceptions import RunFolderError, SettingError
from raytabdl.persistence import local_path, read_json, write_json
from raytabdl.presets import preset_name
from raytabdl.run_folder import RunFolder, write_labels
from raytabdl.runtime.run import Run
from raytabdl.runtime.settings import Settings
from raytabdl.search.samplers import MakeSampler
from raytabdl.versions import installed


def new_run_folder(path: Path | None) -> RunFolder:
    """The run folder to be made: the given one, or one named by the time below ``raytabdl_runs``.

    Raises RunFolderError where the path is taken, or is none.
    """
    if path is None:
        path = Path.cwd() / "raytabdl_runs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    folder = RunFolder(local_path(path))
    folder.check_free()
    return folder


def write_run(run: Run, classes: NDArray[Any] | None, target: str | None, further: Sequence[str] = ()) -> None:
    """Makes the folder, with what a run starts from: task, labels, settings and versions.

    ``target`` is the name of the target column, where it has one, ``further`` the arguments of the fit beside the table
    and its target that the folder does not hold in a form to give again.
    """
    run.folder.create()
    with run.folder.writing():
        run.folder.write_task(run.task)
        write_json(run.folder.portfolio, run.portfolio.to_json())
    write_labels(run.folder.path / "labels.json", classes, run.task.target)
    members = (*run.choices.networks, *run.choices.classic)
    write_json(
        run.folder.run_json,
        {
            "raytabdl": raytabdl.__version__,
            "python": platform.python_version(),
            "packages": installed(),
            "settings": asdict(run.settings),
            "choices": {member.name: f"{member.__module__}.{member.__qualname__}" for member in members},
            "preset": preset_name(run.choices),
            "sampler": None if run.sampler is None else name_of(run.sampler),
            "portfolio": {"origin": run.portfolio.origin, "provenance": dict(run.portfolio.provenance)},
            "target": target,
            "further": list(further),
            "n_rows": len(run.task.y),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    )


def read_settings(folder: RunFolder) -> Settings:
    """The settings of a run. Raises RunFolderError where the folder holds none."""
    if not folder.run_json.exists():
        raise RunFolderError(f"{folder.path} holds no run: it has no run.json")
    return Settings(**read_json(folder.run_json)["settings"])


def read_preset(folder: RunFolder) -> str | None:
    """The preset that a run searches, or None where it had choices of its own."""
    name = read_json(folder.run_json).get("preset")
    return None if name is None else str(name)


def name_of(sampler: MakeSampler) -> str:
    """What a sampler is called where it is told of."""
    return str(getattr(sampler, "__qualname__", sampler))


def check_sampler(folder: RunFolder, sampler: MakeSampler | None) -> None:
    """Raises SettingError where a run was searched by another sampler, which its results were told to."""
    known, own = read_json(folder.run_json).get("sampler"), None if sampler is None else name_of(sampler)
    if known != own:
        raise SettingError(
            f"sampler must be the one that the run in {folder.path} was started with, {known or 'None for BOHB'}; "
            f"got {own or 'None'}"
        )


def read_target(folder: RunFolder) -> list[str]:
    """The name of the target column, or nothing where the target had none."""
    name = read_json(folder.run_json)["target"]
    return [] if name is None else [name]


def spent_seconds(folder: RunFolder) -> float:
    """The seconds that a run had used when its last record was written."""
    history = folder.history()
    last_result = max((result.time for result in history.results), default=0.0)
    return max(last_result, *(seconds for seconds, _ in folder.read_trajectory()), 0.0)
