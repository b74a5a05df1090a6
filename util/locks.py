"""Locks that die with their process: what works on a folder is alone there."""

import errno
import fcntl
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import UserError
from util.files import hidden_beside

HELD = (errno.EACCES, errno.EAGAIN)
FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def locked(folder: Path, advice: str, part: str = "") -> Iterator[None]:
    """Be the only process that works on a folder, or on a part of it beside processes with other parts.

    The lock is a hidden file beside the folder, which need not exist and may be renamed; it is in the folder
    where that is a mount point, or the one around it cannot be written. It is one of POSIX (`lockf`), not of
    `flock`: worker processes that are forked do not inherit it, so that it ends with this process and not
    with the last of them. Where a folder that exists cannot be locked, a note says so; of one that cannot be
    made, what is written there will tell why.

    Args:
        advice: what to do where another process is at work. part: names a part of the folder; "" = all.

    Raises:
        UserError: another process is at work there; or the folder has no name, as `/`.
    """
    if part:
        with _hold(folder, "", fcntl.LOCK_SH, advice), _hold(folder, part, fcntl.LOCK_EX, advice):
            yield
    else:
        with _hold(folder, "", fcntl.LOCK_EX, advice):
            yield


@contextmanager
def _hold(folder: Path, part: str, kind: int, advice: str) -> Iterator[None]:
    place, ending = Path(os.path.realpath(folder)), f".{part}.lock" if part else ".lock"
    beside, inside = hidden_beside(place, ending), place / ending
    # Other machines mount the same folder elsewhere.
    paths = [inside] if place.is_mount() else [beside, inside]
    missing = [parent for parent in beside.parents if not parent.exists()]
    taken = None
    try:
        with suppress(OSError):
            beside.parent.mkdir(parents=True, exist_ok=True)
        try:
            taken = _take(paths, kind)
        except BlockingIOError as error:
            raise UserError(f"{folder} is in use by {error}: {advice}") from None
        yield
    finally:
        if taken is not None:
            _release(*taken)
        with suppress(OSError):  # those in which nothing was written go again
            for parent in missing:
                parent.rmdir()


def _take(paths: Sequence[Path], kind: int) -> tuple[int, Path] | None:
    """The first file that can be there, locked; None where none can. BlockingIOError says who holds it."""
    while True:
        try:
            file, path = _open(paths)
        except OSError as error:
            if paths[-1].parent.is_dir():
                _tell_of(paths[-1].parent, error)
            return None
        try:
            fcntl.lockf(file, kind | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(file, 256, 0).decode(errors="replace").strip() if error.errno in HELD else ""
            os.close(file)
            if error.errno in HELD:
                raise BlockingIOError(owner or "another process") from None
            _tell_of(path.parent, error)
            return None
        if _is_at(file, path):
            break
        os.close(file)  # its owner removed it meanwhile
    with suppress(OSError):  # a full disk
        os.truncate(file, 0)
        os.pwrite(file, f"process {os.getpid()} on {platform.node()}".encode(), 0)
    return file, path


def _open(paths: Sequence[Path]) -> tuple[int, Path]:
    """The first of these files that can be opened, of which the last may raise OSError."""
    for path in paths[:-1]:
        with suppress(OSError):
            return os.open(path, FLAGS, 0o666), path
        if os.path.lexists(path):  # of another user, whose lock it may be
            return os.open(path, FLAGS), path
    return os.open(paths[-1], FLAGS, 0o666), paths[-1]


def _tell_of(folder: Path, error: OSError) -> None:
    note = f"note: {folder} has no locks ({error.strerror}): start one process at a time there"
    print(note, file=sys.stderr)


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _release(file: int, path: Path) -> None:
    """Remove the file of a lock, unless others share it, and let go of it."""
    with suppress(OSError):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(file, path):
            path.unlink()
    os.close(file)
