from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from raytabdl.configspace import build
from raytabdl.curves import LCBench
from raytabdl.curves.tasks import SPACE
from raytabdl.exceptions import DataError, SettingError
from raytabdl.plots.budget_correlation import budget_correlation_data, plot_budget_correlation
from raytabdl.plots.canvas import save, with_unit
from raytabdl.plots.heatmap import heatmap_data, plot_heatmap, plot_regret, regret_data
from raytabdl.plots.importance import importance_data, plot_importance
from raytabdl.plots.learning_curves import learning_curves_data, plot_learning_curves
from raytabdl.plots.portfolio_regret import plot_portfolio_regret, portfolio_regret_data

agg = pytest.importorskip("matplotlib.backends.backend_agg")

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text


def assert_readable(texts: list[Text], axes: Axes) -> None:
    """The texts lie beside each other and inside the figure."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    agg.FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert boxes
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


# Data.


def test_the_heat_map_is_sorted_by_means_along_both_sides(benchmark: LCBench) -> None:
    data = heatmap_data(benchmark)
    assert data.index[0] == "easy"
    assert data.shape == (3, 60)
    assert (np.diff(data.mean(axis=0)) <= 1e-9).all()
    assert (np.diff(data.mean(axis=1)) <= 0).all()
    assert data.loc["hard", "7"] == benchmark.query("hard", "val_accuracy", 7)[-1]


def test_the_regret_is_what_lacks_to_the_best_of_a_data_set(benchmark: LCBench) -> None:
    data = regret_data(benchmark, epoch=50)
    np.testing.assert_allclose(data.min(axis=1), 0)
    assert (np.diff(data.mean(axis=0)) >= -1e-9).all()
    best, _ = benchmark.query_best("easy", "val_accuracy")
    assert data.columns[0] == best


def test_the_hyperparameter_that_alone_counts_has_all_importance(benchmark: LCBench) -> None:
    data = importance_data(benchmark, build(SPACE, (), 0), (25, 50))
    means = data.groupby(["method", "epoch", "hyperparameter"])["importance"].mean()
    for method in ("fANOVA", "LPI"):
        for epoch in (25, 50):
            assert means[method, epoch].idxmax() == "learning_rate"
            assert means[method, epoch, "learning_rate"] > 0.7
    assert set(data["hyperparameter"]) == set(SPACE)
    assert set(data["dataset"]) == set(benchmark.dataset_names)


@pytest.mark.filterwarnings("ignore:.* is left out")
def test_a_data_set_that_says_nothing_is_left_out_with_a_warning(benchmark: LCBench) -> None:
    with (
        pytest.warns(UserWarning, match="easy after 0 epochs is left out: losses must differ"),
        pytest.raises(DataError, match="at least one data set"),
    ):
        importance_data(benchmark, build(SPACE, (), 0), (0,), "epoch")


def test_learning_curves_run_from_the_best_to_the_worst(benchmark: LCBench) -> None:
    data = learning_curves_data(benchmark, "easy")
    assert data.columns[0] == heatmap_data(benchmark).columns[0]
    assert list(data.index) == list(range(51))  # the last value, which repeats, is none of its own
    with pytest.raises(SettingError, match="one per training"):
        learning_curves_data(benchmark, "easy", "final")


def test_budgets_after_the_end_of_learning_rank_alike(benchmark: LCBench) -> None:
    data = (
        budget_correlation_data(benchmark, (5, 30, 50))
        .set_index(["first", "second", "dataset"])
        .sort_index()["correlation"]
    )
    assert data[30, 50].tolist() == pytest.approx([1, 1, 1])
    assert (data[5, 50] < 0.9).all()


def test_the_portfolio_begins_with_the_best_on_average(benchmark: LCBench) -> None:
    data = portfolio_regret_data(benchmark, size=5)
    assert data.attrs["members"][0] == regret_data(benchmark).columns[0]
    np.testing.assert_allclose(data.loc[1], regret_data(benchmark)[data.attrs["members"][0]][data.columns])


# Pictures.


def test_every_data_set_is_named_beside_the_heat_maps(benchmark: LCBench, tmp_path: Path) -> None:
    for axes in (plot_heatmap(heatmap_data(benchmark)), plot_regret(regret_data(benchmark))):
        labels = axes.get_yticklabels()
        assert [label.get_text() for label in labels] == list(heatmap_data(benchmark).index)
        assert_readable(labels, axes)
        save(axes, tmp_path / "heatmap.png")
        assert (tmp_path / "heatmap.png").read_bytes()[:4] == b"\x89PNG"


def test_names_stand_apart_with_as_many_data_sets_as_lcbench_has() -> None:
    data = pd.DataFrame(np.random.default_rng(0).random((35, 50)), index=[f"data set {i}" for i in range(35)])
    axes = plot_heatmap(data)
    assert_readable(axes.get_yticklabels(), axes)


def test_the_importance_shows_both_methods_with_a_colour_for_each_budget(benchmark: LCBench) -> None:
    data = importance_data(benchmark, build(SPACE, (), 0), (12, 50))
    left, right = plot_importance(data)
    assert left.get_title().startswith("fANOVA")
    assert right.get_title().startswith("LPI")
    assert [label.get_text() for label in left.get_yticklabels()][-1] == "learning rate"  # above
    legend = right.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["12 epochs", "50 epochs"]
    assert len({patch.get_facecolor() for patch in left.patches}) == 2
    assert_readable([*left.get_yticklabels(), left.title, right.title], left)


def test_the_best_curves_are_named(benchmark: LCBench) -> None:
    axes = plot_learning_curves(learning_curves_data(benchmark, "easy"), title="easy")
    legend = axes.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    best = list(learning_curves_data(benchmark, "easy").columns)[:3]
    assert names == ["median", *(f"configuration {config}" for config in best)]
    assert axes.get_ylabel() == "validation accuracy (%)"
    assert_readable(axes.get_xticklabels(), axes)


def test_a_loss_that_diverges_does_not_press_the_others_together() -> None:
    data = pd.DataFrame({str(i): [1.0, 0.5, 0.4 + i / 100] for i in range(50)})
    data["49"] = [1.0, 1e6, 1e9]
    assert plot_learning_curves(data, "val_cross_entropy").get_ylim()[1] < 2


def test_the_correlations_are_written_into_the_picture(benchmark: LCBench) -> None:
    axes = plot_budget_correlation(budget_correlation_data(benchmark, (5, 30, 50)))
    texts = [text.get_text() for text in axes.texts]
    assert len(texts) == 6
    assert "1.00\n1.00 to 1.00" in texts
    assert_readable(axes.texts, axes)


def test_the_regret_of_a_portfolio_starts_at_one_member(benchmark: LCBench) -> None:
    data = portfolio_regret_data(benchmark, size=16)
    axes = plot_portfolio_regret(data)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), data.mean(axis=1))
    assert axes.get_xticks()[0] == 1
    assert_readable(axes.get_xticklabels(), axes)


def test_an_ending_that_is_no_picture_is_answered_with_those_that_are(benchmark: LCBench, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"pdf, .*png, .*got '.*figure\.parquet'"):
        save(plot_heatmap(heatmap_data(benchmark)), tmp_path / "figure.parquet")


@pytest.mark.parametrize(
    ("tag", "label"),
    [
        ("Train/val_accuracy", "validation accuracy (%)"),
        ("Train/val_balanced_accuracy", "validation balanced accuracy"),
        ("test_cross_entropy", "test cross entropy"),
        ("time", "time (s)"),
    ],
)
def test_a_tag_is_written_in_words_with_its_unit(tag: str, label: str) -> None:
    assert with_unit(tag) == label


def test_a_difference_of_percentages_is_in_percentage_points() -> None:
    assert with_unit("val_accuracy", is_difference=True) == "validation accuracy (percentage points)"
