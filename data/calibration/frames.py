"""Dark and flat frames for a calibration: found in folders, ordered by ISO, read in a stream."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.exif import read_shot
from data.reading.raw import SUFFIXES, RawImage, read_alike
from util.errors import UserError
from util.natural import by_name

WINDOW = 512  # px of the planes' middle that is looked at, so that large frames fit into memory
LEAST = 2  # frames that differences can be made of


class Group(NamedTuple):
    """The frames of an ISO: darks, and flats by their exposure time in s."""

    iso: float
    darks: list[Path]
    flats: dict[float, list[Path]]

    def files(self) -> list[Path]:
        """In the order in which they are read."""
        return [*self.darks, *(file for files in self.flats.values() for file in files)]


def find_groups(dark: Path, flat: Path) -> list[Group]:
    """The frames of two folders, in rising order of ISO.

    Raises:
        UserError: a folder is missing or has no raw files, a file does not tell its ISO or time, or an ISO
            has fewer than two darks, or no exposure time with two flats.
    """
    darks, flats = _by_iso(dark, "--dark"), _by_iso(flat, "--flat")
    groups = []
    for iso in sorted(darks.keys() | flats.keys()):
        frames = [file for files in darks.get(iso, {}).values() for file in files]
        pairs = {time: files for time, files in sorted(flats.get(iso, {}).items()) if len(files) >= LEAST}
        if len(frames) < LEAST:
            raise UserError(f"--dark {dark}: ISO {iso:g} has {len(frames)} dark frames, {LEAST} are needed")
        if not pairs:
            raise UserError(f"--flat {flat}: ISO {iso:g} has no exposure time with {LEAST} flat frames")
        groups.append(Group(iso, frames, pairs))
    return groups


def _by_iso(folder: Path, option: str) -> dict[float, dict[float, list[Path]]]:
    """Raw files of a folder by ISO, then by exposure time in s."""
    if not folder.is_dir():
        raise UserError(f"{option} {folder} is not a folder")
    files = by_name(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"{option} {folder} has no raw files; known: {' '.join(sorted(SUFFIXES))}")
    found: dict[float, dict[float, list[Path]]] = {}
    for file in files:
        shot = read_shot(file, is_raw=True)
        if shot.iso is None or shot.time is None:
            missing = "ISO" if shot.iso is None else "exposure time"
            raise UserError(f"{file} does not tell its {missing}: frames are ordered by it")
        found.setdefault(shot.iso, {}).setdefault(shot.time, []).append(file)
    return found


class Frame(NamedTuple):
    """Planes (4, h, w) float32 in ADU above the file's level of black, and where they clip, (4,)."""

    planes: np.ndarray
    clip: np.ndarray
    camera: str


def read_frames(files: Sequence[Path]) -> Iterator[Frame]:
    """The middles of frames, one after the other.

    Raises:
        UserError: a file cannot be read, has no Bayer mosaic, or another size or camera than the first.
    """
    for image in read_alike(files):
        yield _middle(image)


def _middle(image: RawImage) -> Frame:
    height, width = (min(WINDOW, side) for side in image.planes.shape[:2])
    top, left = ((side - part) // 2 for side, part in zip(image.planes.shape, (height, width), strict=False))
    planes = image.planes[top : top + height, left : left + width].astype(np.float32) - image.black
    return Frame(np.ascontiguousarray(planes.transpose(2, 0, 1)), image.white - image.black, image.camera)
