"""Stopping politely: the first SIGTERM or Ctrl-C lets the step end, the second does what it always does."""

import signal


class StopRequest:
    """Becomes true when this process is asked to stop; `status` is then the conventional exit status."""

    def __init__(self) -> None:
        self.number = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: object) -> None:
        self.number = number
        signal.signal(number, signal.SIG_DFL)

    def __bool__(self) -> bool:
        return self.number != 0

    @property
    def status(self) -> int:
        """128 + number of the signal; 0 if there was none."""
        return 128 + self.number if self.number else 0
