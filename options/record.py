"""The options of a run as files: one to read, one to run again."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path

from options.settings import Settings
from util.errors import UserError
from util.files import write_atomically
from util.parser import file_words

FILE = "opt_train.args"  # what train.py takes as @FILE, and test.py reads
TO_READ = "opt_train.txt"
ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}  # names of files may be any bytes
NOT_RECORDED = ("is_train", "of_data", "resume", "targets", "config")


def write_options(opt: argparse.Namespace, folder: Path, made: Mapping[str, object] | None = None) -> None:
    """Write `opt_train.txt` (all options, and how they were `made`) and `opt_train.args` (those set)."""
    chosen = {key: value for key, value in sorted(vars(opt).items()) if key not in NOT_RECORDED}
    shown = chosen | dict(made or {})
    width = max(map(len, shown))
    _write(folder / TO_READ, [f"{key:>{width}}: {_in_one_line(value)}\n" for key, value in shown.items()])
    _write(folder / FILE, _lines({key: _words(value) for key, value in chosen.items()}))


def _write(path: Path, lines: list[str]) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text("".join(lines), **ENCODING)


def _lines(options: Mapping[str, object]) -> list[str]:
    """A line for each value of each option."""
    lines = []
    for key, value in options.items():
        for part in value if isinstance(value, list) else [value]:
            joint = "=" if str(part).startswith(("-", "@")) else " "  # such words would be read as others
            lines.append(f"--{key}{joint}{shlex.quote(str(part))}\n")
    return lines


def _in_one_line(value: object) -> object:
    text = str(value)
    return value if len(text.splitlines()) < 2 else repr(text)


def _words(value: object) -> list[object]:
    """What the command line takes for a value: an option that was given several times is so again.

    Numbers of one option stand in a comma list.
    """
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(part, int | float) for part in value):
        return [",".join(map(str, value))] if value else []
    return value if isinstance(value, list) else [value]


def read_options(path: Path) -> Settings:
    """The options in the `opt_train.args` of a run.

    Raises:
        UserError: it cannot be read, or is not such a file; the line is named.
    """
    words = file_words(path)
    values: dict[str, list[str]] = {}
    for word in words:
        if word[:2] == "--" or (word[:1] == "-" and word[1:2].isalpha()):
            name, *given = word.lstrip("-").split("=", 1)
            values.setdefault(name, []).extend(given)
        elif values:
            values[name].append(word)
        else:
            raise UserError(f"{path} is damaged, it holds no record of options: it begins with {word}")
    return {name: given if len(given) > 1 else given[0] for name, given in values.items() if given}


def rename(folder: Path, name: str) -> None:
    """Make the record in a run's folder, if there is one, that of a run of this name."""
    if (folder / FILE).is_file():
        options = read_options(folder / FILE) | {"name": name}
        _write(folder / FILE, _lines(options))
    if (folder / TO_READ).is_file():
        lines = (folder / TO_READ).read_text(**ENCODING).splitlines(keepends=True)
        label = "name: "
        renamed = [
            f"{line[: line.index(label)]}{label}{name}\n" if line.lstrip().startswith(label) else line
            for line in lines
        ]
        _write(folder / TO_READ, renamed)
