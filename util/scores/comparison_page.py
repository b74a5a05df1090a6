"""A page that compares runs: tables, plots of scores over numbers of frames, and the images of all."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from util.imaging.plot import Series, plot
from util.page.album import merged
from util.page.curves import Curve, svg_of
from util.page.writer import Group, html_table, write_page
from util.scores.comparison import WHAT, Row, Scores, columns, rows_of, shown


def metric_of(rows: Sequence[Row]) -> str:
    """The first metric that a table shows."""
    return next((key for key in columns(rows) if key not in WHAT), "")


def curves(rows: Sequence[Row]) -> list[Curve]:
    """The first metric of a table over numbers of frames, by run and weights; none for a single number."""
    metric = metric_of(rows)
    points: dict[str, dict[int, float]] = {}
    for row in rows:
        if isinstance(row.get("frames"), int) and row.get(metric) is not None:
            points.setdefault(_label(row), {})[row["frames"]] = float(row[metric])
    if len({count for scores in points.values() for count in scores}) < 2:
        return []
    return [Curve(name, sorted(held), [held[n] for n in sorted(held)]) for name, held in points.items()]


def _label(row: Row) -> str:
    return f"{row['run']} {row.get('checkpoint', '')}".strip()


def picture_of(metric: str, found: Sequence[Curve]) -> np.ndarray:
    """The plot of curves as a picture (H, W, 3) uint8."""
    series = []
    for number, curve in enumerate(found):
        x, y = np.array(curve.x), np.array(curve.y)
        series += [Series(x, y, True, number), Series(x, y, False, number)]
    return plot(f"{metric} over frames", ("frames", metric), series, [curve.name for curve in found])


def _below(rows: Sequence[Row]) -> str:
    """The table of rows, and their plot."""
    keys = columns(rows)
    cells = [[shown(key, row.get(key)) for key in keys] for row in rows]
    parts = [html_table(keys, cells, texts=sum(key in WHAT for key in keys))]
    if found := curves(rows):
        metric, counts = metric_of(rows), sorted({count for curve in found for count in curve.x})
        parts.append(svg_of(metric, "frames", found, counts, partial(shown, metric)))
    return "\n".join(parts)


def write_comparison(path: Path, groups: Mapping[str, Sequence[Scores]]) -> Path:
    """Write the page of what was scored alike, by headings; returns its path.

    Raises:
        UserError: it cannot be written; the images of a run are damaged.
    """
    shown_groups = []
    for title, entries in groups.items():
        albums = [(_label(entry.row), entry.sheets) for entry in entries if entry.sheets]
        shown_groups.append(Group(title, "", _below(rows_of(entries)), merged(albums, path.parent)))
    return write_page(path, "Comparison", shown_groups)
