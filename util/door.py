"""The one door by which all programs end."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from util.errors import UserError, memory_errors
from util.partners import is_first_to_tell
from util.stop import Stopped, StopRequest, end_at_once, end_workers
from util.streams import Streams


def run(main: Callable[[], int | None], lighter: str = "", output_is_product: bool = False) -> NoReturn:
    """Run a program's `main` and exit with its status; what stops it is one line on standard error.

    The status is 2 for a user's mistake, 128 + its number for a signal, 1 for what else went wrong, also if
    what was printed could not be read. Errors of the program keep their traceback.

    Args:
        lighter: what to do where memory is short.
        output_is_product: losing standard output ends the program.
    """
    with Streams(output_is_product) as streams:
        status = _status_of(main, lighter)
    end_at_once()
    end_workers()
    sys.exit(status or int(streams.output_lost))


def _status_of(main: Callable[[], int | None], lighter: str) -> int | None:
    try:
        StopRequest(at_once=True)
        with memory_errors(lighter):
            status = main()
            sys.stdout.flush()
        return status
    except UserError as error:
        if is_first_to_tell(line := _line("error: ", error)):
            print(line, file=sys.stderr)
        return error.status
    except Stopped as stop:
        if os.environ.get("RANK", "0") == "0":  # torchrun stops all processes at once
            print(_line("", stop), file=sys.stderr)
        return stop.status
    except SystemExit as end:
        return end.code


def _line(kind: str, error: BaseException) -> str:
    """A line of an error and the notes that were added to it."""
    return kind + "; ".join([str(error), *getattr(error, "__notes__", [])])
