"""Single models beside their references, at equal settings: ``python -m benchmarks.references.run``.

RealMLP and TabM beside RealMLP_TD and TabM_D of pytabkit, in its own environment (``benchmarks.compare.peers``); ResNet
and FT-Transformer beside rtdl_revisiting_models with the loop that most write. Ten tables from the folder named by
RAYTABDL_DATA, three seeds, each with a split of its own, on one thread.

Equal are rows and split, epochs, batch size, learning rate and its schedule, weight decay, and that the epoch with the
least validation loss predicts. Preprocessing is the reference's own where it has one (pytabkit), and else ours for
both. The loss is log loss or RMSE on the test rows.

2,000 rows are trained on, which takes about 75 minutes in all, most of it RealMLP, of 128 epochs in the place of 256,
and FT-Transformer. TabM has 16 members of width 128 in the place of 32 of 512, which would take 50 times as long. As
many as 4,000 rows are scored on: that takes no time, and their noise is the same for both.

What was measured is kept in ``benchmarks/results/references.jsonl``, so a run that was broken off goes on;
``--seconds`` ends it earlier. The report is ``benchmarks/results/references.md``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.references.data import TABLES, read
from benchmarks.references.models import PytabkitReference, pairs
from benchmarks.references.sides import Side, ours, pytabkit, rtdl

NETWORKS = ("resnet", "realmlp", "tabm", "ft_transformer")
N_SEEDS = 3
MOST_WORSE = 0.01
RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True)
class Record:
    """A network and its reference on one split of a table."""

    network: str
    table: str
    seed: int
    ours: Side
    theirs: Side

    @classmethod
    def from_json(cls, line: str) -> Record:
        record = json.loads(line)
        return cls(**{**record, **{side: Side(**record[side]) for side in ("ours", "theirs")}})


@click.command()
@click.argument("networks", nargs=-1, type=click.Choice(NETWORKS))
@click.option("--seconds", default=float("inf"), help="Begin with no other after so many seconds.")
def main(networks: tuple[str, ...], seconds: float) -> None:
    torch.set_num_threads(1)
    began = time.monotonic()
    path = RESULTS / "references.jsonl"
    records = [Record.from_json(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(record.network, record.table, record.seed) for record in records}
    for seed, table, network in product(range(N_SEEDS), TABLES, networks or NETWORKS):
        if (network, table, seed) in known:
            continue
        if time.monotonic() - began > seconds:
            break
        record = _record(network, table, seed)
        records.append(record)
        with path.open("a") as file:
            file.write(json.dumps(asdict(record)) + "\n")
        click.echo(f"{network} {table} {seed}: {record.ours} beside {record.theirs}")
    text = report(records)
    (RESULTS / "references.md").write_text(text)
    click.echo(text)


def _record(network: str, table: str, seed: int) -> Record:
    data = read(table, seed)
    pair = pairs(data.target)[network]
    if isinstance(pair.reference, PytabkitReference):
        theirs = pytabkit(pair.reference, data, seed)
    else:
        theirs = rtdl(pair.reference, pair.model, data, seed)
    return Record(network, table, seed, ours(pair.model, data, seed), theirs)


def report(records: list[Record]) -> str:
    """A line for each network and one for each of its tables: means over the seeds."""
    lines = [
        "Test losses, means over the seeds: log loss, or RMSE in deviations of the target. Negative differences are "
        f"better; no mean difference shall be more than {MOST_WORSE:.0%}.",
        "",
        "| network | table | seeds | ours | reference | difference | seconds, ours | seconds, reference |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for network in NETWORKS:
        of_network = [record for record in records if record.network == network]
        rows = list(_rows(of_network))
        if rows:
            mean = np.mean([difference for _, difference in rows])
            lines.append(f"| **{network}** | all {len(rows)} | | | | **{mean:+.2%}** | | |")
        lines += [line for line, _ in rows]
    return "\n".join(lines) + "\n"


def _rows(records: list[Record]) -> Iterator[tuple[str, float]]:
    """The line of each table, and its relative difference."""
    for table in TABLES:
        of_table = [record for record in records if record.table == table]
        if not of_table:
            continue
        our, their = (np.mean([side.test_loss for side in sides]) for sides in _sides(of_table))
        our_s, their_s = (np.mean([side.seconds for side in sides]) for sides in _sides(of_table))
        difference = float(our / their) - 1
        yield (
            f"| {of_table[0].network} | {table} | {len(of_table)} | {our:.4f} | {their:.4f} | {difference:+.2%} | "
            f"{our_s:.1f} | {their_s:.1f} |",
            difference,
        )


def _sides(records: list[Record]) -> tuple[list[Side], list[Side]]:
    return [record.ours for record in records], [record.theirs for record in records]


if __name__ == "__main__":
    main()
