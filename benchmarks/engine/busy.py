"""Real runs of trials that sleep, on Ray: how busy workers are, and how many epochs are done, beside Tune's own BOHB.

``python -m benchmarks.engine.busy`` takes six minutes and writes ``benchmarks/results/engine_busy.md``. Needs the
extra ``hpbandster``. Trials sleep, so that eight workers need no eight cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "results"
SCRIPT = Path(__file__).with_name("sleeping.py")
SECONDS = 90.0

NAMES = {
    "ours": "raytabdl",
    "stock": "TuneBOHB + HyperBandForBOHB, `reuse_actors`, `max_concurrent_trials`",
    "defaults": "the same with Tune's defaults",
}
RUNS = (("ours", 8, 10.0), ("stock", 8, 10.0), ("ours", 2, 3.0), ("defaults", 2, 3.0))
"""Side, workers, and how many times as long the longest epoch is as the shortest, of 0.1 s."""


def main() -> None:
    lines = [
        f"One run of {SECONDS:g} s each, in one go; busy: of the time after the first step. To reach with 8 workers: "
        "at least 95 % busy; with 2 at least 20 times the epochs of Tune's defaults.",
        "",
        "| | workers | epoch times | busy | epochs |",
        "| --- | ---: | --- | ---: | ---: |",
    ]
    for side, n_workers, spread in RUNS:
        command = [sys.executable, str(SCRIPT), side, str(SECONDS), str(n_workers), str(spread)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(printed.strip().splitlines()[-1])
        lines.append(f"| {NAMES[side]} | {n_workers} | 1 : {spread:g} | {found['busy']:.1%} | {found['epochs']} |")
        print(lines[-1], flush=True)
    (RESULTS / "engine_busy.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
