"""What came of the configurations: records, and the table of failures."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from raytabdl.component import ConfigValue

TRAINED = "trained"
DIVERGED = "diverged"
"""The loss became infinite or NaN, and the trial ended with that reason, as it should."""

_LONGEST_MESSAGE = 140


@dataclass(frozen=True)
class Outcome:
    """What came of a configuration on a table: trained, diverged, wrong, crashed, too slow or died.

    ``where`` is the part of the package that an error came from. Of what is trained the configuration is not kept.
    """

    table: str
    index: int
    model: str
    outcome: str
    seconds: float
    where: str = ""
    error: str = ""
    message: str = ""
    config: Mapping[str, ConfigValue] | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.table, self.index

    @property
    def is_failure(self) -> bool:
        return self.outcome not in (TRAINED, DIVERGED)


def read_outcomes(path: Path) -> dict[tuple[str, int], Outcome]:
    """The newest outcome of each configuration on each table."""
    lines = path.read_text().splitlines() if path.exists() else []
    outcomes = [Outcome(**json.loads(line)) for line in lines]
    return {outcome.key: outcome for outcome in outcomes}


def append(path: Path, outcome: Outcome) -> None:
    record = {name: value for name, value in asdict(outcome).items() if value not in ("", None)}
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def report(outcomes: Sequence[Outcome]) -> str:
    """How many configurations of each table ended how, and the failures by where they are from and what they say."""
    found = {outcome.outcome for outcome in outcomes}
    kinds = [TRAINED, *sorted(found - {TRAINED}, key=lambda kind: (kind != DIVERGED, kind))]
    lines = [f"| table | {' | '.join(kinds)} |", f"| --- |{' ---: |' * len(kinds)}"]
    for table in dict.fromkeys(outcome.table for outcome in outcomes):
        counts = Counter(outcome.outcome for outcome in outcomes if outcome.table == table)
        lines.append(f"| {table} | {' | '.join(str(counts[kind]) for kind in kinds)} |")
    lines += ["", "| failure | from | message | times | for example |", "| --- | --- | --- | ---: | --- |"]
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.outcome != TRAINED:
            groups.setdefault((outcome.outcome, outcome.where, _form(outcome)), []).append(outcome)
    for (kind, where, form), group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        example = group[0]
        lines.append(f"| {kind} | {where} | {form} | {len(group)} | {example.table} {example.index}, {example.model} |")
    return "\n".join(lines) + "\n"


def _form(outcome: Outcome) -> str:
    """The message without its numbers, so that errors of one kind are counted together."""
    message = re.sub(r"-?\d+(\.\d+)?(e[-+]?\d+)?", "#", " ".join(outcome.message.split()))
    return f"{outcome.error}: {message[:_LONGEST_MESSAGE]}".replace("|", "/") if outcome.error else ""
