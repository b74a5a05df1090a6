"""Lists of numbers in text files."""

import re
from pathlib import Path

import numpy as np

from util.errors import UserError
from util.files import regular


def read_text(path: Path) -> str:
    """The text of a list; FileNotFoundError if there is none.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return regular(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def read_numbers(path: Path, text: str) -> np.ndarray:
    """The numbers in the text of a list at `path`: UserError at what is none.

    They are separated by white space or commas; 1/60 is one of them. What follows # is passed over.
    """
    words = re.split(r"[\s,;]+", re.sub(r"#.*", "", text))
    try:
        return np.array([_number(word) for word in words if word])
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"{path}: {error}") from None


def _number(word: str) -> float:
    top, *bottom = word.split("/", 1)
    return float(top) / float(bottom[0]) if bottom else float(top)
