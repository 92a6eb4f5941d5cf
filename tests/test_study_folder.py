from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from raytabdl.exceptions import RunFolderError
from raytabdl.study_folder import StudyFolder

SETTINGS = {"study": "curves", "seed": 0}


def test_a_study_goes_on_with_the_same_settings_only(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "study")
    with folder.begun(SETTINGS):
        folder.append("lines.jsonl", {"n": 1})
    with folder.begun(SETTINGS):
        folder.append("lines.jsonl", {"n": 2})
    assert list(folder.records("lines.jsonl")) == [{"n": 1}, {"n": 2}]
    with pytest.raises(RunFolderError, match="was begun with seed 0, got 1"), folder.begun({**SETTINGS, "seed": 1}):
        pass
    with pytest.raises(RunFolderError, match="was begun with study 'curves', got None"), folder.begun({"seed": 0}):
        pass


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunFolderError, match="holds no study"), StudyFolder(tmp_path).begun(SETTINGS):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    hold = (
        "import sys; from pathlib import Path; from raytabdl.study_folder import StudyFolder\n"
        f"with StudyFolder(Path({str(tmp_path)!r})).begun({SETTINGS!r}): print('at it', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None and first.stdout.readline() == b"at it\n"
        with pytest.raises(RunFolderError, match="by another process"), StudyFolder(tmp_path).begun(SETTINGS):
            pass
        first.kill()
    with StudyFolder(tmp_path).begun(SETTINGS):
        pass


def test_a_line_that_was_cut_short_is_none_and_the_next_takes_its_place(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    (tmp_path / "lines.jsonl").write_text('{"n": 1}\n{"n": 2')
    assert list(folder.records("lines.jsonl")) == [{"n": 1}]
    folder.append("lines.jsonl", {"n": 3})
    assert (tmp_path / "lines.jsonl").read_text() == '{"n": 1}\n{"n": 3}\n'


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text('{"n": 1}\n{"n": oops}\n')
    with pytest.raises(RunFolderError, match=r"lines\.jsonl, line 2, is not readable as JSON"):
        list(StudyFolder(tmp_path).records("lines.jsonl"))


def test_a_data_set_that_has_changed_is_refused(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    for _ in range(2):
        folder.add_data_set("adult", "1f", {"n_rows": 90})
    folder.add_data_set("car", "2e", {"n_rows": 70})
    assert [record["name"] for record in folder.records("datasets.jsonl")] == ["adult", "car"]
    with pytest.raises(RunFolderError, match="another table adult, of 90 rows"):
        folder.add_data_set("adult", "3c", {"n_rows": 91})
