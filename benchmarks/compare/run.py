"""Runs the cells that are missing: ``python -m benchmarks.compare.run --tables short --systems raytabdl``.

RAYTABDL_DATA names the folder of the tables. A cell that was run is kept and not run again, a peer's once per machine
and ours once per commit; ``--again`` runs them all the same. One that other work on the machine took part of is not
kept, and so is missing the next time. Appends to ``benchmarks/results/compare/cells.jsonl``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from benchmarks.compare.cells import Key, Limits, Record, machine, our_version, read_records, run_cell
from benchmarks.compare.systems import OURS, SYSTEMS
from benchmarks.compare.tables import FIFTEEN, SHORT, load, manifest

CELLS = Path(__file__).parents[1] / "results" / "compare" / "cells.jsonl"


@click.command()
@click.option("--tables", default="short", show_default=True, help="short, fifteen, all, or names with commas.")
@click.option("--systems", default=OURS, show_default=True, help="all, peers, or names with commas.")
@click.option("--folds", default=1, show_default=True, help="The first so many folds of each table.")
@click.option("--seconds", default=60.0, show_default=True, help="The budget of a fit.")
@click.option("--again", is_flag=True, help="Run cells that are kept as well.")
def main(tables: str, systems: str, folds: int, seconds: float, again: bool) -> None:
    version = our_version()
    records = read_records(CELLS)
    kept = {record.key for record in records if record.machine == machine() and _is_current(record, version)}
    CELLS.parent.mkdir(parents=True, exist_ok=True)
    for system in _systems(systems):
        for name in _tables(tables):
            for fold in range(folds):
                key = Key(system, name, fold, seconds)
                if key in kept and not again:
                    continue
                record = run_cell(key, SYSTEMS[system], load(name), Limits(), version if system == OURS else None)
                if not (record.is_disturbed or record.error.startswith("not installed")):
                    _append(record)
                click.echo(_line(record))


def _is_current(record: Record, version: str) -> bool:
    return record.key.system != OURS or record.version == version


def _append(record: Record) -> None:
    with CELLS.open("a") as file:
        file.write(record.to_json() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _line(record: Record) -> str:
    key = record.key
    found = record.error or ", ".join(f"{name} {value:.5g}" for name, value in record.scores.items())
    others = f", not kept: others took {record.others_cpu_seconds:.0f} CPU seconds" if record.is_disturbed else ""
    return f"{key.table}/{key.fold} {key.system} {key.seconds:g} s: {found} ({record.fit_seconds:.1f} s{others})"


def _tables(chosen: str) -> list[str]:
    known = {"short": list(SHORT), "fifteen": list(FIFTEEN), "all": list(manifest())}
    return known.get(chosen) or _names(chosen, known["all"])


def _systems(chosen: str) -> list[str]:
    known = {"all": list(SYSTEMS), "peers": [name for name in SYSTEMS if name != OURS]}
    return known.get(chosen) or _names(chosen, known["all"])


def _names(chosen: str, known: list[str]) -> list[str]:
    names = chosen.split(",")
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{sorted(unknown)} are not among {known}")
    return names


if __name__ == "__main__":
    sys.exit(main())
