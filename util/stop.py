"""Stopping politely: the first signal lets what is under way end, a later one ends the program at once."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# A hang-up, as of a dropped connection, stops a program as SIGTERM does.
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
IN_ONE = 1.0  # s within which signals are one request: terminals, shells, timeout and torchrun send two


class Stopped(KeyboardInterrupt):
    """A signal stopped the program; `status` is the conventional exit status, 128 + its number."""

    def __init__(self, number: int, note: str = "") -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}" + (f": {note}" if note else ""))
        self.status = 128 + number


def end_at_once() -> None:
    """Let signals end this process without a word, where they are not ignored, as by nohup."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def end_workers() -> None:
    """Kill the worker processes that are left.

    Python would ask them by SIGTERM and wait; but one that only begins forgets it (`leave_to_parent`).
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # not PyTorch's, to which their end is an error
    for worker in multiprocessing.active_children():
        if worker.daemon:
            worker.kill()


@contextmanager
def deferred() -> Iterator[None]:
    """Keep signals from this thread for the time of a block, and from processes that begin in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_parent() -> None:
    """Leave it to the parent to end this process, which began while signals were `deferred`.

    It is out of reach of Ctrl-C and of signals to the group then, and those that came before are forgotten.
    """
    os.setsid()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class StopRequest:
    """Becomes true when this process is asked to stop, or with `at_once` raises `Stopped` where it is.

    Signals that are ignored, as by nohup, stay so. A second one, but for another hang-up, ends the process
    with a line on stderr.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.number, self.since, self.at_once = 0, 0.0, at_once
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: object) -> None:
        if not self.number:
            self.number, self.since = number, time.monotonic()
            if self.at_once:
                raise Stopped(number, "what is written stays")
        elif number in (signal.SIGINT, signal.SIGTERM) and time.monotonic() - self.since > IN_ONE:
            if os.environ.get("RANK", "0") == "0":  # torchrun stops all processes at once
                with suppress(OSError):  # nobody reads it
                    os.write(2, f"ended at once by a second {signal.Signals(number).name}\n".encode())
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def __bool__(self) -> bool:
        return self.number != 0

    def stopped(self, note: str = "") -> Stopped:
        """What is to be raised then; as for SIGTERM where another process received the signal."""
        return Stopped(self.number or signal.SIGTERM, note)
