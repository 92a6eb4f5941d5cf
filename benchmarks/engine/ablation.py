"""The ideas of the sampler, each with and without it, on the LCBench surrogate.

``RAYTABDL_LCBENCH=... python -m benchmarks.engine.ablation`` goes on where it was broken off, keeps each run as a line
of ``benchmarks/results/engine_ablation.jsonl`` and writes ``engine_ablation.md`` beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import click
import numpy as np

from benchmarks.engine.cells import Outcome, read
from benchmarks.engine.regret import RESULTS, best_known, interval, regrets, run_all


@click.command()
@click.option("--seeds", default=2, show_default=True)
@click.option("--workers", default=(1, 16), multiple=True, show_default=True)
@click.option("--stop-after", default=float("inf"), help="Seconds after which no run begins.")
def main(seeds: int, workers: tuple[int, ...], stop_after: float) -> None:
    from benchmarks.engine.variants import VARIANTS

    path = RESULTS / "engine_ablation.jsonl"
    run_all(path, {name: variant.start for name, variant in VARIANTS.items()}, range(seeds), workers, stop_after)
    outcomes = list(read(path))
    best = best_known(outcomes)
    lines = [
        "LCBench surrogate, 34 tasks. Difference of the mean regret (points of accuracy) over the last three quarters "
        "of the time to the baseline with the same tasks and seeds, with 95 % intervals; above 0 the variant is worse.",
        "",
        "| variant | what is changed | baseline | " + " | ".join(f"{n} worker(s)" for n in workers) + " |",
        "| --- | --- | --- |" + " ---: |" * len(workers),
    ]
    for name, variant in VARIANTS.items():
        if name != variant.baseline:
            cells = [_difference(outcomes, name, variant.baseline, n_workers, best) for n_workers in workers]
            lines.append(f"| {name} | {variant.what} | {variant.baseline} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    (RESULTS / "engine_ablation.md").write_text(text)
    print(text)


def _difference(
    outcomes: Sequence[Outcome], variant: str, baseline: str, n_workers: int, best: dict[str, float]
) -> str:
    own = [outcome for outcome in outcomes if outcome.cell.n_workers == n_workers]
    both = regrets(own, [variant, baseline], best)
    if both.shape[1] == 0:
        return ""
    late = both[:, :, both.shape[2] // 4 :].mean(axis=2)
    difference = late[0] - late[1]
    low, high = interval(difference)
    return f"{np.mean(difference):+.2f} ({low:+.2f} to {high:+.2f}), {len(difference)} runs"


if __name__ == "__main__":
    main()
