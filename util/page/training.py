"""The page of a training run: curves of its log, and the pictures of its validations."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from util.imaging.images import write_png16
from util.page.album import Album, merged
from util.page.curves import svg_of, thinned
from util.page.radiance_data import of_mu_law
from util.page.writer import Group, write_page
from util.scores.method_scores import RESTORED

NO_VALUES = ("kind", "step", "epoch", "lr", "seconds_per_step")  # of a line of the log
KINDS = "val", "train"  # of the lines with values
MOST_STEPS = 1 << 53  # below which floats are exact
TICKS = 5


class ValidationPictures:
    """Writes `validation_<epoch>` in the folder of a run: pictures, and what its page shows of them."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self.folder = folder / f"validation_{epoch}"
        self.album = Album(self.folder, "../validation_data")

    def add(self, name: str, pictures: Mapping[str, np.ndarray], scores: Mapping[str, float]) -> None:
        """Write the 16-bit mu-law pictures of an image by method, and the scores of the restored one.

        Raises:
            UserError: a file cannot be written.
        """
        write_png16(self.folder / f"{name}.png", pictures[RESTORED])
        lights = {method: of_mu_law(picture) for method, picture in pictures.items()}
        self.album.add(name, lights, {RESTORED: scores})

    def finish(self) -> None:
        """Record the pictures, if there are any, for the page of the run."""
        if self.album.plates:
            self.album.save()


def read_rows(log: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """The lines of a run's log, and what they say; damaged ones are dropped with a note on stderr.

    Each has a `kind` and a `step`; the values of trainings and validations are finite numbers, or None.

    Raises:
        OSError: it cannot be read.
    """
    lines = log.read_bytes().splitlines(keepends=True)
    rows = [(line, row) for line in lines if (row := _read_row(line)) is not None]
    if damaged := len(lines) - len(rows):
        print(f"note: {log}: {damaged} damaged lines are dropped", file=sys.stderr)
    return rows


def _read_row(line: bytes) -> dict[str, Any] | None:
    """What a line says; None where a crash, or something else, damaged it."""
    try:
        row = json.loads(line.decode()) if line.endswith(b"\n") else None
        return row if _is_row(row) else None
    except (ValueError, RecursionError, OverflowError):
        return None


def _is_row(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
        return False
    if type(row.get("step")) is not int or not 0 <= row["step"] < MOST_STEPS:
        return False
    if row["kind"] not in KINDS:
        return True
    "".join(row).encode()  # names that are no text cannot stand on a page
    values = [value for name, value in row.items() if name != "kind" and value is not None]
    return all(type(value) in (int, float) and math.isfinite(value) for value in values)


def write_run_page(log: Path) -> Path:
    """Write `index.html` beside the log of a run, of it and of its validations; returns its path.

    Raises:
        UserError: it cannot be written; the record of a validation is damaged.
    """
    folder = log.parent
    rows = [row for _, row in read_rows(log)]
    plots = [
        svg_of(f"{metric} ({kind})", "step", [curve], _ticks(curve.x), "{:.4g}".format)
        for kind in KINDS
        for metric, curve in _curves(rows, kind).items()
    ]
    epochs = [row["epoch"] for row in rows if row["kind"] == "val" and "epoch" in row]
    albums = [(f"epoch {epoch}", folder / f"validation_{epoch}") for epoch in reversed(epochs)]
    group = Group(folder.name, f"{len(epochs)} validations", "\n".join(plots), merged(albums, folder))
    return write_page(folder / "index.html", folder.name, [group])


def _curves(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Each value of the lines of a kind over steps; values that are no numbers are left out."""
    points: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for metric, value in row.items() if row["kind"] == kind else ():
            if metric not in NO_VALUES and value is not None:
                steps, values = points.setdefault(metric, ([], []))
                steps.append(row["step"])
                values.append(value)
    return {metric: thinned(*held) for metric, held in points.items()}


def _ticks(steps: list[float]) -> list[int]:
    """A few positions between the first and the last."""
    return sorted({round(step) for step in np.linspace(min(steps), max(steps), TICKS).tolist()})
