"""The report as one page without anything from elsewhere: no script, no font, no picture but its own."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from raytabdl.exceptions import RunFolderError, SettingError
from raytabdl.persistence import finite, write_bytes
from raytabdl.report.facts import Anytime, Calibration, LearningCurve, Report, Residuals
from raytabdl.report.svg import Axis, Series, chart

if TYPE_CHECKING:
    from markupsafe import Markup

N_ENTRIES = 25
"""Trials on the page's leaderboard; the JSON has all."""

N_COLUMNS = 100
"""Columns in the page's tables; the JSON has all."""

N_HYPERPARAMETERS = 15

EARLY = 0.1
"""Of the time, whose values do not decide what the anytime figure shows: the first models are far worse."""


@dataclass(frozen=True)
class Figure:
    """A chart, and the names of its series in their order of colours."""

    svg: str
    legend: tuple[str, ...] = ()


def page(report: Report) -> str:
    """The report as HTML. Whatever comes from the table or the run is escaped."""
    try:
        import jinja2
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise SettingError("the page needs jinja2: pip install 'raytabdl[report]'; JSON does not") from error
    folder = resources.files("raytabdl.report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "number": _number,
        "share": _share,
        "count": "{:,}".format,
        "seconds": _seconds,
        "breakable": _breakable,
    }
    template = environment.from_string((folder / "page.html").read_text(encoding="utf-8"))
    drawn = figures(report)
    return template.render(
        r=report,
        style=Markup((folder / "page.css").read_text(encoding="utf-8")),
        figures={name: Markup(figure.svg) for name, figure in drawn.items()},
        legends={name: figure.legend for name, figure in drawn.items()},
        n_entries=N_ENTRIES,
        n_columns=N_COLUMNS,
        n_hyperparameters=N_HYPERPARAMETERS,
    )


def to_json(report: Report) -> str:
    """The report for programs: the fields of ``Report``; numbers that are not finite are null."""
    return json.dumps(finite(asdict(report)), indent=1, allow_nan=False)


def write(text: str, path: Path) -> None:
    """Raises RunFolderError where the file cannot be written."""
    try:
        write_bytes(path.absolute(), text.encode())
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error}") from error


def figures(report: Report) -> dict[str, Figure]:
    """The charts that there are data for, by name."""
    drawn: dict[str, Figure] = {}
    if report.anytime.best_single:
        drawn["anytime"] = _anytime(report.anytime, report.outcome.metric, report.outcome.seconds)
    if report.learning_curves:
        drawn["learning_curves"] = _learning_curves(report.learning_curves)
    if report.validation and report.validation.calibration:
        drawn["calibration"] = _calibration(report.validation.calibration)
    if report.validation and report.validation.residuals:
        drawn["residuals"] = _residuals(report.validation.residuals)
    return drawn


def _anytime(anytime: Anytime, metric: str, seconds: float) -> Figure:
    steps = {"ensemble": anytime.ensemble, "best single model": anytime.best_single}
    series = [Series(name, points, "steps") for name, points in steps.items() if points]
    end = max(seconds, *(points[-1][0] for points in steps.values() if points))
    late = [v for s in series for i, (_, v) in enumerate(s.points) if _lasts_beyond(s, i, EARLY * end)]
    svg = chart("Anytime performance", series, Axis("seconds", 0.0, end), Axis.over(metric, late))
    return Figure(svg, tuple(each.name for each in series))


def _lasts_beyond(series: Series, index: int, seconds: float) -> bool:
    """Whether a step was still the best at that time, or came later."""
    return index + 1 == len(series.points) or series.points[index + 1][0] > seconds


def _learning_curves(curves: tuple[LearningCurve, ...]) -> Figure:
    series = [Series(f"{curve.trial} ({curve.model})", curve.points) for curve in curves]
    values = [loss for curve in curves for _, loss in curve.points]
    # The first points of some curves are so high that nothing could be told apart below them.
    ceiling = 1.5 * max(curve.points[-1][1] for curve in curves) - 0.5 * min(values)
    shown = [min(value, ceiling) for value in values]
    budgets = [budget for curve in curves for budget, _ in curve.points]
    axes = Axis("budget", 0.0, max(budgets)), Axis.over("rung loss", shown)
    return Figure(chart("Learning curves", series, *axes), tuple(each.name for each in series))


def _calibration(calibration: Calibration) -> Figure:
    axes = Axis("predicted probability", 0.0, 1.0), Axis("how often it came true", 0.0, 1.0)
    return Figure(
        chart("Calibration", [Series("ensemble", calibration.points, "line with dots")], *axes, diagonal=True)
    )


def _residuals(residuals: Residuals) -> Figure:
    both = [value for point in residuals.sample for value in point]
    x, y = Axis.over("predicted", both), Axis.over("true", both)
    return Figure(chart("Predicted and true values", [Series("rows", residuals.sample, "dots")], x, y, diagonal=True))


def _breakable(text: str) -> Markup:
    """Escaped text that may go on in the next line after each dot and underscore."""
    from markupsafe import Markup

    return Markup(re.sub(r"([._])", r"\1<wbr>", escape(text)))


def _number(value: float | None) -> str:
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.5g}"


def _share(value: float) -> str:
    return f"{value:.1%}" if value else "0"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"
