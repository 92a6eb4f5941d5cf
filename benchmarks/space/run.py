"""Random configurations of the full space on real tables: do they train, predict, pause, and save and load?

``python -m benchmarks.space.run`` tries 200 configurations on each of six tables from the folder named by
RAYTABDL_DATA, in about 40 minutes on one core; with ``--seconds`` it stops earlier. What was tried is kept in
``benchmarks/results/space.jsonl`` and not tried again, ``--again`` excepted, which tries what failed. The table of
failures is printed and written to ``benchmarks/results/space.md``.

It is about crashes and not about losses: at most 2,000 rows, 3 epochs.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from benchmarks.space.outcomes import append, read_outcomes, report
from benchmarks.space.worker import Worker
from raytabdl.presets import full
from raytabdl.search.samplers import RandomSearch
from raytabdl.space import ROOT, configuration_space

TABLES = {
    "adult": "binary, mixed, missing values",
    "sick": "binary, mixed, a column without any value",
    "anneal": "5 classes, one of 8 rows, mixed, columns that are almost empty",
    "fars": "8 classes, some of one row in the sample, mostly categories",
    "ames_housing": "regression, 79 columns, mixed, missing values",
    "openintro_loans": "regression, a category of thousands of levels, missing values",
}
RESULTS = Path(__file__).parents[1] / "results"


@click.command()
@click.option("--configurations", default=200, show_default=True, help="Of each table.")
@click.option("--seconds", default=float("inf"), help="Begin with no other after so many seconds.")
@click.option("--again", is_flag=True, help="Try those that failed again.")
def main(configurations: int, seconds: float, again: bool) -> None:
    began = time.monotonic()
    path = RESULTS / "space.jsonl"
    known = read_outcomes(path)
    space = configuration_space(full())
    samplers = {table: RandomSearch(space, seed, root=ROOT) for seed, table in enumerate(TABLES)}
    worker = Worker()
    for index in range(configurations):
        for table, sampler in samplers.items():
            config = sampler.suggest()
            earlier = known.get((table, index))
            if time.monotonic() - began > seconds or (earlier and not (again and earlier.is_failure)):
                continue
            outcome = worker.run(table, index, config)
            known[outcome.key] = outcome
            append(path, outcome)
            if outcome.is_failure:
                said = f"{outcome.outcome} {outcome.where} {outcome.message[:300]}"
                click.echo(f"{table} {index} {outcome.model}: {said}")
    worker.close()
    table = report(list(known.values()))
    (RESULTS / "space.md").write_text(table)
    click.echo(table)


if __name__ == "__main__":
    main()
