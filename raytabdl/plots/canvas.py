"""What all figures share: paper to draw on, and colours that all eyes tell apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from raytabdl.exceptions import SettingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Of Okabe and Ito (2008)."""

GREY = "#8a8a8a"
DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (inches) beside pyplot's, which keeps no state and opens no window."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise SettingError("figures need matplotlib: pip install 'raytabdl[plots]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def new_axes(width: float, height: float) -> Axes:
    axes: Axes = new_figure(width, height).subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def save(axes: Axes, path: Path) -> None:
    """Writes the figure in the format that the ending names."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:] not in known:
        raise SettingError(f"the path of a figure must end in one of {', '.join(sorted(known))}, got {str(path)!r}")
    figure.savefig(path, dpi=DPI)


def words(tag: str) -> str:
    """A tag as a label: ``Train/val_accuracy`` is the validation accuracy."""
    plain = tag.rpartition("/")[2]
    for start, word in (("val_", "validation "), ("train_", "training "), ("test_", "test ")):
        plain = plain.replace(start, word)
    return plain.replace("_", " ")


def with_unit(tag: str, *, is_difference: bool = False) -> str:
    """A tag in words with its unit; LCBench has accuracies in percent, balanced ones as shares of 1."""
    plain = words(tag)
    if plain == "time":
        return "time (s)"
    if plain.endswith("accuracy") and "balanced" not in plain:
        return f"{plain} ({'percentage points' if is_difference else '%'})"
    return plain
