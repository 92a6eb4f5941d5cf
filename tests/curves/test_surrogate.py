from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from raytabdl.analysis.budgets import mean_rank_correlation
from raytabdl.configspace import build
from raytabdl.curves.surrogate import Surrogate, random_configs
from raytabdl.curves.tasks import SPACE
from raytabdl.exceptions import CurvesError, SettingError
from raytabdl.search.greedy import greedy_portfolio, regret_curve

FOLDER = os.environ.get("RAYTABDL_SURROGATE", "")
"""Where the model lies; it does not belong to the package."""


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    pytest.importorskip("onnxruntime")
    if not FOLDER:
        pytest.skip("RAYTABDL_SURROGATE names no surrogate")
    return Surrogate(Path(FOLDER), random_configs(100, seed=0))


def test_draws_are_of_the_space() -> None:
    space = build(SPACE, (), 0)
    configs = random_configs(200, seed=0)
    for config in configs:
        assert all(space[name].legal_value(value) for name, value in config.items())
    assert {config["num_layers"] for config in configs} == {1, 2, 3, 4, 5}
    # log uniform: as many below the geometric mean as above
    assert 80 < sum(float(config["learning_rate"]) < 10**-2.5 for config in configs) < 120


def test_a_curve_goes_from_the_untrained_network_to_50_epochs(surrogate: Surrogate) -> None:
    assert len(surrogate.dataset_names) == 34
    assert "numerai28.6" not in surrogate.dataset_names
    time = surrogate.query("adult", "time", 0)
    accuracy = surrogate.query("adult", "val_accuracy", surrogate.query_best("adult", "val_accuracy")[0])
    assert len(time) == len(accuracy) == 52
    assert time[50] > time[1] > 0
    assert accuracy[0] < 65 < 80 < accuracy[50] < 100
    assert surrogate.openml_task_ids["adult"] == 126025


def test_what_the_paper_found_holds_on_it(surrogate: Surrogate) -> None:
    """Mean rank correlations of 0.88 to 0.96, and 10 members of a portfolio with a regret below 0.1."""
    tables = {epoch: surrogate.table("val_accuracy", epoch) for epoch in (12, 25, 50)}
    by_dataset = {
        name: pd.DataFrame({epoch: -table[name] for epoch, table in tables.items()}) for name in surrogate.dataset_names
    }
    correlation = mean_rank_correlation(by_dataset)
    assert 0.86 < correlation.loc[12, 50] < correlation.loc[25, 50] < 0.98
    final = -tables[50].to_numpy()
    regret = regret_curve(final - final.min(axis=0), greedy_portfolio(final - final.min(axis=0), 16)).mean(axis=1)
    assert 1 < regret[0] < 8
    assert regret[9] < 0.2


def test_a_configuration_needs_all_seven(surrogate: Surrogate) -> None:
    with pytest.raises(SettingError, match=r"got none of \['momentum'\]"):
        config = dict(random_configs(1, seed=0)[0])
        del config["momentum"]
        surrogate.curves("adult", [config])


def test_a_folder_without_the_model_or_of_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurvesError, match=r"has no model\.onnx"):
        Surrogate(tmp_path, random_configs(3, seed=0))
    (tmp_path / "model.onnx").touch()
    (tmp_path / "encoding.json").write_text('{"OpenML_task_id": {"3": 1}}')
    with pytest.raises(CurvesError, match="must number LCBench's OpenML tasks"):
        Surrogate(tmp_path, random_configs(3, seed=0))
