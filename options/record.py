"""The options of a run as files: one to read, one to run again."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path

from options.settings import Settings
from util.errors import UserError
from util.files import regular, write_atomically

FILE = "opt_train.args"  # what train.py takes as @FILE, and test.py reads
TO_READ = "opt_train.txt"
NOT_RECORDED = ("is_train", "of_data", "resume", "targets", "config")


def write_options(opt: argparse.Namespace, folder: Path, made: Mapping[str, object] | None = None) -> None:
    """Write `opt_train.txt` (all options, and how they were `made`) and `opt_train.args` (those set)."""
    chosen = {key: value for key, value in sorted(vars(opt).items()) if key not in NOT_RECORDED}
    shown = chosen | dict(made or {})
    width = max(map(len, shown))
    with write_atomically(folder / TO_READ) as temporary:
        temporary.write_text("".join(f"{key:>{width}}: {value}\n" for key, value in shown.items()))
    with write_atomically(folder / FILE) as temporary:
        lines = [
            f"--{key} {shlex.quote(str(word))}\n" for key, value in chosen.items() for word in _words(value)
        ]
        temporary.write_text("".join(lines))


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
        UserError: it cannot be read, or is not such a file.
    """
    try:
        words = shlex.split(regular(path).read_text(), comments=True)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged, it holds no record of options: {error}") from None
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
    for file, label, value in ((FILE, "--name ", shlex.quote(name)), (TO_READ, "name: ", name)):
        path = folder / file
        if path.is_file():
            lines = path.read_text().splitlines(keepends=True)
            renamed = (
                f"{line[: line.index(label)]}{label}{value}\n" if line.lstrip().startswith(label) else line
                for line in lines
            )
            with write_atomically(path) as temporary:
                temporary.write_text("".join(renamed))
