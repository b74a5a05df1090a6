"""A data set that several calls make, at the same time or one after the other: `--shard i/n`.

A shard has every n-th sample. The folder `shards` of an unfinished set holds the plan on which all shards
agree, and an empty file for each that is done; whoever finds all of them completes the set and removes the
folder. No step of this relies on locks, so that shards may run on several machines that share the folder, or
be copied into one.
"""

import argparse
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from util.errors import UserError
from util.files import complete_or_absent
from util.json_record import as_json, differences, read_json

FOLDER = "shards"
PLAN = "plan.json"
DONE = "done_"  # begins the name of a shard's file
Job = TypeVar("Job")


class Shard(NamedTuple):
    """Shard `number` of `count`, from 1 on."""

    number: int = 1
    count: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the set."""
        return self.count == 1

    def part(self, jobs: Sequence[Job]) -> list[Job]:
        """Its share of all jobs of a set."""
        return list(jobs[self.number - 1 :: self.count])


WHOLE = Shard()


def read_shard(text: str) -> Shard:
    """The shard that `3/8` names."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(f"expected I/N with I from 1 to N, such as 3/8, not '{text[:40]}'")
    return Shard(number, count)


class Plan:
    """What all shards of the set in a folder agree on, and which of them are done.

    Args:
        out: folder of the set. record: of its settings. samples: all of them, with what they are made of.

    Raises:
        UserError: there are fewer samples than shards.
    """

    def __init__(
        self, out: Path, shard: Shard, record: dict[str, object], samples: Sequence[tuple[Path, str]]
    ) -> None:
        if shard.count > max(len(samples), 1):
            found = f"{len(samples)} samples"
            raise UserError(f"--shard {shard.number}/{shard.count}: {found} need at most as many shards")
        names = "".join(f"{folder.relative_to(out)}\n{source}\n" for folder, source in samples)
        digest = hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:12]
        self.out, self.shard, self.folder = out, shard, out / FOLDER
        self.content = record | {"shards": shard.count, "samples": len(samples), "sources": digest}

    @property
    def is_begun(self) -> bool:
        """Whether the set is being made in shards."""
        return self.folder.is_dir()

    def check(self) -> None:
        """Refuse to go on otherwise than the shards before.

        Raises:
            UserError: their number, the settings or the sources were others.
        """
        if not self.is_begun:
            return
        found = read_json(self.folder / PLAN, f"delete {self.out}, or give another folder to --out")
        if differing := differences(found, self.content):
            raise UserError(
                f"{self.out} is being made in shards, with {differing}: give the same options and number of "
                "shards, or another folder to --out"
            )

    def begin(self) -> None:
        """Write the plan, unless it is there.

        Raises:
            UserError: it cannot be written, or another shard began meanwhile with another plan.
        """
        if not self.is_begun:
            with complete_or_absent(self.folder) as partial:
                partial.mkdir()
                (partial / PLAN).write_text(as_json(self.content))
        self.check()

    def mark_done(self) -> list[int]:
        """Note that all of this shard is made; the numbers of those that are not.

        Raises:
            UserError: the note cannot be written.
        """
        mark = self.folder / f"{DONE}{self.shard.number}"
        try:
            mark.touch()
        except FileNotFoundError:  # another shard has completed the set meanwhile
            return []
        except OSError as error:
            raise UserError(f"cannot write {mark}: {error.strerror or error}") from error
        return self.unfinished()

    def unfinished(self) -> list[int]:
        """The numbers of the shards that are not done."""
        try:
            marks = {path.name for path in self.folder.iterdir()}
        except FileNotFoundError:  # no set in shards, or one that another shard completes at the same time
            return []
        return [number for number in range(1, self.shard.count + 1) if f"{DONE}{number}" not in marks]

    def remove(self) -> None:
        """Forget the plan of a set that is complete: at once, so that no shard finds half of it."""
        aside = self.out / f".{FOLDER}.{os.getpid()}.partial"
        with suppress(FileNotFoundError):  # another shard completes the set at the same time
            self.folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
