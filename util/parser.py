"""Reading command lines: a parser whose errors are one line, and the types of option values."""

import argparse
import difflib
import math
import shlex
import sys
from collections.abc import Sequence

from util.errors import UserError


def boolean(text: str) -> bool:
    """`True`, `false`, `1`, `no`, ... as the published scripts write them."""
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise argparse.ArgumentTypeError(f"expected True or False, not '{text}'")


def whole(text: str) -> int:
    """A whole number, zero or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, not '{text}'")
    return int(text)


def positive(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not '{text}'")
    return int(text)


def amount(text: str) -> float:
    """A number, zero or more."""
    return _number(text, 0 <= float(text) < math.inf, "a number, 0 or more")


def fraction(text: str) -> float:
    """A number from zero to below one."""
    return _number(text, 0 <= float(text) < 1, "a number from 0 to below 1")


def _number(text: str, admitted: bool, expected: str) -> float:
    if not admitted:
        raise argparse.ArgumentTypeError(f"expected {expected}, not '{text}'")
    return float(text)


def iterations(text: str) -> list[int | str]:
    """`400`, `latest`, `best` or a comma list of them."""
    return [int(part) if part.isdecimal() else part for part in text.split(",")]


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line with the nearest known option, and whose @files hold shell words."""

    def __init__(self, **settings) -> None:
        super().__init__(
            fromfile_prefix_chars="@",
            allow_abbrev=False,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            **settings,
        )
        self.without_effect: dict[str, str] = {}

    def add_without_effect(self, name: str, reason: str, *flags: str) -> None:
        """Accept a published option that decides nothing, with a note why; not where it is one of ours."""
        if f"--{name}" not in self._option_string_actions:
            self.add_argument(*flags, f"--{name}", nargs="?", const="True", help=argparse.SUPPRESS)
            self.without_effect[name] = reason

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        return shlex.split(arg_line, comments=True)

    def error(self, message: str) -> None:
        raise UserError(message)

    def parse_strictly(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Parse; an unknown option is an error that names the nearest known ones."""
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            near = difflib.get_close_matches(
                unknown[0].partition("=")[0], self._option_string_actions, cutoff=0.5
            )
            hint = f"; did you mean {' or '.join(near)}?" if near else "; -h lists the options"
            self.error(f"unknown option {unknown[0]}{hint}")
        for name, reason in self.without_effect.items():
            if vars(options).pop(name) is not None:
                print(f"note: --{name} is a published option without effect here: {reason}", file=sys.stderr)
        return options
