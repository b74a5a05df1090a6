"""What can be wrong with short and long raw frames in the layout of SID (`python -m data.check`)."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from data.checks.base_check import BaseCheck, Finding
from data.checks.exposure_pairs import (
    TIME_TOLERANCE,
    Frame,
    exif_ratio,
    frame_findings,
    pair_findings,
    read_frame,
    time_findings,
)
from data.reading.named_exposures import (
    DIGITS,
    FIRST_BURST,
    LARGEST_RATIO,
    LONG,
    SHORT,
    NamedExposure,
    named_exposures,
    pair_of,
    read_name,
)
from util.errors import UserError


class SidCheck(BaseCheck):
    """Checks of a data set of class SidDataset; a sample is a scene, and stands for it by its long file."""

    split_names = (SHORT, LONG)

    def samples(self) -> list[Path]:
        """The long files of the first burst, one of each scene."""
        longs = {long.scene: long.path for long in self._named(LONG) if long.burst == FIRST_BURST}
        return sorted(longs.values())

    def _named(self, folder: str) -> list[NamedExposure]:
        return named_exposures(self.root / folder) if (self.root / folder).is_dir() else []

    def layout(self) -> Iterator[Finding]:
        """Missing folders, files that do not belong there, scenes without or with too many files."""
        for name in self.split_names:
            folder = self.root / name
            if folder not in self.splits:
                yield Finding(folder, "there is no such folder")
                continue
            for entry in sorted(folder.iterdir()):
                if not (entry.name.startswith(".") or read_name(entry)):
                    yield Finding(entry, "does not belong here: it is not called <id>_<burst>_<t>s.<suffix>")
        shorts, longs = self._named(SHORT), self._named(LONG)
        yield from _numbers(shorts, longs)
        yield from _bursts(shorts)

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in the files of a scene, whose long file is given."""
        named_long, findings = read_name(folder), []
        shorts = [short for short in self._named(SHORT) if short.scene == named_long.scene]
        firsts = [short for short in shorts if short.burst == FIRST_BURST]
        if len(firsts) < self.min_samples:
            text = f"scene {named_long.scene} has {len(firsts)} short frames, expected {self.min_samples}"
            findings.append(Finding(folder, text))
        long = read_frame(folder, findings)
        if long:
            findings += [*frame_findings(long, is_long=True), *time_findings(long, named_long.seconds)]
        for named in shorts:
            short = read_frame(named.path, findings)
            if short:
                findings += [*frame_findings(short, is_long=False), *time_findings(short, named.seconds)]
            if short and long:
                findings += _pair(named, named_long, short, long)
        return findings


def _numbers(shorts: list[NamedExposure], longs: list[NamedExposure]) -> Iterator[Finding]:
    """Scenes that lack a file or have one too many, and such that belong to no split."""
    by_scene = {scene: list(group) for scene, group in groupby(longs, lambda long: long.scene)}
    seen = {short.scene for short in shorts}
    for short in shorts:
        if short.scene not in by_scene:
            yield Finding(short.path, "has no long exposure")
    for scene, group in by_scene.items():
        first, *others = group
        for other in others:
            yield Finding(other.path, f"is a second long exposure of scene {scene}, beside {first.path.name}")
        if first.burst != FIRST_BURST:
            yield Finding(first.path, f"is of burst {first.burst}: of long exposures {FIRST_BURST} is used")
        if scene not in seen:
            yield Finding(first.path, "has no short exposures", is_fault=False)
        if scene[0] not in DIGITS.values():
            yield Finding(first.path, "belongs to no split: scenes begin with 0, 1 or 2")


def _bursts(shorts: list[NamedExposure]) -> Iterator[Finding]:
    """Exposure times of a scene of which the burst that is used is missing."""
    for _, group in groupby(sorted(shorts, key=_kind), _kind):
        first = next(group)
        if first.burst != FIRST_BURST:
            text = f"is the first of its burst: {FIRST_BURST} is missing, so none is used"
            yield Finding(first.path, text, is_fault=False)


def _kind(short: NamedExposure) -> tuple[str, float]:
    return short.scene, short.seconds


def _pair(named: NamedExposure, named_long: NamedExposure, short: Frame, long: Frame) -> Iterator[Finding]:
    """What is wrong with a short frame against the long one."""
    try:
        ratio = pair_of(named, named_long).ratio
    except UserError as error:
        yield Finding(named.path, str(error))
        return
    told = exif_ratio(short, long)
    if told is None:
        yield Finding(named.path, "it or its long exposure does not tell time and ISO", is_fault=False)
    elif not 1 / TIME_TOLERANCE < min(told, LARGEST_RATIO) / ratio < TIME_TOLERANCE:
        text = f"{named_long.path.name} was exposed {told:.4g} times longer by EXIF, {ratio:.4g} by the names"
        yield Finding(named.path, text)
    yield from pair_findings(short, long, ratio)
