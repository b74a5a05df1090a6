"""Does jobs one after the other or in several processes, each with one thread; the results are the same."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

import cv2
import torch

from util.device import keep_memory
from util.errors import ResourceError
from util.stop import deferred, leave_to_parent

Job = TypeVar("Job")
Result = TypeVar("Result")


def do_all(
    do: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int = 1,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Result]:
    """Do all jobs; yield the result of each when it is done, in any order.

    Once `stopped` says so, what is under way is finished, and no more is begun. `do` and the jobs must be
    known to other processes by name and by pickle.

    Raises:
        UserError: a job raised it.
        ResourceError: a process was killed.
    """
    if workers == 1:
        _prepare()
        for job in jobs:
            if stopped():
                return
            yield do(job)
        return
    context = multiprocessing.get_context("spawn")
    with deferred():  # in the process too that begins here to keep account of what others share
        executor = ProcessPoolExecutor(workers, context, initializer=_prepare_worker)
    with executor as pool:
        try:
            todo, running = iter(jobs), set()
            while True:
                if not stopped():
                    with deferred():  # in processes too that begin here, and import for seconds
                        running |= {pool.submit(do, job) for job in islice(todo, workers - len(running))}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except BrokenProcessPool as error:
            raise ResourceError("a process was killed, perhaps for memory: give fewer --workers") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """Work with one thread, on whose number optical flow would depend, and keep memory for it."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    keep_memory()


def _prepare_worker() -> None:
    leave_to_parent()
    _prepare()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the main one is gone, however that went: it may be started again at once."""
    multiprocessing.parent_process().join()
    os._exit(1)
