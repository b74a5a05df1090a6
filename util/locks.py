"""Locks that die with their process: what works on a folder is alone there."""

import errno
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

HELD = (errno.EACCES, errno.EAGAIN)


@contextmanager
def locked(folder: Path, advice: str, part: str = "") -> Iterator[None]:
    """Be the only process that works on a folder, or on a part of it beside processes with other parts.

    The lock is a hidden file beside the folder, which need not exist and may be renamed. It is one of POSIX
    (`lockf`), not of `flock`: worker processes that are forked do not inherit it, so that it ends with this
    process and not with the last of them. Where the file system has no locks, a note says so; where the file
    cannot be made, nothing is locked, and what is written there will tell why.

    Args:
        advice: what to do where another process is at work. part: names a part of the folder; "" = all.

    Raises:
        UserError: another process is at work there.
    """
    if fcntl is None:
        yield
    elif part:
        with _hold(folder, "", fcntl.LOCK_SH, advice), _hold(folder, part, fcntl.LOCK_EX, advice):
            yield
    else:
        with _hold(folder, "", fcntl.LOCK_EX, advice):
            yield


@contextmanager
def _hold(folder: Path, part: str, kind: int, advice: str) -> Iterator[None]:
    place = Path(os.path.realpath(folder))
    path = place.with_name(f".{place.name}{part and f'.{part}'}.lock")
    missing = [parent for parent in path.parents if not parent.exists()]
    file = None
    try:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = _take(path, kind)
        except BlockingIOError as error:
            raise UserError(f"{folder} is in use by {error}: {advice}") from None
        yield
    finally:
        if file is not None:
            _release(file, path)
        with suppress(OSError):  # those in which nothing was written go again
            for parent in missing:
                parent.rmdir()


def _take(path: Path, kind: int) -> int | None:
    """The locked file; None where there cannot be one. BlockingIOError says who holds it."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError:
            return None
        try:
            fcntl.lockf(file, kind | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(file, 256, 0).decode(errors="replace").strip() if error.errno in HELD else ""
            os.close(file)
            if error.errno in HELD:
                raise BlockingIOError(owner or "another process") from None
            note = f"note: {path.parent} has no locks ({error.strerror}): start one process at a time there"
            print(note, file=sys.stderr)
            return None
        if _is_at(file, path):
            break
        os.close(file)  # its owner removed it meanwhile
    with suppress(OSError):  # a full disk
        os.truncate(file, 0)
        os.pwrite(file, f"process {os.getpid()} on {platform.node()}".encode(), 0)
    return file


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
