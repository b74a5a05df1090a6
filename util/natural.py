"""The order of names that hold numbers."""

import re
from collections.abc import Iterable
from pathlib import Path


def natural(name: str) -> tuple[list[str | int], str]:
    """A key by which names are sorted with their numbers by value; names like 1 and 01 follow as texts."""
    return parts(name), name


def parts(name: str) -> list[str | int]:
    """Texts and numbers of a name in turn, beginning with a text, which may be empty."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def by_name(paths: Iterable[Path]) -> list[Path]:
    """Paths of one folder, or of several one after the other, in the natural order of their names."""
    return sorted(paths, key=lambda path: [natural(part) for part in path.parts])
