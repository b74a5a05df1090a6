"""Reading command lines: a parser whose errors are one line, and the types of option values."""

import argparse
import difflib
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from util.errors import UserError
from util.files import regular

DASHES = re.compile(r"(--[^=]+=|-\w=?)--")  # as a value, of which argparse of Python 3.11 makes []
LONGEST = 30  # digits: Python takes its time for millions of them
DEEPEST = 8  # files of options that name each other


def boolean(text: str) -> bool:
    """`True`, `false`, `1`, `no`, `t`, ... as the published scripts write them."""
    if text.lower() in ("true", "t", "1", "yes", "y", "on"):
        return True
    if text.lower() in ("false", "f", "0", "no", "n", "off"):
        return False
    raise argparse.ArgumentTypeError(f"expected True or False, not '{text}'")


def given(text: str) -> str:
    """A text that is not empty, as that of a variable of the shell which is not set."""
    if not text:
        raise argparse.ArgumentTypeError("expected a value, not ''")
    return text


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


def up_to(most: int, least: int = 1) -> Callable[[str], int]:
    """The type of a whole number from `least` to `most`."""

    def bounded(text: str) -> int:
        if not (text.isdecimal() and len(text) <= LONGEST and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {least} to {most}, not '{text[:40]}'"
            )
        return int(text)

    return bounded


def amount(text: str) -> float:
    """A number, zero or more."""
    return _number(text, 0 <= float(text) < math.inf, "a number, 0 or more")


def fraction(text: str) -> float:
    """A number from zero to below one."""
    return _number(text, 0 <= float(text) < 1, "a number from 0 to below 1")


def share(text: str) -> float:
    """A number from 0 to 1."""
    return _number(text, 0 <= float(text) <= 1, "a number from 0 to 1")


def factor(text: str) -> float:
    """A number, one or more."""
    return _number(text, 1 <= float(text) < math.inf, "a number, 1 or more")


def _number(text: str, admitted: bool, expected: str) -> float:
    if not admitted:
        raise argparse.ArgumentTypeError(f"expected {expected}, not '{text}'")
    return float(text)


def iterations(text: str) -> list[int | str]:
    """`400`, `latest`, `best` or a comma list of them."""
    return [int(part) if part.isdecimal() else part for part in given(text).split(",")]


def whole_numbers(text: str) -> list[int]:
    """A comma list of whole numbers, zero or more."""
    return [whole(part) for part in text.split(",")]


def fractions(text: str) -> list[float]:
    """A comma list of numbers between 0 and 1."""
    return [fraction(part) for part in text.split(",")]


def file_words(path: Path) -> list[str]:
    """The shell words of a file of options, without its comments.

    Raises:
        UserError: it cannot be read, or a quotation in it has no end; the message names the line.
    """
    try:
        text = regular(path).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if "\0" in text:
        raise UserError(f"{path}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: not a text file")
    words, begun, first, fault = [], "", 1, ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        first = first if begun else number
        begun += line
        try:
            words += shlex.split(begun, comments=True)
            begun = ""
        except ValueError as error:  # of a word that goes on in the next line, perhaps
            fault = str(error)
    if begun:
        raise UserError(f"{path}, line {first}: {fault}: {begun.splitlines()[0].strip()[:60]}")
    return words


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Help with the defaults as one would type them; where there is none, the option's help says so."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if not action.option_strings or action.default in (None, "", argparse.SUPPRESS):
            return f"{action.help} (required)" if action.required and action.option_strings else action.help
        default = action.default
        shown = ",".join(map(str, default)) if isinstance(default, list) else str(default)
        return f"{action.help} (default: {shown.replace('%', '%%')})"


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line with the nearest known option, and whose @files hold shell words."""

    def __init__(self, **settings) -> None:
        self._section: argparse._ArgumentGroup | None = None
        super().__init__(
            fromfile_prefix_chars="@", allow_abbrev=False, formatter_class=HelpFormatter, **settings
        )
        self.without_effect: dict[str, str] = {}

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """Options that are added meanwhile stand under this title in the help."""
        self._section = self.add_argument_group(title)
        yield
        self._section = None

    def add_argument(self, *names: str, **settings) -> argparse.Action:
        if self._section is not None:
            return self._section.add_argument(*names, **settings)
        return super().add_argument(*names, **settings)

    def add_without_effect(self, name: str, reason: str, *flags: str) -> None:
        """Accept a published option that decides nothing, with a note why; not where it is one of ours."""
        if f"--{name}" not in self._option_string_actions:
            self.add_argument(*flags, f"--{name}", nargs="?", const="True", help=argparse.SUPPRESS)
            self.without_effect[name] = reason

    # Command lines that are put together of several sources

    def expanded(self, arguments: Sequence[str]) -> list[str]:
        """The words of a command line, those of its @files included."""
        return self._read_args_from_files(arguments)

    def _read_args_from_files(self, arg_strings: Sequence[str], depth: int = 0) -> list[str]:
        """What argparse calls for them: here a quoted value may have several lines."""
        words = []
        for word in arg_strings:
            if DASHES.fullmatch(word):
                self.error(f"{word}: -- is no value")
            if not word.startswith("@"):
                words.append(word)
            elif depth == DEEPEST:
                self.error(f"{word}: files of options that name each other, more than {DEEPEST} deep")
            else:
                words += self._read_args_from_files(file_words(Path(word[1:])), depth + 1)
        return words

    def has(self, name: str) -> bool:
        """Whether `--name` is an option."""
        return f"--{name}" in self._option_string_actions

    def key(self, name: str) -> str:
        """The attribute in which the value of `--name` ends up, which has a single name for all spellings."""
        action = self._option_string_actions.get(f"--{name}")
        return action.dest if action else name

    def keys(self, words: Iterable[str] | None = None) -> set[str]:
        """The attributes of all options, or of those that these words give."""
        known = self._option_string_actions
        if words is None:
            return {action.dest for action in known.values()}
        found = (known.get(word.partition("=")[0], known.get(word[:2])) for word in words if word[:1] == "-")
        return {action.dest for action in found if action}

    def words(self, name: str, value: str | list[str]) -> list[str]:
        """What the command line has for a value; a list is a comma list, or repeats what may be repeated."""
        action = self._option_string_actions.get(f"--{name}")
        values = value if isinstance(value, list) else [value]
        if not isinstance(action, argparse._AppendAction):
            values = [",".join(values)]
        return [f"--{name}={part}" for part in values]

    # Parsing

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        for action in self._actions:
            if action.type is boolean:
                action.nargs, action.const = "?", True  # --chop is --chop True
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        raise UserError(message)

    def unknown(self, option: str, place: str = "") -> NoReturn:
        """Raise the UserError for an option that is none, with the nearest known ones."""
        near = difflib.get_close_matches(option, self._option_string_actions, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; -h lists the options"
        self.error(f"{place}unknown option {option}{hint}")

    def parse_strictly(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Parse; an unknown option is an error that names the nearest known ones."""
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            self.unknown(unknown[0].partition("=")[0])
        for name, reason in self.without_effect.items():
            if vars(options).pop(name.replace("-", "_")) is not None:
                print(f"note: --{name} is a published option without effect here: {reason}", file=sys.stderr)
        return options
