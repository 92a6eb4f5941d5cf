from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from ConfigSpace import (
    Categorical,
    Configuration,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    Float,
    ForbiddenAndConjunction,
    ForbiddenEqualsClause,
    Integer,
)

from raytabdl.component import Config
from raytabdl.search.portfolio import Member, Portfolio, first_configurations, misfits, placed, project


@pytest.fixture
def space() -> ConfigurationSpace:
    space = ConfigurationSpace()
    model = Categorical("model", ["mlp", "forest"])
    layers, rate = Integer("mlp.n_layers", (1, 4), default=2), Float("mlp.lr", (1e-4, 1e-1), default=1e-3, log=True)
    use_dropout, dropout = Categorical("mlp.use_dropout", [False, True]), Float("mlp.dropout", (0.0, 0.8), default=0.2)
    activation, depth = Categorical("mlp.activation", ["relu", "selu"]), Integer("forest.depth", (2, 12), default=6)
    constant = Constant("mlp.batch", 128)
    space.add(model, layers, rate, use_dropout, dropout, activation, depth, constant)
    space.add(*(EqualsCondition(h, model, "mlp") for h in (layers, rate, use_dropout, activation, constant)))
    space.add(EqualsCondition(dropout, use_dropout, True), EqualsCondition(depth, model, "forest"))
    space.add(ForbiddenAndConjunction(ForbiddenEqualsClause(layers, 4), ForbiddenEqualsClause(activation, "selu")))
    return space


FULL: Config = {
    "model": "mlp",
    "mlp.n_layers": 3,
    "mlp.lr": 0.01,
    "mlp.use_dropout": True,
    "mlp.dropout": 0.5,
    "mlp.activation": "selu",
    "mlp.batch": 128,
}


def test_a_legal_configuration_stays_as_it_is(space: ConfigurationSpace) -> None:
    assert project(FULL, space) == pytest.approx(FULL)
    projected = project(FULL, space)
    assert projected is not None
    assert {name: type(value) for name, value in projected.items()} == {k: type(v) for k, v in FULL.items()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mlp.unknown": 1}, {}),
        ({"forest.depth": 3}, {}),  # inactive beside an mlp
        ({"mlp.n_layers": 9}, {"mlp.n_layers": 4, "mlp.activation": "relu"}),
        ({"mlp.lr": 1.0}, {"mlp.lr": 0.1}),
        ({"mlp.n_layers": 2.0}, {"mlp.n_layers": 2}),
        ({"mlp.activation": "gelu"}, {"mlp.activation": "relu"}),
        ({"mlp.lr": "fast"}, {"mlp.lr": 1e-3}),
        ({"mlp.batch": 64}, {"mlp.batch": 128}),
    ],
)
def test_what_does_not_fit_is_dropped_clipped_or_set_to_its_default(
    space: ConfigurationSpace, change: dict[str, object], expected: dict[str, object]
) -> None:
    projected = project({**FULL, "mlp.activation": "relu", **change}, space)  # type: ignore[dict-item]
    assert projected == pytest.approx({**FULL, "mlp.activation": "relu", **expected})
    Configuration(space, values=dict(projected or {}))


def test_missing_values_take_their_default_and_what_they_switch_off_goes(space: ConfigurationSpace) -> None:
    assert project({"model": "mlp", "mlp.dropout": 0.5}, space) == pytest.approx(
        {
            "model": "mlp",
            "mlp.n_layers": 2,
            "mlp.lr": 1e-3,
            "mlp.use_dropout": False,
            "mlp.activation": "relu",
            "mlp.batch": 128,
        }
    )


@pytest.mark.parametrize("config", [{"model": "tabm"}, {"mlp.n_layers": 2}, {**FULL, "mlp.n_layers": 4}])
def test_a_family_that_the_space_lacks_and_a_forbidden_result_give_nothing(
    space: ConfigurationSpace, config: Config
) -> None:
    assert project(config, space) is None


def test_a_clipped_value_is_logged(space: ConfigurationSpace, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        project({**FULL, "mlp.lr": 5.0}, space)
    assert "mlp.lr = 5.0" in caplog.text


def test_first_configurations_keep_the_order_and_repeat_nothing(space: ConfigurationSpace) -> None:
    configs: list[Config] = [{"model": "forest"}, {"model": "tabm"}, FULL, {"model": "forest", "forest.depth": 6}]
    portfolio = Portfolio("hand-chosen", tuple(Member(config) for config in configs))
    first = first_configurations(portfolio, space)
    assert [config["model"] for config in first] == ["forest", "mlp"]
    assert first[0]["forest.depth"] == 6


def test_what_becomes_of_members_in_a_space_is_said(space: ConfigurationSpace) -> None:
    configs: list[Config] = [FULL, {**FULL, "mlp.lr": 1.0, "mlp.batch": 64}, {"model": "svm"}, {"model": "forest"}]
    portfolio = Portfolio("learned", tuple(Member(config) for config in configs))
    fates = [fate for _, fate in placed(portfolio, space)]
    assert fates == ["fits", "changed: mlp.batch, mlp.lr", "left out", "fits"]
    said = misfits(portfolio, space)
    assert said.startswith("of the 4 members of the portfolio, left out")
    assert "forbids them: 1; changed to fit it: 1;" in said
    assert misfits(Portfolio("learned", portfolio.members[:1]), space) == ""


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    portfolio = Portfolio("learned", (Member(FULL, "fast"), Member({"model": "forest"})), {"data_sets": ["adult"]})
    (tmp_path / "own.json").write_text(json.dumps(portfolio.to_json()))
    assert Portfolio.read(tmp_path / "own.json") == portfolio


def test_a_portfolio_is_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "portfolio.json"
    content = {
        "origin": "learned",
        "provenance": {"datasets": 24},
        "members": [{"note": "fast", "config": {"model": "forest"}}, {"config": FULL}],
    }
    path.write_text(json.dumps(content))
    portfolio = Portfolio.read(path)
    assert portfolio.origin == "learned"
    assert portfolio.provenance == {"datasets": 24}
    assert portfolio.members == (Member({"model": "forest"}, "fast"), Member(FULL, ""))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"origin": "learned"}',
        '{"origin": "guessed", "members": []}',
        '{"origin": "learned", "members": [3]}',
    ],
)
def test_a_file_that_is_no_portfolio_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"broken\.json must hold a portfolio"):
        Portfolio.read(path)


def test_a_portfolio_needs_no_provenance(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text('{"origin": "learned", "members": [{"config": {"model": "forest"}}]}')
    assert Portfolio.read(path) == Portfolio("learned", (Member({"model": "forest"}),), {})


def test_a_number_that_is_switched_off_is_a_change(space: ConfigurationSpace) -> None:
    portfolio = Portfolio("learned", (Member({**FULL, "mlp.use_dropout": False}),))
    assert [fate for _, fate in placed(portfolio, space)] == ["changed: mlp.dropout"]
