"""Writes the report of the kept cells: ``python -m benchmarks.compare.report``.

Into ``benchmarks/results/compare/``: ``report.md``, with a section for each kind of machine and budget, and the
figures. With ``--version`` and ``--against`` two versions of ours are shown side by side.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import click
import numpy as np

from benchmarks.compare import figures, standings
from benchmarks.compare.cells import Key, Record, read_records
from benchmarks.compare.run import CELLS
from benchmarks.compare.systems import OURS, SCALE, SYSTEMS
from benchmarks.compare.tables import METRICS, manifest

NOTES = """
Failures are '-', rank last, and have a normalised score of 0. Normalised: 1 for the best system on a table, 0 for the
dummy. Improvability: by what share the best on a table has a lower error. Errors are 1 - ROC AUC, log loss and RMSE,
which all systems were told to optimise. Brackets are 95 % bootstrap intervals over the tables. AutoGluon's foundation
models are not among its models here: their weights cannot be had without a network. Single models (hgb, catboost,
lightgbm, realmlp, tabm) ignore the budget. Auto-PyTorch is given 30 seconds less than the budget, which it exceeds by
as much. 'others' is the CPU time of everything else on the machine, in seconds a second of the fit, at the median.
"""


@click.command()
@click.option("--version", help="Of ours, or how it begins.  [default: the newest that was run on many tables]")
@click.option("--against", multiple=True, help="Older versions of ours to set beside it, or how they begin.")
def main(version: str | None, against: tuple[str, ...]) -> None:
    records = read_records(CELLS)
    for named in (version, *against):
        check_was_run(records, named)
    tasks = {name: record["task"] for name, record in manifest().items()}
    parts = ["# raytabdl beside its peers", "", NOTES.strip(), ""]
    for machine, seconds in sorted({(record.machine, record.key.seconds) for record in records}):
        own = [r for r in records if (r.machine, r.key.seconds) == (machine, seconds)]
        chosen = of_version(own, version)
        for older in against:
            chosen += [_renamed(r, f"{OURS} {older}") for r in of_version(own, older) if r.key.system == OURS]
        parts += _section(f"{seconds:g} seconds, {machine}", chosen, tasks)
    (CELLS.parent / "report.md").write_text("\n".join(parts) + "\n")
    click.echo("\n".join(parts))


def check_was_run(records: Iterable[Record], version: str | None) -> None:
    """Raises BadParameter where no version of ours that was run begins so."""
    versions = list(dict.fromkeys(r.version for r in records if r.key.system == OURS))
    if version is not None and not any(v.startswith(version) for v in versions):
        raise click.BadParameter(f"{version} was not run; these were, the newest first: {versions[::-1]}")


def of_version(records: Iterable[Record], version: str | None) -> list[Record]:
    """The last record of each cell; of ours those of one version.

    Where none is named it is the newest that was run on at least half as many tables as any.
    """
    records = list(records)
    tables: dict[str, set[str]] = {}
    for record in reversed(records):  # the newest come first
        if record.key.system == OURS and record.version.startswith(version or ""):
            tables.setdefault(record.version, set()).add(record.key.table)
    most = max(map(len, tables.values()), default=0)
    chosen = next((name for name, own in tables.items() if 2 * len(own) >= most), None)
    latest: dict[Key, Record] = {}
    for record in records:
        if record.key.system != OURS or record.version == chosen:
            latest[record.key] = record
    return list(latest.values())


def _renamed(record: Record, name: str) -> Record:
    return replace(record, key=replace(record.key, system=name))


def _section(title: str, records: Sequence[Record], tasks: Mapping[str, str]) -> list[str]:
    """The tables of one budget; standings of the systems that were run on all tables that ours was run on."""
    run_on: dict[str, set[str]] = defaultdict(set)
    for record in records:
        run_on[record.key.system].add(record.key.table)
    parts = [f"## {title}", "", *_scores(records, sorted(run_on, key=_place), tasks)]
    of_ours = run_on.get(OURS, set())  # none at a budget or on a machine where this version was not run
    systems = sorted((s for s, names in run_on.items() if names >= of_ours), key=_place)
    complete = sorted(of_ours, key=lambda t: (tasks[t], t))
    if len(complete) < 2 or SCALE not in systems:
        return parts
    of_complete = [r for r in records if r.key.table in complete and r.key.system in systems]
    table_errors = standings.errors(of_complete, tasks)
    ranks = standings.ranks(table_errors)
    name = "-".join(re.findall(r"[a-z0-9]+", title.lower()))
    figures.critical_difference(ranks, CELLS.parent / f"ranks-{name}.png")
    figures.anytime(of_complete, table_errors, tasks, CELLS.parent / f"anytime-{name}.png")
    return [
        *parts,
        f"Over the {len(complete)} tables that these were run on: {', '.join(complete)}.",
        "",
        *_standings(table_errors, ranks),
        f"![mean ranks](ranks-{name}.png)",
        "",
        f"![anytime](anytime-{name}.png)",
        "",
        *_costs(of_complete, systems),
    ]


def _place(system: str) -> tuple[int, str]:
    names = list(SYSTEMS)
    return (names.index(system) if system in names else 0, system)


def _scores(records: Sequence[Record], systems: Sequence[str], tasks: Mapping[str, str]) -> list[str]:
    """A row for each table; mean and, where there are several folds, standard deviation of the optimised metric."""
    cells: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        cells[record.key.table, record.key.system].append(record)
    tables = sorted({table for table, _ in cells}, key=lambda t: (tasks[t], t))
    rows, reasons = [], []
    for table in tables:
        metric = METRICS[tasks[table]]
        row = [table, metric]
        values = {s: [r.scores.get(metric, np.nan) for r in cells[table, s]] for s in systems}
        best = _best(values, metric)
        for system in systems:
            row.append(_cell(values[system], is_best=system == best))
            reasons += [f"- {system} on {table}: {r.error}" for r in cells[table, system] if r.error]
        rows.append(row)
    parts = _markdown(["table", "metric", *systems], rows)
    return [*parts, *(["Failures:", "", *reasons, ""] if reasons else [])]


def _best(values: Mapping[str, Sequence[float]], metric: str) -> str:
    losses = {
        system: standings.error_of({metric: float(np.mean(v))}, metric) if v else np.inf for system, v in values.items()
    }
    return min(losses, key=lambda system: losses[system] if losses[system] == losses[system] else np.inf)


def _cell(values: Sequence[float], *, is_best: bool) -> str:
    if not values:
        return ""
    if np.isnan(values).any():
        return "-"
    text = f"{np.mean(values):.5g}" + (f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else "")
    return f"**{text}**" if is_best else text


def _standings(table_errors: standings.Errors, ranks: object) -> list[str]:
    rank = standings.means(standings.ranks(table_errors))
    score = standings.means(standings.normalised(table_errors))
    gap = standings.means(standings.improvability(table_errors))
    rows = []
    for name in sorted(rank, key=lambda name: rank[name].mean):
        row = [name, str(rank[name]), str(score[name]), str(gap[name])]
        if name == OURS or OURS not in rank:
            row += ["", ""]
        else:
            duel = standings.duel(table_errors, OURS, name)
            row += [f"{duel.wins} / {duel.ties} / {duel.losses}", f"{duel.p:.3g}"]
        rows.append(row)
    columns = ["system", "mean rank", "normalised", "improvability", "ours wins / ties / losses", "Wilcoxon p"]
    return _markdown(columns, rows)


_COSTS = "system;fit, s;over, s;over at most;predict, s;memory, GiB;at most;models;others;version"


def _costs(records: Sequence[Record], systems: Sequence[str]) -> list[str]:
    rows = []
    for system in systems:
        own = [r for r in records if r.key.system == system and not r.error]
        if not own:
            continue
        over = np.array([r.overshoot_seconds for r in own])
        counts = [r.n_models for r in own if r.n_models is not None]
        rows.append(
            [
                system,
                f"{np.median([r.fit_seconds for r in own]):.1f}",
                f"{np.median(over):.1f}",
                f"{over.max():.1f}",
                f"{np.median([r.predict_seconds for r in own]):.2f}",
                f"{np.median([r.peak_bytes for r in own]) / 2**30:.2f}",
                f"{max(r.peak_bytes for r in own) / 2**30:.2f}",
                f"{np.median(counts):.0f}" if counts else "",
                f"{np.median([r.others_cpu_seconds / max(r.fit_seconds, 1) for r in own]):.2f}",
                ", ".join(sorted({r.version for r in own})),
            ]
        )
    return ["Medians over the cells that did not fail:", "", *_markdown(_COSTS.split(";"), rows)]


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


if __name__ == "__main__":
    sys.exit(main())
