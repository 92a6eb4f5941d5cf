"""docs/catalogue.md keeps its word: every case is there, with tests that exist or what stands in the way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "catalogue.md"
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
TESTS = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE.read_text(encoding="utf-8"))))


def test_there_is_a_row_for_each_of_the_145_cases() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 146))


def test_each_case_has_a_test_or_what_stands_in_its_way() -> None:
    assert [case for _, case, _, shown in ROWS if "`tests/" not in shown and "*open*: " not in shown] == []


@pytest.mark.parametrize("file", sorted({name.partition("::")[0] for name in TESTS if "/" in name and "::" in name}))
def test_each_test_that_is_named_exists(file: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    for name in (test.partition("::")[2] for test in TESTS if test.startswith(f"{file}::")):
        function, _, case = name.partition("[")
        assert f"def {function}(" in source, name
        # Parameters that are not words of the file are named by scikit-learn, or by their position.
        words = case.rstrip("]").rpartition("-")[2]
        assert words.startswith("check_") or words in source, name
