"""Starts a program in several processes as torchrun does, without its report of 40 lines on a failure."""

import logging
import sys
from typing import NoReturn

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main as torchrun

from util.errors import ResourceError


def launch(count: int, words: list[str]) -> NoReturn:
    """Run a program with its `words` in so many processes on this machine, and exit with their status.

    Raises:
        ResourceError: they were killed.
    """
    logging.disable(logging.CRITICAL)
    try:
        torchrun(["--standalone", f"--nproc_per_node={count}", *words])
    except ChildFailedError as error:
        own = [failure for failure in error.failures.values() if failure.exitcode > 0]
        if not own:
            number, failure = error.get_first_failure()
            raise ResourceError(
                f"process {number} of {count} was ended by {failure.signal_name()}: start again with "
                "--resume auto"
            ) from None
        sys.exit(min(own, key=lambda failure: failure.timestamp).exitcode)
    except SignalException as error:
        sys.exit(128 + error.sigval)
    sys.exit(0)
