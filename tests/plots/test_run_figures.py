from __future__ import annotations

import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from raytabdl import cli
from raytabdl.ensemble import Ensemble
from raytabdl.exceptions import DataError
from raytabdl.history import History, Result, Seconds, Trial
from raytabdl.plots.anytime import anytime_data, plot_anytime
from raytabdl.plots.finished_runs import finished_runs_data, plot_finished_runs
from raytabdl.plots.model_against_random import model_against_random_data, plot_model_against_random
from raytabdl.run_folder import RunFolder

pytest.importorskip("matplotlib")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Twenty trials, the model's better than those of chance by 1; every second one reaches budget 3."""
    folder = RunFolder(tmp_path)
    history = History(folder.trials)
    history.append(Trial("quick-dummy", {"model": "dummy"}, "quick", -1, 0))
    history.append(Result("quick-dummy", 1, 9.0, 9.0, {}, Seconds(), 0.1))
    for number in range(20):
        origin = ("model", "random")[number % 2]
        name, loss = f"{number:04}", 1 + number % 2 - number / 100
        history.append(Trial(name, {"model": "mlp"}, origin, 0, 0))
        history.append(Result(name, 1, loss, loss, {}, Seconds(), number + 0.5))
        if number % 4 == 0:
            history.append(Result(name, 3, loss / 2, loss / 2, {}, Seconds(), number + 0.9))
    history.append(Trial("0000.1", {"model": "mlp"}, "bag", -1, 0, fold=1))
    history.append(Result("0000.1", 3, 0.0, 0.0, {}, Seconds(), 30.0))
    history.append(Trial("9999", {"model": "mlp"}, "random", 0, 0))
    history.append(Result("9999", 1, math.inf, math.inf, {}, Seconds(), 31.0))
    history.append(Result("9999", 2, 0.1, 0.9, {}, Seconds(), 32.0))  # the time was over between two rungs
    for seconds, loss in ((0.1, 9.0), (0.6, 0.8), (10.0, 0.4)):
        folder.append_trajectory(seconds, Ensemble({"quick-dummy@1": 1.0}, loss))
    return folder


def test_the_anytime_curves_fall_on_the_first_fold_alone(run: RunFolder) -> None:
    data = anytime_data(run)
    steps = {kind: own for kind, own in data.groupby("kind")}
    assert steps["ensemble"]["loss"].tolist() == [9.0, 0.8, 0.4]
    single = steps["best single"]
    assert single["loss"].iloc[0] == 9.0
    assert single["loss"].iloc[-1] == pytest.approx((1 - 16 / 100) / 2)
    assert (single["loss"].diff().dropna() < 0).all()


def test_the_first_models_do_not_press_the_others_together(run: RunFolder) -> None:
    axes = plot_anytime(anytime_data(run), "rmse")
    assert axes.get_ylim()[1] < 2
    assert axes.get_ylabel() == "rmse on the validation rows"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["ensemble", "best single"]


def test_trainings_are_counted_at_the_rungs_of_the_search(run: RunFolder) -> None:
    data = finished_runs_data(run)
    assert data.groupby("budget")["finished"].max().to_dict() == {1: 21, 3: 5}
    assert (data.groupby("budget")["seconds"].diff().dropna() > 0).all()
    legend = plot_finished_runs(data).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["1: 21", "3: 5"]


def test_the_model_is_held_against_random_at_each_budget(run: RunFolder) -> None:
    data = model_against_random_data(run)
    assert set(data["origin"]) == {"model", "random"}
    medians = data.groupby(["origin", "budget"])["loss"].median()
    assert medians["random", 1] - medians["model", 1] == pytest.approx(1, abs=0.02)
    assert (data["origin"] == "random").sum() == 10  # what failed, or was cut short, is no loss
    axes = plot_model_against_random(data)
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["model (15)", "random (10)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "3"]


def test_a_run_without_what_a_figure_shows_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    for data_of in (anytime_data, finished_runs_data, model_against_random_data):
        with pytest.raises(DataError, match="run must have"):
            data_of(folder)


@pytest.mark.parametrize("figure", ["anytime", "finished", "model-random"])
def test_a_folder_that_is_no_run_is_refused(figure: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.commands, ["plot", figure, str(tmp_path), "--out", str(tmp_path / "f.png")])
    assert done.exit_code == 2
    assert "holds no run" in done.stderr
    assert list(tmp_path.iterdir()) == []
