"""`raytabdl portfolio`: configurations to start with, learned from how candidates did on data sets, and shown."""

from __future__ import annotations

from pathlib import Path

import click

from raytabdl.commands.arguments import PRESET, RUN
from raytabdl.commands.console import show_table
from raytabdl.commands.study import ProgressLine, counted, read_tasks, study_options


@click.group("portfolio")
def portfolio() -> None:
    """Portfolios: configurations that a search starts with, in their order.

    One is learned in two steps: evaluate trains candidates on data sets, learn chooses among them.
    """


@portfolio.command()
@study_options
@click.option("--preset", type=PRESET, default="medium", show_default=True, help="The space of the candidates.")
@click.option("--design", "n_design", type=click.IntRange(min=0), default=32, show_default=True, help="Of each family.")
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=RUN,
    help="A run whose best configurations are candidates too; may be repeated.",
)
def evaluate(
    sources: tuple[str, ...],
    names: tuple[str, ...],
    max_rows: int | None,
    seed: int,
    n_workers: int | None,
    seconds: float,
    dry_run: bool,
    out: Path,
    preset: str,
    n_design: int,
    runs: tuple[Path, ...],
) -> None:
    """Train candidates on SOURCES, and keep their validation predictions, their losses and seconds at each rung.

    A source is a folder with a manifest.json, a list of records with name, target, and perhaps task and file, or
    FILE:TARGET. Candidates are the shipped portfolios, settings of the literature, the best of the given runs and a
    design that fills the space. Half of each family leaves at each rung of a data set.

    The same command goes on after a kill at any time; more data sets, runs or candidates may be added. On a cluster all
    nodes must see the folder. In the end the table of all losses is written to it, losses.parquet, from which a
    portfolio can be learned too.
    """
    from raytabdl.candidates import gather
    from raytabdl.evaluations import TABLE, lines_of, read_evaluations, write_table
    from raytabdl.exceptions import NoSuccessfulTrialError
    from raytabdl.runtime.cores import n_cores
    from raytabdl.runtime.evaluation_plan import EvaluationSettings, EvaluationStudy, as_settings
    from raytabdl.space import configuration_space
    from raytabdl.study_folder import StudyFolder

    settings = EvaluationSettings(preset, max_rows, seed)
    tasks = read_tasks(sources, names, max_rows, seed, with_test=False)
    gathered = gather(configuration_space(settings.choices), n_design=n_design, runs=runs, seed=seed)
    if gathered.n_left_out:
        click.echo(f"{gathered.n_left_out} candidates are left out: the {preset} space lacks their family", err=True)
    folder = StudyFolder(out.absolute())
    study = EvaluationStudy.of(settings, folder, tasks, gathered.candidates)
    found = study.found
    said = f"{len(study.candidates)} candidates on {len(tasks)} data sets: {found.line(n_workers or n_cores())}"
    click.echo(said, err=True)
    if dry_run:
        folder.check(as_settings(settings))
        return
    with folder.begun(as_settings(settings)):
        study.begin()
        if found.n_finished < found.n_cells:
            from raytabdl.runtime.workers import workers

            with workers(n_workers, seconds) as team:
                from raytabdl.runtime.evaluation import evaluate as run

                run(study, n_workers=team.n, is_over=team.is_over, watch=ProgressLine(team.n))
        if found.n_failed == found.n_cells:
            failures = (line.reason for line in lines_of(folder.path))
            raise NoSuccessfulTrialError(f"all {found.n_cells} evaluations failed: {counted(failures)}")
        if found.n_finished:
            write_table(read_evaluations(folder.path), folder.path / TABLE)
    left = found.n_cells - found.n_finished
    click.echo(f"{left:,} evaluations are left; the same command goes on" if left else f"{out / TABLE}")


@portfolio.command()
@click.argument("evaluations", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to write to.")
@click.option("--leave-out", "left_out", multiple=True, metavar="NAME", help="Not from this data set; may be repeated.")
@click.option("--size", type=click.IntRange(min=1), default=24, show_default=True, help="The most members.")
@click.option("--per-family", type=click.IntRange(min=1), default=8, show_default=True, help="Of them, of a family.")
@click.option("--draws", type=click.IntRange(min=0), default=20, show_default=True, help="Of the bootstrap.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap.")
def learn(
    evaluations: Path, out: Path, left_out: tuple[str, ...], size: int, per_family: int, draws: int, seed: int
) -> None:
    """Learn a portfolio of each kind of task from EVALUATIONS: the folder of evaluate, or a table of losses.

    The next member is the candidate that lowers the loss of the members' ensemble most per second, in the mean over the
    data sets; from a table, which has no predictions, the best loss among them. Once nothing gains any more, another
    round begins among the others. Writes classification.json and regression.json. The bootstrap over the data sets says
    how often each member is chosen.
    """
    import pandas as pd

    from raytabdl.evaluations import read_evaluations
    from raytabdl.learned import LearnSettings, learned_portfolios
    from raytabdl.persistence import make_folder, write_json

    found = read_evaluations(evaluations).without(left_out)
    settings = LearnSettings(size, per_family, draws, seed)
    for kind, learned in learned_portfolios(found, settings, left_out).items():
        path = make_folder(out) / f"{kind}.json"
        write_json(path, learned.portfolio.to_json())
        show_table(f"{kind}, learned on {learned.n_data_sets} data sets", pd.DataFrame(learned.rows))
        click.echo(f"{path}\n")


@portfolio.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--preset", type=PRESET, default="medium", show_default=True, help="The space that it has to fit.")
def show(file: Path, preset: str) -> None:
    """Show the members of the portfolio in FILE, and what becomes of them in a space."""
    import pandas as pd

    from raytabdl.exceptions import SettingError
    from raytabdl.presets import preset as choices_of
    from raytabdl.search.portfolio import Portfolio, placed
    from raytabdl.space import ROOT, configuration_space

    try:
        found = Portfolio.read(file)
    except ValueError as error:
        raise SettingError(str(error)) from error
    rows = [
        {"member": number, "model": member.config.get(ROOT, ""), f"in the {preset} space": fate, "note": member.note}
        for number, (member, fate) in enumerate(placed(found, configuration_space(choices_of(preset))), start=1)
    ]
    show_table(f"{file}: {len(rows)} members, {found.origin}", pd.DataFrame(rows))
    for name, value in found.provenance.items():
        click.echo(f"{name}: {value}")
