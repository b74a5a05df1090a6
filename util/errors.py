"""Errors that are told in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

# How PyTorch, CUDA's libraries, NumPy, OpenCV and the system say it: no class is common to all.
NO_MEMORY = (
    "out of memory",
    "unable to allocate",
    "failed to allocate",
    "cannot allocate",
    "can't allocate memory",
    "alloc_failed",
)


class UserError(Exception):
    """A mistake that its user can mend. The message is one line: what is wrong, where, and what to do.

    Lines of a library's message that it cites are joined. `status` is the exit status of a program.
    """

    status = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class ResourceError(UserError):
    """Something that a program needs is gone or short: memory, a process, the reader of its output."""

    status = 1


@contextmanager
def memory_errors(lighter: str = "") -> Iterator[None]:
    """Make errors of any library that memory is short a `ResourceError`; `lighter` says what would need less.

    Notes that were added to an error are kept.
    """
    try:
        yield
    except Exception as error:
        text = str(error)
        if not isinstance(error, MemoryError) and not any(words in text.lower() for words in NO_MEMORY):
            raise
        if isinstance(error, UserError):
            raise
        told = ResourceError(_without_memory(text) + (f": {lighter}" if lighter else ""))
        told.__notes__ = getattr(error, "__notes__", [])
        raise told from error


def _without_memory(text: str) -> str:
    """What a library's message says of where memory is short, and how much was asked for."""
    place = "the GPU is out of memory" if "CUDA" in text or "CUBLAS" in text else "out of memory"
    asked = re.search(r"allocate ([\d.]+ ?\w+)", text)
    return f"{place}, where {asked[1]} more were asked for" if asked else place
