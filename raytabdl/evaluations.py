"""Candidates evaluated on data sets: the records of a study that is going or over, and the compressed table of losses.

A portfolio is learned from either. Only the folder of the study has the validation predictions.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from raytabdl.component import Config
from raytabdl.exceptions import CorruptModelError, CurvesError, DataError
from raytabdl.inputs import TaskType
from raytabdl.lines import read_lines
from raytabdl.persistence import finite, read_array, read_json, whole_file
from raytabdl.search.learning import Evidence, losses_of
from raytabdl.study_folder import DATA_SETS, StudyFolder

CANDIDATES, LINES, TABLE = "candidates.jsonl", "evaluations.jsonl", "losses.parquet"
_VERSION_KEY, VERSION = b"raytabdl_evaluations", b"1"
_FACTS_KEY = b"facts"


class End(Enum):
    """Why a candidate trains no more on a data set."""

    COMPLETE = "complete"
    LEFT = "left"
    """It was among the worst of its family at a rung."""
    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True)
class Candidate:
    """A configuration that may become a member; of a ``kind`` it is evaluated on data sets of that kind only."""

    id: str
    config: Config
    source: str
    note: str = ""
    kind: str = ""

    @classmethod
    def of(cls, config: Config, source: str, note: str = "", kind: str = "") -> Candidate:
        """One whose id says what the configuration is, and nothing else."""
        digest = hashlib.sha256(json.dumps(dict(config), sort_keys=True).encode()).hexdigest()
        return cls(digest[:12], config, source, note, kind)


@dataclass(frozen=True)
class Facts:
    """What a data set of the study is like; ``baseline`` is the loss of what looks at no column."""

    name: str
    content: str
    n_rows: int
    n_columns: int
    n_classes: int
    task_type: str
    baseline: float

    @property
    def kind(self) -> str:
        return "classification" if TaskType(self.task_type).is_classification else "regression"


@dataclass(frozen=True)
class Evaluation:
    """What a candidate reached at a rung on a data set; the last one of both has an ``end``.

    ``rung_loss`` is that of the best point so far, ``loss`` the log loss or RMSE, ``seconds`` all that it trained.
    """

    data_set: str
    candidate: str
    budget: int
    rung_loss: float
    loss: float
    seconds: float
    end: str = ""
    reason: str = ""

    def to_fields(self) -> dict[str, Any]:
        """What JSON holds, which has no infinity."""
        fields: dict[str, Any] = finite(asdict(self))
        return fields

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Evaluation:
        losses = {k: math.inf if fields[k] is None else fields[k] for k in ("rung_loss", "loss")}
        return cls(**{**fields, **losses})


@dataclass(frozen=True)
class Evaluations:
    """All that a study has found so far; ``folder`` is where the predictions are, of a table there are none."""

    facts: Mapping[str, Facts]
    candidates: Mapping[str, Candidate]
    lines: Sequence[Evaluation]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def ends(self) -> dict[tuple[str, str], Evaluation]:
        """The last evaluation of each candidate on each data set where it is through."""
        return {(line.data_set, line.candidate): line for line in self.lines if line.end}

    def without(self, names: Sequence[str]) -> Evaluations:
        """The same without some data sets. Raises DataError where there is none of a name."""
        unknown = [name for name in names if name not in self.facts]
        if unknown:
            raise DataError(f"the data sets are {', '.join(sorted(self.facts))}; got {', '.join(unknown)}")
        facts = {name: own for name, own in self.facts.items() if name not in names}
        lines = [line for line in self.lines if line.data_set not in names]
        return Evaluations(facts, self.candidates, lines, self.provenance, self.folder)


def read_evaluations(path: Path) -> Evaluations:
    """Those in the folder of a study or in a table of losses. Raises DataError where there are none."""
    found = _read_table(path) if path.is_file() else _read_folder(path)
    if not found.ends():
        raise DataError(f"{path} must hold evaluations, got none that ended; raytabdl portfolio evaluate makes them")
    return found


def _read_folder(path: Path) -> Evaluations:
    folder = StudyFolder(path)
    if not (path / CANDIDATES).exists():
        raise DataError(f"{path} must be a table of losses or the folder of raytabdl portfolio evaluate")
    facts = {record["name"]: Facts(**record) for record in folder.records(DATA_SETS)}
    candidates = {record["id"]: Candidate(**record) for record in folder.records(CANDIDATES)}
    lines = [Evaluation.of(record) for record in folder.records(LINES)]
    return Evaluations(facts, candidates, lines, read_json(folder.settings), path)


def write_table(found: Evaluations, path: Path) -> None:
    """Writes all losses and seconds as one compressed file, whole or not at all: what others learn from."""
    known = {candidate.id: candidate for candidate in found.candidates.values()}
    rows = [
        {
            **line.to_fields(),
            "source": known[line.candidate].source,
            "kind": known[line.candidate].kind,
            "note": known[line.candidate].note,
            "config": json.dumps(dict(known[line.candidate].config)),
        }
        for line in found.lines
    ]
    numbers = {"budget": pa.int32(), "rung_loss": pa.float64(), "loss": pa.float64(), "seconds": pa.float64()}
    facts = {"facts": [asdict(own) for own in found.facts.values()], "provenance": dict(found.provenance)}
    schema = pa.schema(
        [(name, numbers.get(name, pa.string())) for name in rows[0]],
        metadata={_VERSION_KEY: VERSION, _FACTS_KEY: json.dumps(facts).encode()},
    )
    with whole_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary, compression="zstd")


def _read_table(path: Path) -> Evaluations:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise CurvesError(f"{path} is no complete table of losses ({error}); make or fetch it again") from error
    metadata = table.schema.metadata or {}
    if metadata.get(_VERSION_KEY) != VERSION:
        seen = metadata.get(_VERSION_KEY)
        raise DataError(
            f"{path} must hold losses of version {VERSION.decode()}, got "
            f"{'none' if seen is None else f'version {seen.decode()}'}; make it again, or update raytabdl"
        )
    content = json.loads(metadata[_FACTS_KEY])
    facts = {own["name"]: Facts(**own) for own in content["facts"]}
    candidates, lines = {}, []
    for row in table.to_pylist():
        own = {key: row.pop(key) for key in ("source", "kind", "note", "config")}
        config = json.loads(own.pop("config"))
        candidates[row["candidate"]] = Candidate(row["candidate"], config, **own)
        lines.append(Evaluation.of(row))
    return Evaluations(facts, candidates, lines, content["provenance"])


def predictions_file(folder: Path, data_set: str, candidate: str) -> Path:
    return folder / "predictions" / data_set / f"{candidate}.npy"


def targets_file(folder: Path, data_set: str) -> Path:
    return folder / "targets" / f"{data_set}.npy"


MAX_ROWS = 500
"""Of the validation rows of a data set, by which ensembles are compared: more take longer and change little."""


def evidence(found: Evaluations, kind: str, max_budget: int) -> tuple[list[Candidate], list[Evidence]]:
    """The candidates of a kind of task, and what each of its data sets says of them.

    A candidate that left costs what it would have cost to the end. Data sets without a single success are left out.
    """
    ends = found.ends()
    names = [name for name, own in found.facts.items() if own.kind == kind]
    ids = {candidate for name, candidate in ends if name in names}
    candidates = [candidate for candidate in found.candidates.values() if candidate.id in ids]
    evidences = []
    for name in names:
        lines = [ends.get((name, candidate.id)) for candidate in candidates]
        losses = np.array([line.rung_loss if line else math.inf for line in lines])
        if not np.isfinite(losses).any():
            continue
        seconds = np.array([_to_the_end(line, max_budget) for line in lines])
        is_there = np.isfinite(losses)
        is_classification = kind == "classification"
        terms = None
        if found.folder is not None:
            terms = _terms(found.folder, found.facts[name], candidates, is_there)
            losses = losses_of(terms, is_classification=is_classification)
        evidences.append(Evidence(name, found.facts[name].baseline, losses, seconds, terms, is_classification))
    return candidates, evidences


def _to_the_end(line: Evaluation | None, max_budget: int) -> float:
    if line is None or line.end == End.FAILED.value:
        return math.nan
    return line.seconds * max_budget / line.budget if line.end == End.LEFT.value else line.seconds


def _terms(
    folder: Path, facts: Facts, candidates: Sequence[Candidate], is_there: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """What the loss is a mean of, for each candidate and row; NaN for a candidate without predictions."""
    y = read_array(targets_file(folder, facts.name))
    rows = np.sort(np.random.default_rng(0).permutation(len(y))[:MAX_ROWS])
    terms = np.full((len(candidates), len(rows)), np.nan, np.float32)
    spread = float(np.std(y)) or 1.0
    for index, candidate in enumerate(candidates):
        if is_there[index]:
            try:
                predictions = read_array(predictions_file(folder, facts.name, candidate.id))[rows]
            except CorruptModelError as error:
                raise DataError(f"{error}; or learn from {TABLE}, which needs no predictions") from error
            if facts.kind == "classification":
                terms[index] = predictions[np.arange(len(rows)), y[rows].astype(np.int64)]
            else:
                terms[index] = (predictions - y[rows]) / spread
    return terms


def lines_of(path: Path) -> Iterator[Evaluation]:
    """The evaluations that a folder has so far."""
    return (Evaluation.of(record) for record in read_lines(path / LINES))
