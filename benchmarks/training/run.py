"""How fast networks are trained on one thread, as ratios against baselines in the same run.

``python -m benchmarks.training.run`` takes some minutes and writes ``benchmarks/results/training.md``; with names of
parts it runs these and keeps what is known of the others. Some need more than the package:

- ``realmlp`` needs the environment of pytabkit (``python -m benchmarks.compare.peers pytabkit``) and some 25 minutes,
  and goes on where it was broken off;
- ``preprocessing`` reads tables from the folder named by RAYTABDL_DATA;
- ``memory`` fits with Ray, twice for 40 seconds; ``hardware`` compiles, which needs a C++ compiler and some minutes.
"""

from __future__ import annotations

import importlib
import json
import platform
from dataclasses import asdict
from pathlib import Path

import click
import torch

from benchmarks.training.timing import Row

PARTS = ("loop", "batched", "tabm", "realmlp", "preprocessing", "memory", "hardware")
RESULTS = Path(__file__).parent.parent / "results"


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
def main(parts: tuple[str, ...]) -> None:
    torch.set_num_threads(1)
    path = RESULTS / "training.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for part in parts or PARTS:
        rows: list[Row] = importlib.import_module(f"benchmarks.training.{part}").rows()
        known[part] = [asdict(row) for row in rows]
        path.write_text(json.dumps(known, indent=1) + "\n")
    table = _table([Row(**row) for part in PARTS for row in known.get(part, ())])
    (RESULTS / "training.md").write_text(table)
    print(table)


def _table(rows: list[Row]) -> str:
    lines = [
        f"Median ratio of pairs in one run (least, most); one thread, torch {torch.__version__}, {platform.machine()}.",
        "",
        "| what | baseline | ratio | to reach |",
        "| --- | --- | ---: | ---: |",
    ]
    lines += [
        f"| {row.what} | {row.baseline} | {row.ratio:.2f} ({row.least:.2f}, {row.most:.2f}) | {_target(row)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _target(row: Row) -> str:
    return "" if row.target is None else f"{row.target:.3g}"


if __name__ == "__main__":
    main()
