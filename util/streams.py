"""Standard output and error that outlive what reads them, such as `head` or a terminal."""

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import TextIO

from util.errors import ResourceError


class Streams:
    """A context in which losing a standard stream ends nothing by itself: what is written then goes nowhere.

    Args:
        is_product: output is all that the program makes: losing it raises a `ResourceError`. Else it is told
            on standard error, once.

    Attributes:
        output_lost: whether output was lost.
    """

    def __init__(self, is_product: bool = False) -> None:
        self.is_product, self.output_lost = is_product, False
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> "Streams":
        output, error = _lasting(sys.stdout, 1, self._lose_output), _lasting(sys.stderr, 2, lambda _: None)
        self.stack.enter_context(contextlib.redirect_stderr(error))
        self.stack.enter_context(contextlib.redirect_stdout(output))
        return self

    def __exit__(self, *_error: object) -> None:
        self.is_product = False  # the end is near anyway
        sys.stdout.flush()
        sys.stderr.flush()
        self.stack.close()

    def _lose_output(self, error: OSError) -> None:
        self.output_lost = True
        text = f"standard output is gone ({error.strerror})"
        if self.is_product:
            raise ResourceError(text)
        print(f"{text}: what is printed is lost, what is written to files is not", file=sys.stderr)


class _LastingFile(io.FileIO):
    """A file descriptor of which `lost` is told when writing fails, and which leads nowhere from then on."""

    def __init__(self, number: int, lost: Callable[[OSError], None]) -> None:
        super().__init__(number, "w", closefd=False)
        self.lost = lost

    def write(self, data: bytes) -> int | None:
        try:
            return super().write(data)
        except OSError as error:
            _lead_nowhere(self.fileno())
            self.lost(error)
            return len(data)


def _lasting(stream: TextIO | None, number: int, lost: Callable[[OSError], None]) -> TextIO:
    """The stream of a file descriptor with such a file below; another stream as it is."""
    if stream is None:  # closed from the start: a file of data must not get its number
        _lead_nowhere(number)
        return os.fdopen(number, "w", closefd=False)
    if stream is not (sys.__stdout__, sys.__stderr__)[number - 1]:
        return stream
    stream.flush()
    kept = {name: getattr(stream, name) for name in ("encoding", "errors", "line_buffering", "write_through")}
    return io.TextIOWrapper(io.BufferedWriter(_LastingFile(number, lost)), **kept)


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
