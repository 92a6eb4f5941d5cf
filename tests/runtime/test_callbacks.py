from __future__ import annotations

import warnings
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from raytabdl import Figures, TabularClassifier
from raytabdl.clock import Clock
from raytabdl.exceptions import SettingError
from raytabdl.history import History
from raytabdl.inputs import TaskType
from raytabdl.metrics import metric
from raytabdl.runtime.callbacks import _Told
from raytabdl.runtime.run import Progress

X = np.random.default_rng(0).normal(size=(200, 3))
Y = (X[:, 0] > 0).astype(int)


def test_a_callback_is_told_of_the_run_from_the_first_model_to_the_end(tmp_path: Path) -> None:
    told: list[Figures] = []
    clf = TabularClassifier(time_limit=0.7, callbacks=[told.append], run_folder=tmp_path / "run").fit(X, Y)
    assert {now.stage for now in told[:-1]} == {"quick models"}
    assert told[-1].stage == "over"
    assert told[-1].ensemble == clf.folder_.read_ensemble().loss
    assert [now.seconds for now in told] == sorted(now.seconds for now in told)
    assert all(now.seconds_left is not None and now.seconds_left < 0.7 for now in told)
    with pytest.raises(FrozenInstanceError):
        told[0].n_done = 7  # type: ignore[misc]


def test_a_callback_that_raises_loses_nothing_and_is_warned_of_once(tmp_path: Path) -> None:
    told: list[Figures] = []

    def faulty(now: Figures) -> None:
        raise KeyError("my own fault")

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        clf = TabularClassifier(time_limit=0.7, callbacks=[faulty, told.append], run_folder=tmp_path / "run").fit(X, Y)
    assert clf.score(X, Y) > 0.9
    (text,) = (str(each.message) for each in heard if "callback" in str(each.message))
    assert f"faulty raised {len(told)} times" in text
    assert "KeyError: 'my own fault'" in text


@pytest.mark.parametrize("callbacks", [print, [print, "log"], "print"])
def test_what_cannot_be_called_is_refused(callbacks: object) -> None:
    with pytest.raises(SettingError, match="callbacks must be a list of functions"):
        TabularClassifier(callbacks=callbacks).fit(X, Y)  # type: ignore[arg-type]


def test_what_ends_a_program_is_not_held_back() -> None:
    def interrupted(now: Figures) -> None:
        raise KeyboardInterrupt

    told = _Told((interrupted,), lambda progress: None)
    progress = Progress("search", Clock(60.0, 0.0), History(), 1, None, metric("accuracy", TaskType.BINARY))
    with pytest.raises(KeyboardInterrupt):
        told.watch(progress)


def test_the_ensemble_is_not_forgotten_while_its_actor_starts() -> None:
    heard: list[Figures] = []
    told = _Told((heard.append,), lambda progress: None)
    progress = Progress("quick models", Clock(60.0, 0.0), History(), 1, 0.25, metric("accuracy", TaskType.BINARY))
    told.watch(progress)
    told.watch(replace(progress, stage="search", ensemble_loss=None))
    assert [now.ensemble for now in heard] == [0.75, 0.75]
