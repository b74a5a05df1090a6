"""The options of a run as files: one to read, one to run again."""

import argparse
import shlex
from pathlib import Path

from util.files import write_atomically

NOT_RECORDED = ("is_train", "resume", "targets")


def write_options(opt: argparse.Namespace, folder: Path) -> None:
    """Write `opt_train.txt` (all options) and `opt_train.args` (those set; `train.py @FILE` reads it)."""
    chosen = {key: value for key, value in sorted(vars(opt).items()) if key not in NOT_RECORDED}
    width = max(map(len, chosen))
    with write_atomically(folder / "opt_train.txt") as temporary:
        temporary.write_text("".join(f"{key:>{width}}: {value}\n" for key, value in chosen.items()))
    with write_atomically(folder / "opt_train.args") as temporary:
        lines = [
            f"--{key} {shlex.quote(str(word))}\n" for key, value in chosen.items() for word in _words(value)
        ]
        temporary.write_text("".join(lines))


def _words(value: object) -> list[object]:
    """What the command line takes for a value: an option that was given several times is so again."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
