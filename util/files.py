"""Writing files and folders so that a crash leaves the old one or the new one, never half of one."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import UserError

NO_FILES = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def regular(path: str | Path) -> Path:
    """`path`, which can be opened without waiting for another process; what is wrong otherwise, opening tells.

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


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it replaces `path` when the block ends well.

    The temporary name keeps the suffix, by which image writers choose a format. Parent folders are made.

    Raises:
        UserError: the file cannot be written (disk full, no permission); what stood at `path` is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(NotADirectoryError):  # a file stands where a folder should be: nothing was written
            temporary.unlink(missing_ok=True)


@contextmanager
def complete_or_absent(folder: Path) -> Iterator[Path]:
    """Give a path for a folder that is to be made; it becomes `folder` when the block ends well.

    Raises:
        UserError: it cannot be written.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.rename(folder)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY) and folder.is_dir():
            return  # another process made the same folder meanwhile
        raise UserError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_partial(root: Path, depth: int) -> None:
    """Remove what killed processes left of `complete_or_absent` in `root`, `depth` folders down."""
    for level in range(depth):
        for partial in root.glob("*/" * level + ".*.[0-9]*.partial"):
            if not _is_running(partial.suffixes[-2].lstrip(".")):
                shutil.rmtree(partial, ignore_errors=True)


def _is_running(process: str) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        pass
    return True
