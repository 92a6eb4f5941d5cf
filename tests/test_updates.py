from __future__ import annotations

import pytest

from raytabdl.component import Choice, Integer, Real, When
from raytabdl.exceptions import SettingError
from raytabdl.presets import small
from raytabdl.space import Choices, configuration_space

CHOICES = Choices().only(["mlp", "realmlp"])
LAYERS, LR, DROPOUT = "network.mlp.n_layers", "network.mlp.optimizer.adamw.lr", "network.mlp.max_dropout"


def after(updates, name, choices=CHOICES):
    return choices.updated(updates).updates[name]


def test_a_range_a_scale_and_a_default_are_changed_one_by_one():
    assert after({LAYERS: {"high": 8}}, LAYERS) == Integer(2, 8, 4)
    assert after({LAYERS: {"low": 5}}, LAYERS) == Integer(5, 6, 5)  # the default stays within
    assert after({LR: {"log": False, "default": 0.05}}, LR) == Real(1e-4, 1e-1, 0.05)
    assert after({"network.mlp.shape": {"default": "stairs"}}, "network.mlp.shape").default == "stairs"
    assert after({"network.mlp.shape": {"options": ["stairs", "funnel"]}}, "network.mlp.shape") == Choice(
        ("stairs", "funnel"), "stairs"
    )
    assert after({LAYERS: {"options": [2, 6]}}, LAYERS) == Choice((2, 6), 2)


def test_a_value_fixes_and_a_dimension_replaces():
    assert after({LAYERS: 3}, LAYERS) == Choice((3,), 3)
    assert after({LR: Real(1e-3, 1e-2, 2e-3)}, LR) == Real(1e-3, 1e-2, 2e-3)
    assert after({"network.realmlp.d_hidden": 500}, "network.realmlp.d_hidden") == Choice((500,), 500)
    space = configuration_space(CHOICES.updated({LAYERS: 3, "network.mlp.scaler": "standard"}))
    for config in map(dict, space.sample_configuration(60)):
        if config["model"] == "mlp":
            assert (config[LAYERS], config["network.mlp.scaler"]) == (3, "standard")


def test_later_updates_go_on_from_earlier_ones_and_open_what_was_fixed():
    twice = CHOICES.updated({LAYERS: {"high": 8}}).updated({LAYERS: {"low": 3}})
    assert twice.updates[LAYERS] == Integer(3, 8, 4)
    assert CHOICES.updated({LAYERS: 3}).updated({LAYERS: {"high": 5}}).updates[LAYERS] == Integer(2, 5, 4)
    assert after({"network.mlp.shape": "brick"}, "network.mlp.shape", small()) == Choice(("brick",), "brick")
    assert small().updated({"network.mlp.shape": {"options": ["brick", "funnel"]}}).updates[LAYERS] == Integer(1, 5, 4)


def test_a_condition_is_kept():
    expected = When("use_dropout", (True,))
    for update in ({"high": 0.9}, 0.3, Real(0.1, 0.2, 0.1), {"options": [0.1, 0.2]}):
        assert after({DROPOUT: update}, DROPOUT).when == expected


def test_the_choices_that_are_updated_stay_as_they_were():
    before = Choices()
    before.updated({LAYERS: 3})
    assert before == Choices()


@pytest.mark.parametrize(
    ("name", "update", "words"),
    [
        ("network.mlp.n_layer", 3, "got 'network.mlp.n_layer'; close to it are network.mlp.n_layers"),
        ("something.else.entirely", 3, r"\d+ names; `raytabdl space` lists them"),
        ("model", "mlp", "model must not be updated: only"),
        (LAYERS, {"hgih": 8}, "of network.mlp.n_layers must be a known one, got 'hgih'; close to it are high"),
        (LAYERS, {"high": 1}, "range of network.mlp.n_layers must hold low <= default <= high"),
        (LAYERS, {"high": 8.5}, "high of network.mlp.n_layers must be an integer, got 8.5"),
        (LAYERS, {"high": "many"}, "high of network.mlp.n_layers must be an integer, got 'many'"),
        (LAYERS, {"high": True}, "must be an integer, got True"),
        (LAYERS, {"low": 0, "log": True}, "low must be positive on a log scale"),
        (LAYERS, {"log": 1}, "log of network.mlp.n_layers must be true or false, got 1"),
        (LAYERS, {"options": [2], "low": 2}, "options or a range, got options and"),
        (LAYERS, {"options": []}, "list of at least one value"),
        (LAYERS, {"options": [2, 3], "default": 4}, r"default of .* must be one of \[2, 3\], got 4"),
        (LAYERS, 2.5, "its value of network.mlp.n_layers must be an integer, got 2.5"),
        (LAYERS, None, "must be one value or a mapping"),
        (LAYERS, [2, 3], "must be one value or a mapping"),
        (LAYERS, Real(1, 2, 1), "must stay an Integer"),
        (LR, "fast", "must be a number, got 'fast'"),
        ("network.mlp.shape", "tunnel", r"options of network.mlp.shape must be of .*'funnel'.*, got 'tunnel'"),
        ("network.mlp.shape", 3, "got 3"),
        ("network.mlp.shape", Integer(1, 2, 1), "must stay a Choice"),
        ("network.mlp.shape", {"low": 1}, "must be a known one, got 'low'"),
        ("network.mlp.batch_norm", 1, r"must be of \[False, True\], got 1"),
        ("network.mlp.scaler", "minmax", r"must be of \['robust', .*got 'minmax'"),
    ],
)
def test_an_update_that_cannot_be_names_the_hyperparameter_and_what_was_given(name, update, words):
    with pytest.raises(SettingError, match=words):
        CHOICES.updated({name: update})


def test_a_file_says_what_python_says(tmp_path):
    path = tmp_path / "updates.yaml"
    path.write_text(
        """
        # Deeper networks, and one scaler.
        network.mlp.n_layers: {low: 3, high: 8}
        network.mlp.scaler: standard
        network.mlp.batch_norm: true
        network.mlp.optimizer.adamw.lr: {low: 1e-5, log: true}   # which YAML takes for a string
        network.mlp.shape: {options: [brick, stairs]}
        """
    )
    assert CHOICES.updated_from(path) == CHOICES.updated(
        {
            LAYERS: {"low": 3, "high": 8},
            "network.mlp.scaler": "standard",
            "network.mlp.batch_norm": True,
            LR: {"low": 1e-5, "log": True},
            "network.mlp.shape": {"options": ("brick", "stairs")},
        }
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("network.mlp.n_layers: {high", "cannot be read as YAML"),
        ("- network.mlp.n_layers", "must map names"),
        ("", "must map names of hyperparameters to updates, got None"),
        ("3: 4", "must map names"),
        ("a: !!python/object/apply:os.getcwd []", "cannot be read as YAML"),
        ("network.mlp.n_layers: [2, 3]", "network.mlp.n_layers must be one value or a mapping"),
    ],
)
def test_a_file_that_is_no_list_of_updates_is_refused(content, words, tmp_path):
    path = tmp_path / "updates.yaml"
    path.write_text(content)
    with pytest.raises(SettingError, match=words):
        CHOICES.updated_from(path)
    with pytest.raises(SettingError, match=r"none\.yaml cannot be read"):
        CHOICES.updated_from(tmp_path / "none.yaml")
