from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytabdl.networks.shapes import SHAPES, dropout_rates, widths

# Measured on Auto-PyTorch with 20 inputs, 3 outputs and max_units 100; the hexagon of 3 layers had a fourth entry.
TABLE = {
    "brick": ([100, 100, 100, 100, 100, 3], [100, 100, 100, 3], [100, 100, 3]),
    "triangle": ([36, 52, 68, 84, 100, 3], [46, 72, 100, 3], [60, 100, 3]),
    "funnel": ([100, 81, 62, 43, 24, 3], [100, 68, 36, 3], [100, 52, 3]),
    "long_funnel": ([100, 100, 100, 100, 52, 3], [100, 100, 100, 3], [100, 100, 3]),
    "diamond": ([46, 72, 100, 68, 36, 3], [60, 100, 52, 3], [100, 52, 3]),
    "hexagon": ([60, 100, 100, 100, 52, 3], [100, 100, 100, 3], [100, 100, 3]),
    "stairs": ([100, 62, 62, 24, 24, 3], [100, 36, 36, 3], [100, 100, 3]),
}

sizes = st.integers(1, 2000)
layers = st.integers(1, 12)
shapes = st.sampled_from(SHAPES)


def test_there_are_seven_shapes():
    assert set(SHAPES) == set(TABLE)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_widths_are_those_of_the_paper(shape):
    assert tuple(widths(shape, 20, 3, 100, n_layers) for n_layers in (6, 4, 3)) == TABLE[shape]


@given(shapes, sizes, sizes, sizes, layers)
def test_there_is_a_width_for_each_layer_and_max_units_bounds_the_hidden_ones(shape, d_in, d_out, max_units, n_layers):
    *hidden, last = widths(shape, d_in, d_out, max_units, n_layers)
    assert len(hidden) == n_layers - 1
    assert last == d_out
    assert all(1 <= width <= max_units for width in hidden)
    assert not hidden or max(hidden) == max_units


@given(shapes, st.floats(0, 0.99), layers)
def test_dropout_reaches_its_maximum_and_ends_with_zero(shape, max_dropout, n_layers):
    *rates, last = dropout_rates(shape, max_dropout, n_layers)
    assert len(rates) == n_layers - 1
    assert last == 0
    assert all(0 <= rate <= max_dropout for rate in rates)
    assert not rates or max(rates) == max_dropout


@pytest.mark.parametrize(
    ("shape", "rates"),
    [
        ("brick", [0.6, 0.6, 0.6, 0.0]),
        ("funnel", [0.6, 0.4002, 0.2004, 0.0]),
        ("triangle", [0.1998, 0.3996, 0.6, 0.0]),
        ("stairs", [0.6, 0.2004, 0.2004, 0.0]),
    ],
)
def test_dropout_follows_the_shape_in_thousandths(shape, rates):
    assert dropout_rates(shape, 0.6, 4) == pytest.approx(rates)


def test_an_unknown_shape_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"brick, triangle, .*shape='tunnel'"):
        widths("tunnel", 20, 3, 100, 4)


@pytest.mark.parametrize("sizes", [(0, 3, 100, 4), (20, 0, 100, 4), (20, 3, 0, 4), (20, 3, 100, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        widths("brick", *sizes)
