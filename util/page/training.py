"""The page of a training run: curves of its log, and the pictures of its validations."""

import json
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


def write_run_page(log: Path) -> Path:
    """Write `index.html` beside the log of a run, of it and of its validations; returns its path.

    Raises:
        UserError: it cannot be written; the record of a validation is damaged.
    """
    folder = log.parent
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    plots = [
        svg_of(f"{metric} ({kind})", "step", [curve], _ticks(curve.x), "{:.4g}".format)
        for kind in ("val", "train")
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
