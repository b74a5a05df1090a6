"""What libraries in C write to stderr by themselves, of files whose names they do not tell.

libpng, libjpeg, LibRaw, OpenEXR and the readers of videos have no other way, or none that their Python
packages pass on.
"""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from util.errors import UserError

LONGEST = 160  # characters of a line that is cited
FULL_PIPE = 1 << 16  # bytes; what a library writes beyond is lost
# How lines of OpenCV and of FFmpeg begin: with the place in their sources, and in memory.
LOG_START = re.compile(r"\[\s*(?:WARN|ERROR|INFO|FATAL):\S+\] global \S+ \S+ |\[\w+ @ 0x[0-9a-f]+\] ")

_told: set[tuple[str, str]] = set()


@contextlib.contextmanager
def lines_of_libraries(path: str | Path) -> Iterator[None]:
    """Keep away what libraries write to stderr in the block, in which the file at `path` is decoded.

    A UserError of the block ends with the first of these lines, another error gets it as a note. Where there
    is no error the file was read in spite of them: a note on stderr names it, once. Lines of several threads
    at once cannot be told apart: they go on to stderr as they are.
    """
    _STDERR.redirect()
    text = ""
    try:
        try:
            yield
        finally:
            text = _STDERR.restore()
    except Exception as error:
        if line := _first_line(text, path):
            if isinstance(error, UserError):
                error.args = (f"{error} ({line})",)
            else:
                error.add_note(f"{path}: {line}")
        raise
    line = _first_line(text, path)
    if line and (str(path), line) not in _told:
        _told.add((str(path), line))
        print(f"note: {path}: {line}", file=sys.stderr)


def _first_line(text: str, path: str | Path) -> str:
    """The first line, without the name of the file and what tells of the library's insides."""
    lines = (LOG_START.sub("", line).replace(f"{path}: ", "").strip() for line in text.splitlines())
    line = next(filter(None, lines), "")
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


class _Stderr:
    """Descriptor 2, which leads to a pipe while a thread is in a library."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside, self._is_shared = 0, False
        self._terminal = -1
        self._process, self._pipe = 0, (-1, -1)

    def redirect(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._turn()
            else:
                self._is_shared = True
            self._inside += 1

    def restore(self) -> str:
        """What was written since; "" where other threads were inside, and it went on to stderr."""
        with self._lock:
            self._inside -= 1
            if self._terminal < 0:
                return ""
            if self._inside == 0:
                os.dup2(self._terminal, 2)
            text = self._read()
            if self._is_shared and text:
                os.write(self._terminal, text)
                text = b""
            if self._inside == 0:
                self._is_shared = False
                os.close(self._terminal)
            return text.decode(errors="replace")

    def _turn(self) -> None:
        try:
            self._terminal = os.dup(2)
        except OSError:  # it is closed: nobody reads the lines
            self._terminal = -1
            return
        if self._process != os.getpid():  # each process has a pipe of its own, and keeps it
            self._process, self._pipe = os.getpid(), os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)  # a library that writes more than it holds is not to wait
        os.dup2(self._pipe[1], 2)

    def _read(self) -> bytes:
        try:
            return os.read(self._pipe[0], FULL_PIPE)
        except BlockingIOError:  # nothing was written
            return b""


_STDERR = _Stderr()
