"""What a run of ``raytabdl lcbench run`` consists of: its cells, what is finished of them, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from raytabdl.collection import StudyTask
from raytabdl.component import Config
from raytabdl.curves import CurveFolder, write_lcbench
from raytabdl.curves.folder import LINES
from raytabdl.exceptions import SettingError
from raytabdl.presets import preset
from raytabdl.runtime.estimate import Estimate
from raytabdl.search.policy import NETWORK
from raytabdl.search.samplers import RandomSearch, SpaceExhaustedError
from raytabdl.space import ROOT, Choices, configuration_space
from raytabdl.study_folder import StudyFolder

RECORDING = {"small": 1.25, "medium": 3.0, "full": 6.0}
"""The time of a random network with its scores and statistics, beside the rule by which fits are planned, by preset.

Of two pilots of 18 curves; that of medium was not measured and is set between them.
"""

FILES = {"full.json": False, "light.json": True, "full.parquet": False}
"""What is written at the end, and whether it is without gradients."""


@dataclass(frozen=True)
class CurveSettings:
    """What decides a curve beside its configuration, data set and seed: the same for all of a folder."""

    preset: str
    n_epochs: int
    max_rows: int | None
    seed: int
    most_seconds: float | None = None
    """Of one curve, which is broken off then."""

    @property
    def choices(self) -> Choices:
        """The networks of the preset: classic models have no epochs."""
        return replace(preset(self.preset), classic=())


@dataclass(frozen=True)
class CurveCell:
    """One training to be recorded. ``id`` is the number of its configuration, for later seeds with theirs: "7-1"."""

    data_set: str
    id: str
    config: Config
    seed: int

    @property
    def name(self) -> str:
        return f"{self.data_set}/{self.id}"


def curve_cells(settings: CurveSettings, names: Sequence[str], n_configs: int, n_seeds: int) -> list[CurveCell]:
    """All cells: the first configuration on all data sets before the second. More of them begin with the same."""
    sampler = RandomSearch(configuration_space(settings.choices), settings.seed, root=ROOT)
    try:
        configs = [sampler.suggest() for _ in range(n_configs)]
    except SpaceExhaustedError as error:
        raise SettingError(f"the {settings.preset} space has fewer than {n_configs} configurations: {error}") from error
    return [
        CurveCell(name, str(index) if seed == 0 else f"{index}-{seed}", config, settings.seed + seed)
        for index, config in enumerate(configs)
        for seed in range(n_seeds)
        for name in names
    ]


def estimate(
    cells: Sequence[CurveCell], tasks: Sequence[StudyTask], settings: CurveSettings, folder: StudyFolder
) -> Estimate:
    """What the cells cost, and those that the folder has already."""
    seconds = {}
    for t in tasks:
        width = t.n_columns + t.task.target.n_classes
        usual = RECORDING[settings.preset] * NETWORK.seconds(len(t.task.y), width, settings.n_epochs)
        seconds[t.name] = min(usual, settings.most_seconds or usual)
    found = Estimate({cell.name: seconds[cell.data_set] for cell in cells})
    for line in folder.records(LINES):
        if (name := f"{line['dataset']}/{line['id']}") in found.expected_s:
            found.finished(name, line["seconds"], is_failure="failure" in line)
    return found


def begin(folder: StudyFolder, tasks: Sequence[StudyTask]) -> None:
    """Notes the data sets in the folder."""
    for t in tasks:
        facts = {"n_rows": len(t.task.y), "n_columns": t.n_columns, "n_classes": t.task.target.n_classes}
        folder.add_data_set(t.name, t.task.content, facts)


def write_files(folder: Path) -> list[Path]:
    """Writes all finished curves in LCBench's form, full and light, and as parquet."""
    curves = CurveFolder(folder)
    for name, light in FILES.items():
        write_lcbench(curves, folder / name, light=light)
    return [folder / name for name in FILES]


def as_settings(settings: CurveSettings) -> dict[str, Any]:
    return {"study": "lcbench", **asdict(settings)}
