"""Writes a page: one HTML file with style, scripts and tables, and light where that is not too much."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from util.files import write_atomically
from util.json_record import as_json
from util.page.album import Plate, shots_of

PARTS = Path(__file__).parent
SCRIPTS = ("light.js", "gpu.js", "painter.js", "viewer.js", "tables.js", "main.js")
EMBEDDED = 24_000_000  # bytes of packed light that a page holds; more stays beside it


class Group(NamedTuple):
    """What was scored alike: a heading, what is said of it, HTML that stands below, and images to look at."""

    title: str
    facts: str
    body: str
    plates: Sequence[Plate]


def write_page(path: Path, title: str, groups: Sequence[Group]) -> Path:
    """Write a page to look at groups of images, whose files are found from its folder; returns its path.

    It opens from a disk, without a server. It holds the light of its images if that is below 24 MB;
    otherwise it reads the files beside it when an image is shown.

    Raises:
        UserError: the page cannot be written.
    """
    content = [
        {"title": group.title, "plates": [asdict(plate) for plate in group.plates]} for group in groups
    ]
    sections = "\n".join(_section(group) for group in groups)
    scripts = "\n".join((PARTS / name).read_text() for name in SCRIPTS)
    filled = {
        "title": html.escape(title),
        "style": (PARTS / "page.css").read_text(),
        "sections": sections,
        "light": _embedded(path.parent, groups),
        "content": as_json(content).replace("<", "\\u003c"),
        "script": f"(() => {{\n'use strict';\n{scripts}}})();",
    }
    with write_atomically(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for number, part in enumerate((PARTS / "page.html").read_text().split("%%")):
            file.write(filled[part] if number % 2 else part)
    return path


def _embedded(folder: Path, groups: Sequence[Group]) -> str:
    """The light of all images as elements of a page, or nothing where it is too much, or not there."""
    shots = {
        shot["key"]: shot["file"] for group in groups for plate in group.plates for shot in shots_of(plate)
    }
    files = {key: folder / unquote(file) for key, file in shots.items()}
    present = {key: file for key, file in files.items() if file.is_file()}
    if sum(file.stat().st_size for file in present.values()) > EMBEDDED:
        return ""
    return "\n".join(
        f'<script type="text/plain" id="light-{key}">{file.read_text().split(chr(34))[3]}</script>'
        for key, file in present.items()
    )


def _section(group: Group) -> str:
    heading, facts = html.escape(group.title), html.escape(group.facts)
    return f"<section><h2>{heading}</h2><p class='facts'>{facts}</p>\n{group.body}</section>"


def means_table(means: Mapping[str, Mapping[str, float]]) -> str:
    """Mean scores as an HTML table: a row per method, a column per metric; nan where a method has none."""
    metrics = list(dict.fromkeys(metric for scores in means.values() for metric in scores))
    rows = [
        [method, *(f"{scores.get(metric, math.nan):.4f}" for metric in metrics)]
        for method, scores in means.items()
    ]
    return html_table(["", *metrics], rows, texts=1) if metrics else ""


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> str:
    """An HTML table, whose first `texts` columns are words, the others numbers."""

    def line(cell: str, words: Sequence[str]) -> str:
        starts = [f"<{cell} class='what'>" if place < texts else f"<{cell}>" for place in range(len(words))]
        cells = zip(starts, map(html.escape, words), strict=True)
        return f"<tr>{''.join(f'{start}{word}</{cell}>' for start, word in cells)}</tr>"

    return "\n".join(["<table>", line("th", heads), *(line("td", row) for row in rows), "</table>"])
