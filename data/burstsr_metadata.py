"""Writes what BurstSR's pickles tell of each picture as JSON beside them, which is read in their place.

    python -m data.burstsr_metadata --dataroot DIR

Nothing of the pickles is run. Exit status: 0 = all are written, 1 = some cannot be read, 2 = wrong options.
"""

import util.starting  # noqa: F401 isort: skip
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from data.reading.burstsr_meta import PICKLE, RECORD, entries_of
from util.door import run
from util.errors import UserError
from util.files import write_atomically
from util.json_record import as_json
from util.parser import Parser


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: an unknown option.
    """
    parser = Parser(prog="python -m data.burstsr_metadata", description=__doc__.splitlines()[0])
    parser.add_argument("--dataroot", type=Path, required=True, help="folder with train/ and val/")
    return parser.parse_strictly(arguments)


def main() -> int:
    root = parse().dataroot
    pickles = sorted(root.rglob(PICKLE))
    if not pickles:
        raise UserError(f"--dataroot {root}: there is no {PICKLE} in it or below")
    failed = 0
    for path in tqdm(pickles, unit="file", disable=None):
        try:
            write_record(path)
        except UserError as error:
            tqdm.write(f"error: {error}", file=sys.stderr)
            failed += 1
    print(f"{len(pickles) - failed} of {len(pickles)} {PICKLE} written as {RECORD}")
    return 1 if failed else 0


def write_record(path: Path) -> None:
    """Write the JSON beside a pickle.

    Raises:
        UserError: the pickle cannot be read, or the JSON not written.
    """
    entries = entries_of(path)
    with write_atomically(path.with_name(RECORD)) as temporary:
        temporary.write_text(as_json(entries))


if __name__ == "__main__":
    run(main)
