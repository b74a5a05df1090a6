"""Writing files and folders so that a crash leaves the old one or the new one, never half of one.

What stands in the way is told with the path that was asked for; `util.locks` keeps other processes away.
"""

import errno
import hashlib
import io
import os
import platform
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from util.errors import UserError

NO_FILES = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
UNFINISHED = re.compile(r"\.(?P<process>\d+)(@(?P<machine>.+))?\.partial(\.[^.]*)?")  # how such names end
ABANDONED = 3600.0  # s since the last change after which unfinished work of another machine counts as left
LONGEST = 255  # bytes of a name, on the usual file systems
PROBE = 1 << 20  # bytes that are written to find out what hinders writing


def regular(path: str | Path) -> Path:
    """`path`, which can be opened without waiting for another process; opening it tells what else is wrong.

    Raises:
        UserError: a FIFO, a socket or a device stands there.
    """
    path = Path(path)
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        return path
    if kind in NO_FILES:
        raise UserError(f"{path} is {NO_FILES[kind]}, not a file")
    return path


def hidden_beside(path: Path, ending: str, stem: str = "") -> Path:
    """A hidden name beside a path: its name, or `stem` of it, and an ending; a long one is cut, but differs.

    Raises:
        UserError: the path has no name, as `/`.
    """
    stem = stem or path.name
    if not stem:
        raise UserError(f"cannot write {path}: name a file or a folder in it")
    name = os.fsencode(stem)
    room = LONGEST - len(os.fsencode(ending)) - 1
    if len(name) > room:
        digest = hashlib.sha256(name).hexdigest()[:8]
        stem = name[: max(room - len(digest), 0)].decode(errors="ignore") + digest
    return path.with_name(f".{stem}{ending}")


@contextmanager
def write_atomically(path: str | Path, parents: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it replaces `path` when the block ends well.

    The temporary name keeps the suffix, by which image writers choose a format. Parent folders are made,
    unless their absence means that somebody removed them. A library's failure that has no error number is to
    be raised as an OSError: its cause is found here.

    Raises:
        UserError: the file cannot be written (disk full, no permission); what stood at `path` is untouched.
    """
    path = regular(path)
    temporary = hidden_beside(path, f".{_this_process()}.partial{path.suffix}", path.stem)
    try:
        with _telling_of(path, temporary, temporary):
            if parents:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
    finally:
        with suppress(OSError):  # it is not there, or what hindered writing hinders this too
            temporary.unlink()


class WholeFile(io.BufferedWriter):
    """A new file for NumPy and tifffile, to be used as a context: what is not written is an error.

    They would write to a descriptor by means of C, and pass over that a full disk does not take the last
    4096 bytes (`ndarray.tofile` of NumPy 2.4.6). This file has none, so that they write to it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "wb"))

    def fileno(self) -> int:
        """It has no descriptor, as says `io.UnsupportedOperation`."""
        raise io.UnsupportedOperation("fileno")


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as `numpy.save` does, or fail; OSError where the file cannot be written."""
    with WholeFile(path) as file:
        np.save(file, array)


@contextmanager
def complete_or_absent(folder: Path) -> Iterator[Path]:
    """Give a path for a folder that is to be made; it becomes `folder` when the block ends well.

    Raises:
        UserError: it cannot be written.
    """
    partial = hidden_beside(folder, f".{_this_process()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _telling_of(folder, partial, partial / "probe"):
            folder.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            _appear(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _appear(partial: Path, folder: Path) -> None:
    """Give a folder that is complete its name, unless another process has made the same one meanwhile."""
    try:
        partial.rename(folder)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not folder.is_dir():
            raise


@contextmanager
def _telling_of(path: Path, temporary: Path, probe: Path) -> Iterator[None]:
    """Make what hinders writing `path`, which is named `temporary` meanwhile, a UserError about `path`.

    `probe` is a file that can be written to, if any can.
    """
    try:
        yield
    except UserError as error:
        if str(temporary) not in str(error):
            raise
        raise UserError(str(error).replace(str(temporary), str(path))) from error
    except OSError as error:
        reason = (_reason(error) or _asked(probe) or str(error)).replace(str(temporary), str(path))
        raise UserError(f"cannot write {path}: {reason}") from error


def _reason(error: OSError) -> str | None:
    """What the system says; None of a library that only counts the bytes it could not write."""
    if isinstance(error, FileExistsError):  # something stands where a folder should be
        try:
            Path(error.filename).stat()
        except OSError as cause:
            return f"{error.filename}: {cause.strerror}"
        return f"{error.filename} is no folder"
    return error.strerror if error.errno else None


def _asked(probe: Path) -> str | None:
    """What the system says to a write: on a full disk, on which a library failed, there still is no room."""
    try:
        with probe.open("ab", buffering=0) as file:
            left = PROBE
            while left:
                left -= file.write(bytes(left))
    except OSError as error:
        return error.strerror
    return None


def remove_partial(root: Path, depth: int) -> None:
    """Remove what killed processes left unfinished in `root`, `depth` folders down."""
    for level in range(depth):
        for partial in root.glob("*/" * level + ".*.partial*"):
            found = UNFINISHED.search(partial.name)
            if found and not _is_at_work(partial, int(found["process"]), found["machine"]):
                shutil.rmtree(partial, ignore_errors=True)
                with suppress(OSError):  # it was a folder
                    partial.unlink()


def _this_process() -> str:
    return f"{os.getpid()}@{platform.node()}"


def _is_at_work(partial: Path, process: int, machine: str | None) -> bool:
    """Whether a process still writes what has its number and machine in its name; this one has not begun."""
    if machine not in (None, platform.node()):
        with suppress(OSError):
            return time.time() - partial.stat().st_mtime < ABANDONED
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # of another user; no number of a process
        pass
    return process != os.getpid()
