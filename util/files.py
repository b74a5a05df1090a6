"""Writing files so that a crash leaves the old one or the new one, never half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import UserError


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
