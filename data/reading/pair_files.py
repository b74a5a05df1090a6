"""Raw files of which two are a pair: each is decoded once, and what a window of it must know goes with it."""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.block_cache import Content
from data.reading.exif import Shot, read_shot
from data.reading.named_exposures import Pair
from data.reading.raw import RawImage, read_raw, size_from_red
from util.errors import UserError

ISO, NOTES = 5, 6  # place in the notes of a file, and their number: black of four planes, white, ISO


class RawFile(NamedTuple):
    """A raw file as `RecentScenes` takes it."""

    path: Path

    @property
    def sources(self) -> list[Path]:
        """The files that its content depends on."""
        return [self.path]


def decode(path: Path) -> Content:
    """A whole raw file (1, h, w, 4) uint16 from its first red px on, and what a window of it must know."""
    image, shot = read_file(path)
    notes = np.float32([[*image.black, image.white, np.nan if shot.iso is None else shot.iso]])
    return Content(image.planes[None], np.empty((0, 0, 4), np.float32), notes)


def read_file(path: Path) -> tuple[RawImage, Shot]:
    """A raw file from its first red px on, and how it was taken."""
    return read_raw(path).from_red(), read_shot(path, is_raw=True)


read_recent = functools.lru_cache(2)(read_file)  # a long frame belongs to several short ones
size_of = functools.cache(size_from_red)


def check_alike(pair: Pair) -> None:
    """Raise a UserError if the files of a pair have different sizes."""
    short, long = size_of(pair.short), size_of(pair.long)
    if short != long:
        raise UserError(
            f"{pair.short} has {short[1]} x {short[0]} cells, {pair.long} {long[1]} x {long[0]}: not a pair"
        )
