"""Raw files that say by their names which scene they show and how long they were exposed: the layout of SID.

ExposureDiffusion specification, 4.2: `short/` and `long/` with files `<id>_<burst>_<t>s.<suffix>`.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from data.reading.number_list import read_text
from data.reading.raw import SUFFIXES
from util.errors import UserError

SHORT, LONG = "short", "long"  # folders
NAME = re.compile(r"(\d{5})_(\d{2})_(\d+(?:\.\d+)?)s")
FIRST_BURST = "00"  # the only one that is used
DIGITS = {"train": "0", "test": "1", "val": "2"}  # with which the scenes of a split begin
LARGEST_RATIO = 300.0  # 1/30 s is written 0.033
BENCHMARK = (  # scenes that published scores are of
    *("10185", "10187", "10191", "10193", "10198", "10213", "10217", "10226", "10227", "10228"),
    *("20188", "20201", "20208", "20210", "20211"),
)
BENCHMARK_TIMES = ("0.1", "0.04", "0.033")  # s; of the long frame 10


class NamedExposure(NamedTuple):
    """A file and what its name says; `time`, in s, as it is written there."""

    path: Path
    scene: str
    burst: str
    time: str

    @property
    def seconds(self) -> float:
        """The exposure time."""
        return float(self.time)


class Pair(NamedTuple):
    """A short frame, the long one of the same scene, and how many times longer that was exposed.

    `ratio` is None where only the files tell. Results are called `scene`/`frame`.
    """

    short: Path
    long: Path
    ratio: float | None
    scene: str
    frame: str


def read_name(path: Path) -> NamedExposure | None:
    """What a raw file's name says; None if it is not of this kind."""
    found = NAME.fullmatch(path.stem) if path.suffix.lower() in SUFFIXES else None
    return NamedExposure(path, *found.groups()) if found and float(found[3]) > 0 else None


def named_exposures(folder: Path) -> list[NamedExposure]:
    """The files of a folder whose names are of this kind, by name, without hidden ones."""
    return [named for path in sorted(folder.iterdir()) if (named := read_name(path))]


def find_pairs(root: Path) -> list[Pair]:
    """Each short file of the first burst with the long one of its scene, by name.

    Raises:
        UserError: a short frame has no long one, or two.
    """
    longs: dict[str, list[NamedExposure]] = {}
    for long in named_exposures(root / LONG):
        if long.burst == FIRST_BURST:
            longs.setdefault(long.scene, []).append(long)
    return [
        pair_of(short, _only(root, short, longs.get(short.scene, [])))
        for short in named_exposures(root / SHORT)
        if short.burst == FIRST_BURST
    ]


def _only(root: Path, short: NamedExposure, longs: Sequence[NamedExposure]) -> NamedExposure:
    if not longs:
        expected = root / LONG / f"{short.scene}_{FIRST_BURST}_<t>s{short.path.suffix}"
        raise UserError(f"{short.path} has no long exposure: there is no {expected}")
    if len(longs) > 1:
        raise UserError(f"{short.path} has two long exposures, {longs[0].path} and {longs[1].path.name}")
    return longs[0]


def pair_of(short: NamedExposure, long: NamedExposure, ratio: float | None = None) -> Pair:
    """A pair with the ratio of the times in the names, at most 300, or with another.

    Raises:
        UserError: the ratio is not above 1.
    """
    ratio = min(long.seconds / short.seconds, LARGEST_RATIO) if ratio is None else ratio
    if not 1 < ratio < math.inf:
        raise UserError(f"{short.path.name} was not exposed shorter than {long.path.name}: ratio {ratio:g}")
    return Pair(short.path, long.path, ratio, short.scene, f"{short.burst}_{short.time}s")


def benchmark(pairs: Sequence[Pair]) -> list[Pair]:
    """Those of `pairs` that published scores are of: 45, or fewer where some are not there."""
    wanted = {(scene, f"{FIRST_BURST}_{time}s") for scene in BENCHMARK for time in BENCHMARK_TIMES}
    return [pair for pair in pairs if (pair.scene, pair.frame) in wanted]


def is_whole_benchmark(pairs: Sequence[Pair]) -> bool:
    """Whether `benchmark` gave all."""
    return len(pairs) == len(BENCHMARK) * len(BENCHMARK_TIMES)


def read_pairs(path: Path, root: Path) -> list[Pair]:
    """The pairs of a published list: a line `short long [ratio]` each, bare names of files.

    Raises:
        UserError: there is no such list, a line has other words, a file is missing, or a ratio is below 1.
    """
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such list of pairs") from None
    found = []
    for number, line in enumerate(lines, 1):
        if words := line.split():
            try:
                found.append(_listed(words, root))
            except UserError as error:
                raise UserError(f"{path}, line {number}: {error}") from None
    if not found:
        raise UserError(f"{path} lists no pairs")
    return found


def _listed(words: list[str], root: Path) -> Pair:
    if len(words) not in (2, 3):
        raise UserError(f"{len(words)} words; expected: short long [ratio]")
    short, long = _files(words[:2], root)
    try:
        ratio = float(words[2]) if len(words) == 3 else None
    except ValueError:
        raise UserError(f"'{words[2]}' is no ratio; expected: short long [ratio]") from None
    return pair_of(short, long, ratio)


def _files(names: Sequence[str], root: Path) -> Iterator[NamedExposure]:
    for folder, name in zip((SHORT, LONG), names, strict=True):
        path = root / folder / name
        if not path.is_file():
            raise UserError(f"there is no {path}")
        named = read_name(path)
        if named is None:
            raise UserError(f"{name} is not called <id>_<burst>_<t>s.<suffix of a raw file>")
        yield named
