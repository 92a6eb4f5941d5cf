from __future__ import annotations

import io
import sys
import time
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from raytabdl.clock import Clock
from raytabdl.history import Change, History, Result, Seconds, Status, Trial
from raytabdl.inputs import TaskType
from raytabdl.metrics import metric
from raytabdl.runtime import progress as shown
from raytabdl.runtime.run import Progress
from raytabdl.search.brackets import Occupancy

AT_10_OF_60_S = Clock(60.0, 0.0)


@pytest.fixture(autouse=True)
def at_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 10.0)


def history() -> History:
    """A run with a quick model and five trials: one each running, paused, stopped, completed and failed."""
    records = History()
    records.append(Trial("quick-dummy", {"model": "dummy"}, "quick", -1, 0))
    records.append(Change("quick-dummy", Status.COMPLETED, 1.0))
    statuses = (Status.RUNNING, Status.PAUSED, Status.STOPPED, Status.COMPLETED, Status.FAILED)
    for index, status in enumerate(statuses):
        name = f"t{index}"
        records.append(Trial(name, {"model": "mlp"}, "portfolio", 0, index))
        records.append(Result(name, 1, 0.5, 0.2 + index / 10, {}, Seconds(), 5.0))
        records.append(Change(name, status, 6.0))
    return records


def progress(name: str = "accuracy", stage: str = "search", ensemble_loss: float | None = 0.125) -> Progress:
    chosen = metric(name, TaskType.BINARY)
    return Progress(stage, AT_10_OF_60_S, history(), 1, ensemble_loss, chosen)


def test_a_score_is_shown_in_its_own_direction() -> None:
    figures = shown.figures(progress("accuracy"))
    assert (figures.best, figures.ensemble) == (0.8, 0.875)
    figures = shown.figures(progress("log_loss"))
    assert (figures.best, figures.ensemble) == (0.2, 0.125)


def test_quick_models_are_counted_apart_from_the_trials_of_the_search() -> None:
    search = shown.figures(progress(stage="search"))
    assert (search.n_running, search.n_paused, search.n_done, search.n_failed) == (1, 1, 2, 1)
    quick = shown.figures(progress(stage=shown.QUICK_MODELS))
    assert (quick.n_running, quick.n_paused, quick.n_done, quick.n_failed) == (1, 0, 1, 0)


def test_a_line_says_it_all() -> None:
    now = progress()
    assert " ".join(shown.line(shown.figures(now), now.clock).split()) == (
        "10.0 s search accuracy 0.87500 best single 0.80000 1 running 1 paused 2 done 1 failed 50 s left"
    )


def test_lines_are_aligned() -> None:
    early = replace(progress(stage=shown.QUICK_MODELS, ensemble_loss=None), history=History())
    late = progress()
    lines = [shown.line(shown.figures(each), each.clock) for each in (early, late)]
    assert len(lines[0]) == len(lines[1]) < 125
    assert [text.index("running") for text in lines] == [lines[0].index("running")] * 2


def test_without_a_limit_no_time_is_left_to_be_shown() -> None:
    endless = replace(progress(), clock=Clock(float("inf"), 0.0))
    assert "left" not in shown.line(shown.figures(endless), endless.clock)
    assert "left" not in drawn(endless)


def test_columns_that_are_left_out_are_named_with_the_reasons_the_first_five_of_many() -> None:
    assert shown.left_out({"id": "ids or free text"}) == "left out: 'id' (ids or free text)"
    many = shown.left_out({f"x{i}": "no value at all" for i in range(1_007)})
    assert many.startswith("left out: 'x0' (no value at all), 'x1' (no value at all)")
    assert many.endswith("'x4' (no value at all) and 1,002 more")


def test_the_panel_says_the_same() -> None:
    text = drawn(progress())
    for words in ("search", "10 s of 60 s, 50 s left", "ensemble 0.87500", "best single 0.80000"):
        assert words in text
    assert "1 running, 1 paused" in text
    assert "2 done, 1 failed" in text


def test_the_panel_says_how_many_came_to_each_rung_and_why_trials_failed() -> None:
    rungs = {1: Occupancy(racing=1, promoted=3, stopped=8), 3: Occupancy(waiting=3), 9: Occupancy()}
    now = replace(progress(), rungs=rungs)
    now.history.append(Change("t1", Status.FAILED, 7.0, f"Traceback\nValueError: {'a' * 100}"))
    text = drawn(now)
    assert "1: 12   3: 3   9: 0" in text
    assert "no reason given" in text
    assert "ValueError: aaa" in text
    assert "a..." in text  # cut to the width of the panel
    assert "rungs" not in drawn(progress(stage=shown.QUICK_MODELS))


def test_a_new_reason_of_failures_is_written_once() -> None:
    written: list[str] = []
    lines = shown._Lines(written.append)
    now = progress()
    for seconds in (10.0, 20.0, 30.0):
        if seconds == 20.0:
            now.history.append(Change("t1", Status.FAILED, 7.0, "Traceback\nMemoryError: too wide"))
        lines.watch(replace(now, clock=Clock(60.0, 10.0 - seconds), ensemble_loss=0.1 / seconds))
    failures = [text.strip() for text in "\n".join(written).splitlines() if text.strip().startswith("failed")]
    assert failures == ["failed 1 x: no reason given", "failed 1 x: MemoryError: too wide"]


def drawn(now: Progress) -> str:
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(shown.panel(shown.figures(now), now.clock))
    return console.export_text()


def test_a_line_is_written_at_once_then_at_most_every_five_seconds_and_only_for_news() -> None:
    written: list[str] = []
    lines = shown._Lines(written.append)

    def at(seconds: float, now: Progress) -> int:
        lines.watch(replace(now, clock=Clock(60.0, 10.0 - seconds)))
        return len(written)

    assert at(0.4, progress()) == 1
    assert at(3.0, progress(ensemble_loss=0.1)) == 1
    assert at(6.0, progress(ensemble_loss=0.1)) == 2
    assert at(20.0, progress(ensemble_loss=0.1)) == 2
    assert at(21.0, progress(ensemble_loss=0.09)) == 3


def test_the_ensemble_is_not_forgotten_while_its_actor_starts() -> None:
    lines = shown._Lines(lambda text: None)
    lines.watch(progress(stage=shown.QUICK_MODELS, ensemble_loss=0.25))
    lines.watch(progress(ensemble_loss=None))
    assert lines.shown is not None
    assert (lines.shown.stage, lines.shown.ensemble) == ("search", 0.75)


def test_what_is_drawn_does_not_change_while_the_history_grows() -> None:
    now = progress()
    figures = shown.figures(now)
    now.history.append(Change("t0", Status.FAILED, 7.0))
    assert figures.n_failed == 1


@pytest.mark.parametrize("stream", ["closed", "broken"])
def test_a_standard_error_that_is_gone_does_not_end_a_fit(stream: str) -> None:
    file = io.StringIO()
    if stream == "closed":
        file.close()
    else:
        file.write = _broken  # type: ignore[method-assign]
    Console(file=shown._Tolerant(file), width=80).print("nobody sees this")  # type: ignore[arg-type]


def _broken(text: str) -> int:
    raise BrokenPipeError


def test_without_a_terminal_nothing_is_shown_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in (sys.stderr, None):
        monkeypatch.setattr(sys, "stderr", stream)
        with shown.show(None, run_without({})) as watch:
            watch(progress())
    assert capsys.readouterr().err == ""


def run_without(dropped: dict[str, str]) -> Any:
    """What is looked at of a run where nothing is shown."""
    return SimpleNamespace(task=SimpleNamespace(schema=SimpleNamespace(dropped=dropped)))


IDS = "40 different values in 40 rows: ids or free text"


@pytest.mark.parametrize("wanted", [None, False])
def test_where_nothing_is_shown_ids_that_are_left_out_are_warned_of(wanted: bool | None) -> None:
    dropped = {"empty": "no value at all", "id": IDS, "twin": "the same as column 'x'", "flat": "one value throughout"}
    with pytest.warns(UserWarning) as heard, shown.show(wanted, run_without(dropped)):
        pass
    assert [str(each.message) for each in heard] == [
        f"left out: 'id' ({IDS}); columns that `categorical` names are kept"
    ]


def test_where_only_columns_without_content_are_left_out_nothing_is_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with shown.show(None, run_without({"empty": "no value at all", "flat": "one value throughout"})):
            pass


def test_in_a_notebook_lines_are_shown_unless_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stderr", cell)
    monkeypatch.setattr(shown, "opening", lambda run: "fitting 40 rows")
    monkeypatch.setattr(shown, "closing", lambda run: "over")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is shown, and so not warned of
        with shown.show(None, run_without({"id": IDS})) as watch:
            watch(progress())
    first, left_out, line, *_, last = cell.getvalue().splitlines()
    assert (first, left_out, last) == ("fitting 40 rows", f"left out: 'id' ({IDS})", "over")
    assert "50 s left" in line
    cell.truncate(0)
    with shown.show(False, run_without({})) as watch:
        watch(progress())
    assert cell.getvalue() == ""
