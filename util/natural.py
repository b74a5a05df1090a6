"""The order of names that hold numbers."""

import re
from collections.abc import Iterable
from pathlib import Path

NUMBERS = re.compile(r"((?<!\d)0\.\d+|\d+)")  # 0.125 is one number; 1.10 are two, as in versions


def natural(name: str) -> tuple[list[str | int | float], str]:
    """A key by which names are sorted with their numbers by value; names like 1 and 01 follow as texts."""
    return parts(name), name


def parts(name: str) -> list[str | int | float]:
    """Texts and numbers of a name in turn, beginning with a text, which may be empty."""
    found = NUMBERS.split(name)
    found[1::2] = [float(number) if "." in number else int(number) for number in found[1::2]]
    return found


def by_name(paths: Iterable[Path]) -> list[Path]:
    """Paths of one folder, or of several one after the other, in the natural order of their names."""
    return sorted(paths, key=lambda path: [natural(part) for part in path.parts])
