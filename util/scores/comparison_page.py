"""A page that compares runs: tables, plots of scores over numbers of frames, and their contact sheets."""

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from util.imaging.plot import COLOURS, Series, plot
from util.scores.comparison import WHAT, Row, Scores, columns, rows_of, shown
from util.scores.report import STYLE

WIDTH, HEIGHT, MARGIN = 640, 400, 60  # px of a plot, and of its border
PAGE_STYLE = f"""{STYLE}
td.what, th.what {{ text-align: left }} figure {{ margin: 0 0 1em }} figcaption {{ color: #999 }}
svg {{ background: #fff; max-width: 100% }} svg text {{ font: 13px sans-serif }}"""


class Curve(NamedTuple):
    """A score of one network over numbers of frames, in rising order of these."""

    name: str
    frames: list[int]
    scores: list[float]


def metric_of(rows: Sequence[Row]) -> str:
    """The first metric that a table shows."""
    return next((key for key in columns(rows) if key not in WHAT), "")


def curves(rows: Sequence[Row]) -> list[Curve]:
    """The first metric of a table over numbers of frames, by run and weights; none for a single number."""
    metric = metric_of(rows)
    points: dict[str, dict[int, float]] = {}
    for row in rows:
        if isinstance(row.get("frames"), int) and row.get(metric) is not None:
            name = f"{row['run']} {row.get('checkpoint', '')}".strip()
            points.setdefault(name, {})[row["frames"]] = float(row[metric])
    if len({count for scores in points.values() for count in scores}) < 2:
        return []
    return [Curve(name, sorted(held), [held[n] for n in sorted(held)]) for name, held in points.items()]


def picture_of(metric: str, found: Sequence[Curve]) -> np.ndarray:
    """The plot of curves as a picture (H, W, 3) uint8."""
    series = []
    for number, curve in enumerate(found):
        x, y = np.array(curve.frames), np.array(curve.scores)
        series += [Series(x, y, True, number), Series(x, y, False, number)]
    return plot(f"{metric} over frames", ("frames", metric), series, [curve.name for curve in found])


def svg_of(metric: str, found: Sequence[Curve]) -> str:
    """The same plot as an SVG element."""
    counts = sorted({count for curve in found for count in curve.frames})
    values = [value for curve in found for value in curve.scores]
    low, high = min(values), max(*values, min(values) + 1e-6)

    def place(count: float, value: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (count - counts[0]) / (counts[-1] - counts[0])
        return round(x, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low), 1)

    lines = [f"<svg width='{WIDTH}' height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}'>"]
    lines.append(f"<text x='{MARGIN}' y='30'>{html.escape(metric)}</text>")
    lines.append(f"<text x='{WIDTH - MARGIN}' y='{HEIGHT - 12}' text-anchor='end'>frames</text>")
    for count in counts:
        x = place(count, low)[0]
        lines.append(f"<text x='{x}' y='{HEIGHT - MARGIN + 22}' text-anchor='middle'>{count}</text>")
    for value in np.linspace(low, high, 5).tolist():
        y = place(counts[0], value)[1]
        lines.append(f"<line x1='{MARGIN}' x2='{WIDTH - MARGIN}' y1='{y}' y2='{y}' stroke='#ddd'/>")
        text = html.escape(shown(metric, value))
        lines.append(f"<text x='{MARGIN - 6}' y='{y + 4}' text-anchor='end'>{text}</text>")
    for number, curve in enumerate(found):
        colour = f"rgb{COLOURS[number % len(COLOURS)]}"
        places = [place(*point) for point in zip(curve.frames, curve.scores, strict=True)]
        path = " ".join(f"{x},{y}" for x, y in places)
        lines.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        lines += [f"<circle cx='{x}' cy='{y}' r='4' fill='{colour}'/>" for x, y in places]
        y = HEIGHT - MARGIN - 8 - 17 * number
        name = html.escape(curve.name)
        lines.append(
            f"<text x='{WIDTH - MARGIN - 8}' y='{y}' text-anchor='end' fill='{colour}'>{name}</text>"
        )
    return "\n".join([*lines, "</svg>"])


def sheets_of(entries: Sequence[Scores], folder: Path) -> str:
    """The contact sheets of each image, one per run below another; `folder`: of the page, for their links."""
    lines = []
    for name in entries[0].images:
        figures = []
        for entry in entries:
            sheet = entry.sheets / f"{name}.png" if entry.sheets else None
            if sheet and sheet.is_file():
                source = quote(Path(os.path.relpath(sheet, folder)).as_posix())
                caption = html.escape(f"{entry.run} {entry.row.get('checkpoint', '')}".strip())
                figures.append(
                    f"<figure><figcaption>{caption}</figcaption>"
                    f"<img src='{source}' loading='lazy' alt='{html.escape(name)}'></figure>"
                )
        if figures:
            lines += [f"<h3>{html.escape(name)}</h3>", *figures]
    return "\n".join(lines)


def table_of(rows: Sequence[Row]) -> str:
    """The rows as an HTML table."""
    keys = columns(rows)

    def line(cell: str, texts: Sequence[str]) -> str:
        pairs = zip([" class='what'" if key in WHAT else "" for key in keys], texts, strict=True)
        return f"<tr>{''.join(f'<{cell}{kind}>{html.escape(text)}</{cell}>' for kind, text in pairs)}</tr>"

    lines = [line("td", [shown(key, row.get(key)) for key in keys]) for row in rows]
    return "\n".join(["<table>", line("th", keys), *lines, "</table>"])


def as_html(groups: Mapping[str, Sequence[Scores]], folder: Path) -> str:
    """The page, which will lie in `folder`."""
    lines = [f"<!doctype html><meta charset='utf-8'><title>Comparison</title><style>{PAGE_STYLE}</style>"]
    for title, entries in groups.items():
        rows = rows_of(entries)
        lines += [f"<h2>{html.escape(title)}</h2>", table_of(rows)]
        if found := curves(rows):
            lines.append(svg_of(metric_of(rows), found))
        lines.append(sheets_of(entries, folder))
    return "\n".join(lines) + "\n"
