"""A page of the results of a test: the images of all methods, a contact sheet of each, and scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from util.imaging.contact_sheet import contact_sheet
from util.imaging.images import write_png8
from util.page.album import Album
from util.page.writer import Group, means_table, write_page


class Report:
    """Collects images in `folder`, and writes `index.html` there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.album = folder, Album(folder)

    def add(
        self,
        name: str,
        sheet: Mapping[str, np.ndarray],
        lights: Mapping[str, np.ndarray],
        scores: Mapping[str, Mapping[str, float]],
        columns: int | None = None,
    ) -> Path:
        """Write a contact sheet of titled 16-bit pictures side by side, and what the page shows.

        Args:
            lights: what each method has made, linear (H, W, 3), 1 = white. scores: of methods, by metric.
            columns: how many pictures stand in a row of the sheet, where their size is not to say.

        Returns:
            The path of the sheet.
        """
        path = self.folder / f"{name}.png"
        write_png8(path, contact_sheet(list(sheet.values()), list(sheet), columns))
        self.album.add(name, lights, scores, sheet=quote(path.name))
        return path

    def write(self, title: str, facts: dict[str, Any], means: dict[str, dict[str, float]]) -> Path:
        """Write the page: facts, a row of mean scores per method, and all images; returns its path."""
        self.album.save()
        said = "; ".join(f"{key}: {value}" for key, value in facts.items())
        group = Group(title, said, means_table(means), self.album.plates)
        return write_page(self.folder / "index.html", title, [group])
