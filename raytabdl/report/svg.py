"""Figures of a report as inline SVG, whose colours and letters the page's style sheet decides on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from raytabdl.report.facts import Point

# The width is about that of a phone, so that letters keep their size there; on a desktop they grow a little.
WIDTH, HEIGHT = 380, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 10, 40


@dataclass(frozen=True)
class Series:
    """Points of one colour: a line, a line with dots, steps that hold until the next point, or dots alone."""

    name: str
    points: tuple[Point, ...]
    form: str = "line"


@dataclass(frozen=True)
class Axis:
    """The part of the numbers that is shown, and what they are."""

    label: str
    low: float
    high: float

    @classmethod
    def over(cls, label: str, values: Sequence[float]) -> Axis:
        """An axis that holds all values with some air."""
        low, high = min(values), max(values)
        air = 0.05 * (high - low) or max(abs(low), 1e-6) * 0.05
        return cls(label, low - air, high + air)

    def ticks(self) -> list[float]:
        """Four to eight round numbers.

        >>> Axis("seconds", 0, 60).ticks()
        [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        """
        rough = (self.high - self.low) / 7
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def chart(title: str, series: Sequence[Series], x: Axis, y: Axis, *, diagonal: bool = False) -> str:
    """The series in a frame with ticks; ``diagonal`` draws where both axes are equal. What lies outside is cut off."""
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    clip = f"clip-{_slug(title)}"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<clipPath id="{clip}">',
        f'<rect x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" height="{bottom - _TOP}"/></clipPath>',
    ]
    for tick in x.ticks():
        place = _x(tick, x)
        parts.append(f'<text class="tick" x="{place:.1f}" y="{bottom + 14}" text-anchor="middle">{tick:g}</text>')
    for tick in y.ticks():
        place = _y(tick, y)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{tick:g}</text>')
    middle = (_TOP + bottom) / 2
    parts += [
        f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>',
        f'<text class="label" x="{(_LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>',
        f'<text class="label" transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>",
        f'<g clip-path="url(#{clip})">',
    ]
    if diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(_path("diagonal", [(low, low), (high, high)], x, y))
    for number, each in enumerate(series):
        parts.append(_drawn(f"series c{number}", each, x, y))
    return "".join([*parts, "</g></svg>"])


def _drawn(style: str, series: Series, x: Axis, y: Axis) -> str:
    if series.form == "dots":
        circles = (f'<circle cx="{_x(a, x):.1f}" cy="{_y(b, y):.1f}" r="2"/>' for a, b in series.points)
        return f'<g class="{style} dots">{"".join(circles)}</g>'
    if series.form == "line with dots" and len(series.points) > 1:
        return _drawn(style, replace(series, form="dots"), x, y) + _path(style, series.points, x, y)
    points = list(series.points)
    if series.form == "steps":
        after = [*points[1:], (x.high, points[-1][1])]
        points = [corner for (a, b), (c, _) in zip(points, after, strict=True) for corner in ((a, b), (c, b))]
    elif len(points) == 1:
        return _drawn(style, replace(series, form="dots"), x, y)
    return _path(style, points, x, y)


def _path(style: str, points: Sequence[Point], x: Axis, y: Axis) -> str:
    corners = " L".join(f"{_x(a, x):.1f} {_y(b, y):.1f}" for a, b in points)
    return f'<path class="{style}" d="M{corners}"/>'


def _x(value: float, axis: Axis) -> float:
    return _LEFT + (value - axis.low) / (axis.high - axis.low) * (WIDTH - _RIGHT - _LEFT)


def _y(value: float, axis: Axis) -> float:
    return HEIGHT - _BOTTOM - (value - axis.low) / (axis.high - axis.low) * (HEIGHT - _BOTTOM - _TOP)


def _slug(title: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in title.lower())
