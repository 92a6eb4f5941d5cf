from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from raytabdl import TabularClassifier, TabularRegressor, cli
from raytabdl.exceptions import RunFolderError
from raytabdl.report.collect import collect
from raytabdl.report.page import page
from raytabdl.report.svg import Axis, Series, chart

from .conftest import CLASSES, REASON, SCRIPT, TARGET

pytest.importorskip("jinja2")

VOID = {"meta", "rect", "line", "path", "circle", "wbr", "img"}


class Reader(HTMLParser):
    """The elements of a page with their attributes, and its text; fails where one is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def html(classifier: TabularClassifier) -> str:
    return page(collect(classifier.folder_, classifier.predictor_))


def test_hostile_names_are_text_and_nothing_else(html: str) -> None:
    read = Reader(html)
    for name in (SCRIPT, TARGET, REASON, *CLASSES):
        assert name in read.text
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"script", "img", "b onload", "iframe", "object", "form", "base"}
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)
    assert "49" not in re.findall(r"yes &amp; (\S+)", html)  # a label is no template


def test_the_page_asks_for_nothing_from_elsewhere(html: str) -> None:
    read = Reader(html)
    assert not any(name in attributes for _, attributes in read.elements for name in ("src", "href"))
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_page_suits_a_phone_and_the_dark(html: str) -> None:
    viewport = next(a["content"] for tag, a in Reader(html).elements if a.get("name") == "viewport")
    assert viewport == "width=device-width, initial-scale=1"
    assert "prefers-color-scheme: dark" in html


def test_the_page_shows_the_figures_of_its_task(html: str, regressor: TabularRegressor) -> None:
    def figures(text: str) -> set[str | None]:
        return {a["aria-label"] for tag, a in Reader(text).elements if tag == "svg" and "aria-label" in a}

    assert figures(html) == {"Anytime performance", "Learning curves", "Calibration"}
    regression = page(collect(regressor.folder_, regressor.predictor_))
    assert figures(regression) == {"Anytime performance", "Learning curves", "Predicted and true values"}
    assert "Confusion matrix" in html
    assert "Confusion matrix" not in regression


def test_estimator_and_command_write_the_same_page(classifier: TabularClassifier, html: str, tmp_path: Path) -> None:
    classifier.report(tmp_path / "one.html")
    done = CliRunner().invoke(
        cli.commands, ["report", str(classifier.folder_.path), "--out", str(tmp_path / "two.html")]
    )
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'two.html'}\n")
    one, two = ((tmp_path / name).read_text() for name in ("one.html", "two.html"))
    assert one == two == html


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.commands, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert "holds no run" in done.stderr


def test_a_path_that_cannot_be_written_is_named(classifier: TabularClassifier, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"no-folder/report\.html cannot be written"):
        classifier.report(tmp_path / "no-folder" / "report.html")


def test_ticks_are_round_numbers_within_the_axis() -> None:
    assert Axis("", 0.2795, 0.2823).ticks() == [0.2795, 0.28, 0.2805, 0.281, 0.2815, 0.282]
    assert Axis.over("", [5.0, 5.0]).ticks()[0] <= 5.0 <= Axis.over("", [5.0, 5.0]).ticks()[-1]
    assert all(2 <= len(Axis("", 0.0, 10.0**power).ticks()) <= 8 for power in range(-12, 12))


def test_steps_hold_until_the_next_one_and_to_the_end() -> None:
    axes = Axis("", 0.0, 10.0), Axis("", 0.0, 1.0)
    svg = chart("steps", [Series("a", ((0.0, 1.0), (5.0, 0.0)), "steps")], *axes)
    path = re.findall(r'class="series c0" d="M([^"]*)"', svg)[0]
    corners = [tuple(map(float, corner.split())) for corner in path.split(" L")]
    assert len(corners) == 4
    assert corners[0][1] == corners[1][1] != corners[2][1] == corners[3][1]
    assert corners[1][0] == corners[2][0] == (corners[0][0] + corners[3][0]) / 2


def test_labels_of_a_figure_are_escaped() -> None:
    svg = chart('a" onload="b', [], Axis("<x>", 0.0, 1.0), Axis("</svg><script>", 0.0, 1.0))
    (figure, *_), read = Reader(svg).elements, Reader(svg).text
    assert figure[1]["aria-label"] == 'a" onload="b'
    assert "<x>" in read
    assert "</svg><script>" in read
