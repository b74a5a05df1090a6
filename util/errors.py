"""The one exception for what a user can mend, and how a program ends on it."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake that its user can mend. The message is one line: what is wrong, where, and what to do.

    Lines of a library's message that it cites are joined.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


def run(main: Callable[[], int | None]) -> None:
    """Run a program's `main` and exit with its status; a `UserError` is one line on stderr and status 2."""
    try:
        status = main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    sys.exit(status or 0)
