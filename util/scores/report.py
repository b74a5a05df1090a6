"""A page with the pictures of a test: one contact sheet per image, and the table of scores."""

import html
import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from util.files import write_atomically
from util.imaging.contact_sheet import contact_sheet
from util.imaging.images import write_png8

STYLE = """body { font: 15px sans-serif; background: #181818; color: #ddd; margin: 2em }
img { max-width: 100% } td, th { padding: 2px 14px; text-align: right }"""


class Report:
    """Collects the contact sheets of `folder`, and writes `index.html` there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sheets: list[tuple[str, str]] = []

    def add(
        self, name: str, pictures: dict[str, np.ndarray], note: str = "", columns: int | None = None
    ) -> Path:
        """Write a contact sheet of titled 16-bit pictures side by side; returns its path.

        `columns`: how many stand in a row, where their size is not to say.
        """
        path = self.folder / f"{name}.png"
        write_png8(path, contact_sheet(list(pictures.values()), list(pictures), columns))
        self.sheets.append((name, note))
        return path

    def write(self, title: str, facts: dict[str, Any], tables: dict[str, dict[str, float]]) -> Path:
        """Write the page: facts, a row of mean scores per method, and all sheets; returns its path."""
        lines = [
            f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title><style>{STYLE}</style>"
        ]
        lines.append(f"<h1>{html.escape(title)}</h1>")
        lines.append(
            "<p>" + html.escape("; ".join(f"{key}: {value}" for key, value in facts.items())) + "</p>"
        )
        if tables:
            metrics = list(dict.fromkeys(metric for scores in tables.values() for metric in scores))
            lines.append(
                "<table><tr><th></th>" + "".join(f"<th>{metric}</th>" for metric in metrics) + "</tr>"
            )
            for method, scores in tables.items():
                cells = "".join(f"<td>{scores.get(metric, math.nan):.4f}</td>" for metric in metrics)
                lines.append(f"<tr><td>{html.escape(method)}</td>{cells}</tr>")
            lines.append("</table>")
        for name, note in self.sheets:
            label, source = html.escape(name), quote(f"{name}.png")
            lines.append(f"<h3>{label}</h3><p>{html.escape(note)}</p><img src='{source}' alt='{label}'>")
        path = self.folder / "index.html"
        with write_atomically(path) as temporary:
            temporary.write_text("\n".join(lines) + "\n")
        return path
