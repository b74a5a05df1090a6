"""The processes of one training on a machine: one tells what went wrong, and none waits for the dead.

torchrun gives each of its processes the path of a file for its error (`TORCHELASTIC_ERROR_FILE`). The folder
that holds those of all is where they find each other here, anew at each restart. Without torchrun, or where
it keeps no files, a process is taken to be alone.
"""

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from util.errors import ResourceError

ERROR_FILE = "error.json"  # as torchrun names it, in a folder of each process
NOTICED = 5.0  # s until the end of a process whose connection closed is seen, or what it tells
STUCK = 25.0  # s that a process may wait for one that is gone; torchrun ends it after 30


def _folder() -> Path | None:
    """Where the processes of this machine meet; None = nowhere."""
    file = Path(os.environ.get("TORCHELASTIC_ERROR_FILE", ""))
    return file.parents[1] if file.is_absolute() and file.name == ERROR_FILE else None


def is_first_to_tell(line: str) -> bool:
    """Whether no process on this machine has told yet why all of them end; torchrun's report cites `line`."""
    folder = _folder()
    if folder is None:
        return True
    try:
        (folder / "told").touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        return True
    with suppress(OSError):
        report = {"message": line, "extraInfo": {"py_callstack": line, "timestamp": str(int(time.time()))}}
        Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps({"message": report}))
    return True


def is_told() -> bool:
    """Whether a process on this machine has told why all of them end."""
    folder = _folder()
    return folder is not None and (folder / "told").exists()


def lost(waiting: float = NOTICED) -> ResourceError | None:
    """The error that a process is gone, once that can be seen; None if it told why itself.

    Args:
        waiting: s for it to be seen on this machine; after that the process was on another.
    """
    end = time.monotonic() + waiting
    while not is_told():
        found = gone()
        if (found or time.monotonic() > end) and not is_told():
            which = f"process {found[0]} of {os.environ['WORLD_SIZE']}" if found else "a process elsewhere"
            return ResourceError(f"{which} is gone, perhaps killed for memory")
        time.sleep(0.02)
    return None


def gone() -> list[int]:
    """The numbers of the processes on this machine that ended without leaving their `Presence`."""
    folder = _folder()
    marks = folder.glob("process.*") if folder else ()
    return sorted(int(mark.suffix[1:]) for mark in marks if _is_dead(mark))


def _is_dead(path: Path) -> bool:
    try:
        os.kill(int(path.read_text()), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):  # it has just left, or begins
        pass
    return False


class Presence:
    """A context in which the others can see whether this process lives, and this one ends if they do not.

    A process that waits for a dead one within a library cannot be reached otherwise: a thread looks after it.
    """

    def __init__(self, patience: float = STUCK) -> None:
        self.patience, self.left, folder = patience, threading.Event(), _folder()
        self.path = folder / f"process.{os.environ['RANK']}" if folder else None

    def __enter__(self) -> None:
        if self.path is None:
            return
        with suppress(OSError):
            self.path.write_text(str(os.getpid()))
        threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self.left.set()
        if self.path is not None and (
            kind is None or issubclass(kind, KeyboardInterrupt)
        ):  # stopped by a signal
            self.path.unlink(missing_ok=True)

    def _watch(self) -> None:
        since = None
        while not self.left.wait(1.0):
            since = (since or time.monotonic()) if gone() else None
            if since and time.monotonic() - since > self.patience:
                error = lost(0.0)
                if error and is_first_to_tell(line := f"error: {error}"):
                    os.write(2, f"{line}: start again with --resume auto\n".encode())
                os._exit(ResourceError.status)
