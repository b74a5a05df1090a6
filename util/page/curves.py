"""Curves of a page, as SVG."""

import html
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

WIDTH, HEIGHT, MARGIN = 640, 320, 60  # px of a plot, and of its border
COLOURS = ("#6cf", "#fb6", "#8d8", "#e88", "#c9f", "#dd6")
MOST = 400  # points of a curve


class Curve(NamedTuple):
    """Values over positions that rise, under a name or none; `dots` marks each of them."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dots: bool = True


def svg_of(
    title: str, axis: str, curves: Sequence[Curve], ticks: Sequence[float], text: Callable[[float], str]
) -> str:
    """A plot of curves as an SVG element.

    Args:
        title: of the values. axis: what the positions are. ticks: positions that are labelled. text: writes
            a value.
    """
    values = [value for curve in curves for value in curve.y]
    places = [position for curve in curves for position in curve.x]
    low, high = min(values), max(*values, min(values) + 1e-6)
    first, last = min(places), max(*places, min(places) + 1e-6)

    def place(position: float, value: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (position - first) / (last - first)
        return round(x, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low), 1)

    lines = [f"<svg width='{WIDTH}' height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}'>"]
    lines.append(f"<text x='{MARGIN}' y='30'>{html.escape(title)}</text>")
    lines.append(f"<text x='{WIDTH - MARGIN}' y='{HEIGHT - 12}' text-anchor='end'>{html.escape(axis)}</text>")
    for tick in ticks:
        x = place(tick, low)[0]
        lines.append(f"<text x='{x}' y='{HEIGHT - MARGIN + 22}' text-anchor='middle'>{tick:g}</text>")
    for value in np.linspace(low, high, 5).tolist():
        y = place(first, value)[1]
        lines.append(f"<line x1='{MARGIN}' x2='{WIDTH - MARGIN}' y1='{y}' y2='{y}' stroke='#333'/>")
        lines.append(
            f"<text x='{MARGIN - 6}' y='{y + 4}' text-anchor='end'>{html.escape(text(value))}</text>"
        )
    for number, curve in enumerate(curves):
        points = [place(*point) for point in zip(curve.x, curve.y, strict=True)]
        lines += _drawn(curve, points, number)
    return "\n".join([*lines, "</svg>"])


def _drawn(curve: Curve, points: Sequence[tuple[float, float]], number: int) -> list[str]:
    """The line of a curve, its dots, and its name in its colour."""
    colour = COLOURS[number % len(COLOURS)]
    path = " ".join(f"{x},{y}" for x, y in points)
    lines = [f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.5'/>"]
    if curve.dots:
        lines += [f"<circle cx='{x}' cy='{y}' r='3' fill='{colour}'/>" for x, y in points]
    x, y = WIDTH - MARGIN - 8, HEIGHT - MARGIN - 8 - 17 * number
    name = html.escape(curve.name)
    return [*lines, f"<text x='{x}' y='{y}' text-anchor='end' style='fill:{colour}'>{name}</text>"]


def thinned(x: Sequence[float], y: Sequence[float]) -> Curve:
    """A curve without a name of at most 400 points, each the mean of those that it stands for."""
    bins = min(MOST, len(x))
    means = [
        [float(part.mean()) for part in np.array_split(np.asarray(values, np.float64), bins)]
        for values in (x, y)
    ]
    return Curve("", *means, dots=bins < 40)
