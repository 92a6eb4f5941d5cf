from __future__ import annotations

import pytest
from click.testing import CliRunner
from ConfigSpace import CategoricalHyperparameter

from raytabdl.cli import commands
from raytabdl.describe import describe
from raytabdl.presets import PRESETS, preset, small
from raytabdl.space import configuration_space


@pytest.mark.parametrize("name", PRESETS)
def test_there_is_a_row_for_each_hyperparameter_of_the_space(name):
    space, table = configuration_space(preset(name)), describe(preset(name)).set_index("name")
    assert set(table.index) == set(space)
    for hyperparameter in space.values():
        row = table.loc[hyperparameter.name]
        assert row["log"] == getattr(hyperparameter, "log", False)
        assert (row["kind"] in ("choice", "fixed")) is isinstance(hyperparameter, CategoricalHyperparameter)
        parents = [condition.parent.name for condition in space.parent_conditions_of[hyperparameter.name]]
        assert (row["active"] == "always") is (not parents)
        assert all(row["active"].startswith(f"{parent} = ") for parent in parents)


def test_a_row_says_what_can_be():
    table = describe(small().updated({"network.mlp.shape": {"options": ["funnel", "brick"]}})).set_index("name")
    assert table.loc["network.mlp.shape"].tolist() == ["choice", "funnel, brick", "funnel", False, "model = mlp"]
    assert table.loc["network.mlp.max_units"].tolist() == ["integer", "64 to 1024", "256", True, "model = mlp"]
    assert table.loc["network.mlp.use_dropout", ["kind", "values"]].tolist() == ["fixed", "True"]
    assert table.loc["network.mlp.optimizer.sgd.lr", ["kind", "values"]].tolist() == ["real", "0.0001 to 0.1"]
    assert table.loc["network.mlp.max_dropout", "active"] == "network.mlp.use_dropout = True"


def test_the_command_shows_the_space_of_a_preset_with_the_updates_of_a_file(tmp_path):
    path = tmp_path / "updates.yaml"
    path.write_text("network.mlp.max_units: {low: 17}\n")
    shown = CliRunner().invoke(commands, ["space", "--preset", "small", "--updates", str(path)])
    assert shown.exit_code == 0, shown.output
    lines = {line.split()[0]: line.split() for line in shown.output.splitlines() if line.strip()}
    assert set(small().updates) <= set(lines)
    assert lines["network.mlp.max_units"][1:5] == ["integer", "17", "to", "1024"]


def test_the_command_refuses_an_update_of_nothing_in_one_line(tmp_path):
    path = tmp_path / "updates.yaml"
    path.write_text("network.mlp.n_layer: 3\n")
    shown = CliRunner().invoke(commands, ["space", "--updates", str(path)])
    assert shown.exit_code == 2
    assert "'network.mlp.n_layer'; close to it are network.mlp.n_layers" in shown.output
    assert len(shown.output.splitlines()) == 1
