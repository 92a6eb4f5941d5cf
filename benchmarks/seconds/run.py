"""Where the seconds of a fit go on this machine, beside a bare trainable in the same run.

``python benchmarks/seconds/run.py`` takes two minutes a repeat and writes ``benchmarks/results/seconds.json`` and
``seconds.md``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"


@click.command()
@click.option("--seconds", default=60.0, help="Time limit of the fit and of the bare trainable.")
@click.option("--repeats", default=3, help="Pairs of runs; medians are reported.")
def main(seconds: float, repeats: int) -> None:
    rows = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            bare = _run("bare_trainable.py", str(seconds), str(os.cpu_count()))
            run_folder = Path(folder) / "run"
            fit = _run("fit.py", str(seconds), str(run_folder))
            rows.append({"bare": bare, **_account(run_folder, fit, seconds)})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "seconds.json").write_text(json.dumps(rows, indent=1))
    table = _table(rows, seconds)
    (RESULTS / "seconds.md").write_text(table)
    print(table)


def _run(script: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, str(HERE / script), repr(time.time()), *arguments]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed.strip().splitlines()[-1])


def _is_of_driver(trial: str) -> bool:
    """Whether a model was trained in the driver; the other folds of a quick model are trained by workers."""
    return trial.startswith("quick-") and "." not in trial


def _account(run_folder: Path, fit: dict[str, float], seconds: float) -> dict[str, float]:
    """Worker seconds and driver seconds of a fit, from its run folder."""
    phases = {}
    for line in (run_folder / "phases.jsonl").read_text().splitlines():
        record = json.loads(line)
        phases[record["phase"]] = (record["began"], record["ended"])
    spent = {"training": 0.0, "evaluation": 0.0, "checkpoint": 0.0, "setup": 0.0}
    quick, first_better, dummy = 0.0, None, None
    for line in (run_folder / "trials.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["record"] != "result":
            continue
        if _is_of_driver(record["trial_id"]):
            quick += sum(record["seconds"].values())
            if record["trial_id"] == "quick-dummy":
                dummy = record["loss"]
            elif first_better is None and record["loss"] < dummy:
                first_better = record["time"]
        else:
            for name in ("checkpoint", "setup"):
                spent[name] += record["seconds"][name]
    for line in (run_folder / "curves.jsonl").read_text().splitlines():  # also of trials that the end cut short
        point = json.loads(line)
        if not _is_of_driver(point["trial"]):
            spent["training"] += point["training_s"]
            spent["evaluation"] += point["evaluation_s"]
    n_workers = os.cpu_count() or 1
    first_step = phases["first step"][0]
    end_of_training = phases["training over"][0]
    wall = (end_of_training - first_step) * n_workers
    busy = spent["training"] + spent["evaluation"]
    return {
        "import_s": fit["import_s"],
        "fit_s": fit["fit_s"],
        "data_s": phases["quick models"][0],
        "quick_training_s": quick,
        "beats_dummy_s": first_better or float("nan"),
        "ray_ready_s": phases["Ray ready"][0],
        "first_step_s": first_step,
        "worker_training_s": spent["training"],
        "worker_evaluation_s": spent["evaluation"],
        "worker_checkpoint_s": spent["checkpoint"],
        "worker_setup_s": spent["setup"],
        "worker_idle_s": wall - sum(spent.values()),
        "busy_after_first_step": busy / wall,
        "busy_of_all": (busy + quick) / (seconds * n_workers),
        "stop_s": phases["search"][1] - end_of_training,
        "ensemble_s": phases["ensemble"][1] - phases["ensemble"][0],
        "shutdown_s": fit["fit_s"] - phases["ensemble"][1],
    }


def _table(rows: list[dict], seconds: float) -> str:
    def median(name: str) -> float:
        return statistics.median(row[name] for row in rows)

    def bare(name: str) -> float:
        return statistics.median(row["bare"][name] for row in rows)

    ratio = statistics.median((row["import_s"] + row["first_step_s"]) / row["bare"]["first_step_s"] for row in rows)
    lines = [
        f"A fit of {seconds:.0f} s on adult (48,842 rows), {os.cpu_count()} workers, medians of {len(rows)} runs.",
        "",
        "| what | seconds |",
        "| --- | --- |",
        *(
            f"| {label} | {median(name):.2f} |"
            for label, name in (
                ("imports, before the call of fit", "import_s"),
                ("data: encoding, run folder", "data_s"),
                ("a model beats the dummy, after the call of fit", "beats_dummy_s"),
                ("quick models, in the driver while Ray starts", "quick_training_s"),
                ("Ray is ready, after the call of fit", "ray_ready_s"),
                ("first step of a trial, after the call of fit", "first_step_s"),
                ("workers: training", "worker_training_s"),
                ("workers: evaluation", "worker_evaluation_s"),
                ("workers: predictions, models and checkpoints written", "worker_checkpoint_s"),
                ("workers: data of a trial prepared", "worker_setup_s"),
                ("workers: idle", "worker_idle_s"),
                ("stopping the workers", "stop_s"),
                ("ensemble: last selection, hashes", "ensemble_s"),
                ("loading the members, rest of Ray's end", "shutdown_s"),
                ("the whole fit", "fit_s"),
            )
        ),
        "",
        "| against a bare trainable in the same run | raytabdl | bare |",
        "| --- | --- | --- |",
        f"| first step after process start, s | {median('import_s') + median('first_step_s'):.2f} | "
        f"{bare('first_step_s'):.2f} |",
        f"| the same as a ratio | {ratio:.2f} | 1 |",
        f"| workers train or evaluate, of the time after the first step | {median('busy_after_first_step'):.1%} | "
        f"{bare('busy_after_first_step'):.1%} |",
        f"| busy of all {seconds:.0f} s, the driver's training counted | {median('busy_of_all'):.1%} | "
        f"{bare('busy_of_all'):.1%} |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
