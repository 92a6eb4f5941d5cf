"""The time to predict one row and 10,000 rows, beside AutoGluon's persisted predictors, in the same run.

``python -m benchmarks.compare.peers autogluon`` first; then ``RAYTABDL_DATA=... python -m benchmarks.inference.run``,
which takes 4 minutes a table and writes ``benchmarks/results/inference.md``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.compare.systems import AUTOGLUON
from benchmarks.compare.tables import Split, load, split

RESULTS = Path(__file__).parent.parent / "results"
SIDE = Path(__file__).with_name("side.py")
SYSTEMS = ("raytabdl", "autogluon-medium", "autogluon-best")


@click.command()
@click.option("--tables", default="adult,credit-g", show_default=True, help="Names with commas; classifications.")
@click.option("--seconds", default=60.0, show_default=True, help="The budget of each fit.")
def main(tables: str, seconds: float) -> None:
    lines = [
        f"Fits of {seconds:g} s, then raytabdl loaded from its saved model and AutoGluon 1.6.3 persisted in memory: "
        "one row at a time (median of 200), and 10,000 rows (median of 7).",
        "",
        "| table | system | log loss | one row, ms | 10,000 rows, s | models |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name in tables.split(","):
        table = load(name)
        parts = split(table, 0)
        for system in SYSTEMS:
            found = side(system, parts, table.target, seconds)
            lines.append(
                f"| {name} | {system} | {found['log_loss']:.5f} | {found['single_ms']:.1f} | {found['many_s']:.2f} | "
                f"{found['models']} |"
            )
            print(lines[-1], flush=True)
    (RESULTS / "inference.md").write_text("\n".join(lines) + "\n")


def side(system: str, parts: Split, target: str, seconds: float) -> dict[str, float]:
    """What a system's own process has measured."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts.X_train.assign(**{target: parts.y_train}).to_parquet(folder / "train.parquet")
        parts.X_test.assign(**{target: parts.y_test}).to_parquet(folder / "test.parquet")
        order = {"target": target, "seconds": seconds, "n_cores": os.cpu_count()}
        (folder / "order.json").write_text(json.dumps(order))
        is_ours = system == SYSTEMS[0]
        interpreter = sys.executable if is_ours else str(AUTOGLUON.interpreter)
        left_out = () if is_ours else ("PYTHONPATH", "VIRTUAL_ENV")
        environment = {key: value for key, value in os.environ.items() if key not in left_out}
        done = subprocess.run(
            [interpreter, str(SIDE), system, name], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{system} failed: {done.stderr[-2000:]}")
        answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer


if __name__ == "__main__":
    main()
