"""The documentation: what it shows runs, what it names exists, and it is built without a warning or a network."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest

import raytabdl
from raytabdl import curves, exceptions, testing
from raytabdl.cli import commands
from raytabdl.metrics import CLASSIFICATION, REGRESSION
from raytabdl.presets import full
from raytabdl.space import FAMILIES, MODELS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
FENCE = re.compile(r"(<!-- not run: [^>]*-->\n\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""A block, with what may stand before it: why it is not run."""

INCLUDED = "--8<--"

SECONDS = 1
"""What a page's fits are given here, in the place of its own time limit: quick models, without Ray."""

N_FEATURES = {"A": 12, "B": 11, "C": 18, "D": 16, "E": 19, "F": 8, "G": 11, "H": 9, "I": 13, "J": 8, "K": 2}


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page that are written there; those taken in from elsewhere are tested there."""
    return [
        text
        for mark, kind, text in FENCE.findall(PAGES[page])
        if kind == language and INCLUDED not in text and not mark
    ]


PYTHON = [page for page in PAGES if blocks(page, "python")]
COMMANDS = {
    line.partition(" #")[0].strip(): page
    for page in PAGES
    for block in blocks(page, "sh")
    for line in block.splitlines()
    if line.startswith("raytabdl ")
}


@pytest.mark.examples
@pytest.mark.parametrize("page", PYTHON)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    script = tmp_path / f"{page}.py"
    script.write_text(re.sub(r"time_limit=\d+", f"time_limit={SECONDS}", "\n".join(blocks(page, "python"))))
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script))


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_that_is_shown_exists_with_its_options(line):
    command: click.Command = commands
    words = line.split()[1:]
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not isinstance(command, click.Group), "names no command"
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def leaves(command: click.Command, name: str) -> list[str]:
    """The commands below a group, by all their words."""
    if not isinstance(command, click.Group):
        return [name]
    return [leaf for own, below in command.commands.items() for leaf in leaves(below, f"{name} {own}")]


@pytest.mark.parametrize("command", leaves(commands, "raytabdl"))
def test_each_command_is_shown(command):
    assert any(f"{line} ".startswith(f"{command} ") for line in COMMANDS)


@pytest.mark.parametrize("name", inspect.signature(raytabdl.TabularClassifier).parameters)
def test_each_parameter_of_a_fit_is_spoken_of_beside_the_reference(name):
    prose = "".join(text for page, text in PAGES.items() if page not in ("api", "features", "changes"))
    assert re.search(rf"`{name}\b", prose) or re.search(rf"\b{name}=", prose)


def test_each_metric_is_named():
    section = PAGES["validation"].partition("## The metric")[2]
    suffixes = ("_macro", "_micro", "_weighted")
    names = {name for name in (*CLASSIFICATION, *REGRESSION) if not name.endswith(suffixes)}
    assert {*names, *suffixes} <= set(re.findall(r"`(\w+)`", section))


def test_each_member_of_each_family_is_listed_and_no_other():
    choices = full()
    table = PAGES["search-space"].partition("<!-- members")[2]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    own = {
        family: [f"`{member.name}`" for member in getattr(choices, family)] for family in (*MODELS, *FAMILIES.values())
    }
    assert {family: names.split(", ") for family, names in listed.items()} == own


def test_the_reference_lists_what_packages_say_is_public():
    listed = set(re.findall(r"^::: ([\w.]+)", PAGES["api"], re.MULTILINE))
    errors = [name for name, value in vars(exceptions).items() if isinstance(value, type)]
    public = {
        *(f"raytabdl.{name}" for name in raytabdl.__all__ if name != "__version__"),
        *(f"raytabdl.testing.{name}" for name in testing.__all__),
        *(f"raytabdl.curves.{name}" for name in curves.__all__),
        *(f"raytabdl.exceptions.{name}" for name in errors),
    }
    assert public <= listed
    for name in re.findall(r"^::: ([\w.]+)$", PAGES["api"], re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def features() -> list[tuple[str, str]]:
    """The code of each feature, and what shows it."""
    return re.findall(r"^\| ([A-K]\d+) \|[^|]*\| (.*) \|$", PAGES["features"], re.MULTILINE)


def test_each_feature_is_listed_with_tests_or_is_open():
    assert [code for code, _ in features()] == [f"{k}{i}" for k, n in N_FEATURES.items() for i in range(1, n + 1)]
    assert all("::" in shown or shown.startswith("open") for _, shown in features())


def test_the_tests_that_show_features_exist():
    shown = {named for _, shown in features() for named in re.findall(r"`([\w/]+\.py)::(\w+)`", shown)}
    files = {path: ROOT / "tests" / path for path, _ in shown}
    texts = {path: file.read_text(encoding="utf-8") if file.exists() else "" for path, file in files.items()}
    assert [f"{path}::{name}" for path, name in sorted(shown) if f"def {name}(" not in texts[path]] == []


def test_the_pages_are_built_without_a_warning_and_load_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    built = sorted((tmp_path / "site").rglob("*.html"))
    assert len(built) > len(PAGES) - 1
    elsewhere = re.compile(
        r"<(?:script|img|iframe)[^>]*\ssrc=\"?(?:https?:)?//|<link[^>]*rel=\"?(?:stylesheet|preconnect)[^>]*//"
    )
    for page in built:
        assert not elsewhere.search(page.read_text(encoding="utf-8")), page.name
