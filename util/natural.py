"""The order of names that hold numbers."""

import re


def natural(name: str) -> list[str | int]:
    """A key by which names are sorted with their numbers by value: texts and numbers in turn."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
