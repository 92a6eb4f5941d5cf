from __future__ import annotations

import math

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace

from raytabdl.analysis.study import Study
from raytabdl.exceptions import DataError


def test_failed_configurations_are_left_out_and_counted(cube: ConfigurationSpace) -> None:
    configs = [{"x": x, "y": 0.5, "z": 0.5} for x in np.linspace(0, 1, 20)]
    losses = [math.inf, math.nan, *np.arange(18.0)]
    with pytest.warns(UserWarning, match="2 of 20 configurations failed"):
        study = Study.of(cube, configs, losses)
    assert len(study.vectors) == len(study.losses) == 18
    np.testing.assert_allclose(study.incumbent, [2 / 19, 0.5, 0.5])


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([1.0], "got 1 of 1; evaluate more"),
        ([math.inf] * 30, "got 0 of 30"),
        ([0.25] * 30, "all 30 configurations have 0.25"),
    ],
)
def test_a_study_that_says_nothing_is_refused(losses: list[float], words: str, cube: ConfigurationSpace) -> None:
    with pytest.raises(DataError, match=words):
        Study.of(cube, [{"x": 0.1, "y": 0.2, "z": 0.3}] * len(losses), losses)


def test_each_configuration_needs_a_loss(cube: ConfigurationSpace) -> None:
    with pytest.raises(DataError, match="a loss for each"):
        Study.of(cube, [{"x": 0.1}] * 3, [1.0, 2.0])


def test_a_level_that_the_space_lacks_is_named(switched: ConfigurationSpace) -> None:
    with pytest.raises(DataError, match="switch must be a value of the space, got 'half'"):
        Study.of(switched, [{"switch": "half"}] * 10, list(range(10)))
