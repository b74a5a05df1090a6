"""Developed pictures of one scene: which of their codes is white, and in which colour space they are."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.exif import read_tags
from data.reading.raw import agreed_orientation
from util.errors import UserError
from util.imaging.camera_colour import XYZ_TO_SRGB, rows_to_one
from util.imaging.colour_profiles import ColourSpace
from util.imaging.images import read_coded
from util.imaging.picture_colours import Picture
from util.imaging.rendering import ORIENTATIONS, oriented
from util.imaging.tiff_pictures import count_pictures
from util.imaging.tiff_samples import scaled

CEILINGS = tuple((1 << bits) - 1 for bits in range(8, 16))  # white of data that do not fill 16 bits
BRIGHT = 0.9  # of the largest code; a frame that gets there is taken to come close to white
FINE = 1000  # px of a picture's shorter side that its tone curve is estimated by, or a few more
BY_FILE = ("debevec", "srgb")  # responses for which a profile's curve stands in for that of sRGB


class Stack(NamedTuple):
    """Pictures of one scene, of one size.

    Attributes:
        codes: (H, W, 3) uint8 or uint16 each, white is the largest of the type.
        matrix: (3, 3), linear values to linear sRGB; None: they are linear sRGB.
    """

    codes: list[np.ndarray]
    matrix: np.ndarray | None

    def for_curve(self) -> list[np.ndarray]:
        """Codes by which a camera's tone curve is estimated: such of sRGB, of large pictures every few px.

        What a camera cut off in the colours of its sensor may be below white by another space's primaries.
        """
        if self.matrix is None:
            return self.codes
        step = max(1, min(self.codes[0].shape[:2]) // FINE)
        return [ColourSpace(matrix=self.matrix).to_srgb(one[::step, ::step]) for one in self.codes]

    def meta(self) -> dict[str, np.ndarray]:
        """What rendering needs besides linear values: their colours, unless they are those of sRGB."""
        if self.matrix is None:
            return {}
        colours = {
            "white_balance": np.ones(3),
            "cam2rgb": self.matrix,
            "cam2xyz": np.linalg.inv(rows_to_one(XYZ_TO_SRGB)) @ self.matrix,  # for --isp published
        }
        return {name: values.astype(np.float32) for name, values in colours.items()}


def frames_in(files: Sequence[Path]) -> int:
    """How many frames a single file holds that is all there is of a scene; 0 where it is no such file.

    Raises:
        UserError: the file is damaged.
    """
    count = count_pictures(files[0]) if len(files) == 1 else 1
    return count if count > 1 else 0


def read_stack(files: Sequence[Path], pages: Sequence[int], response: str, white: int | None = None) -> Stack:
    """The pictures of a scene.

    Args:
        pages: which of the pictures in its file each is; none: each has its own file.
        response: for debevec and srgb, codes of a profile's curve become such of sRGB's; others take them
            as they are.
        white: code of white; None: by the files, or by where all values end.

    Raises:
        UserError: a file is damaged, or differs in size or colour space from the first; or `white` does not
            suit the files.
    """
    numbers: Sequence[int | None] = pages or [None] * len(files)
    flag = None if pages else _common_flag(files)
    pictures: list[Picture] = []
    for file, number in zip(files, numbers, strict=True):
        picture = read_coded(file, upright=flag is None, number=number)
        pictures.append(picture if flag is None else picture._replace(codes=oriented(picture.codes, flag)))
        _check_alike(files[0], pictures[0], file, pictures[-1])
    codes = _with_white(files, pictures, white)
    space = pictures[0].space
    if response in BY_FILE:
        codes = [space.coded_as_srgb(one) for one in codes]
    return Stack(codes, space.matrix)


def _common_flag(files: Sequence[Path]) -> int | None:
    """The orientation of EXIF by which all are to be turned though some say otherwise; None: they agree."""
    flags = [tags.get("Orientation", 1) for tags in map(read_tags, files)]
    flags = [flag if flag in ORIENTATIONS else 1 for flag in flags]
    return agreed_orientation(files, flags) if len(set(flags)) > 1 else None


def _check_alike(first_file: Path, first: Picture, file: Path, picture: Picture) -> None:
    sizes = [f"{one.codes.shape[1]} x {one.codes.shape[0]}" for one in (picture, first)]
    if sizes[0] != sizes[1]:
        raise UserError(f"{file} does not fit {first_file.name}: {sizes[0]} px, not {sizes[1]}")
    if not (picture.space is first.space or picture.space.is_like(first.space)):
        spaces = f"{picture.space.name}, not {first.space.name}"
        raise UserError(f"{file} does not fit {first_file.name}: {spaces}: convert them to one")


def _with_white(files: Sequence[Path], pictures: Sequence[Picture], white: int | None) -> list[np.ndarray]:
    """Their codes, with the largest of the type for white."""
    codes = [picture.codes for picture in pictures]
    if white is None:
        white = _ceiling(files[0].parent, pictures)
        return codes if white is None else [scaled(one, white) for one in codes]
    for file, picture in zip(files, pictures, strict=True):
        if picture.tells_white:
            raise UserError(f"--white {white}: {file} tells by itself which value is white")
        largest = np.iinfo(picture.codes.dtype).max
        if not 0 < white <= largest:
            raise UserError(f"--white {white}: {file} has values from 0 to {largest}")
    return [scaled(one, white) for one in codes]


def _ceiling(folder: Path, pictures: Sequence[Picture]) -> int | None:
    """Where the values of a whole stack of 16 bits end, if that is white of fewer bits; None: as it is.

    Prints what is taken for white, or that nothing seems to be.
    """
    if any(picture.tells_white or picture.codes.dtype != np.uint16 for picture in pictures):
        return None
    brightest = max(int(picture.codes.max()) for picture in pictures)
    if brightest in CEILINGS:
        text = f"no value is above {brightest}, which is taken for white"
        print(f"note: {folder}: {text}; --white N says otherwise", file=sys.stderr)
        return brightest
    if brightest < BRIGHT * 65535:
        text = f"no frame reaches white, 65535: the largest value is {brightest}"
        likely = next(ceiling for ceiling in (*sorted(CEILINGS), 65535) if ceiling >= brightest)
        print(
            f"note: {folder}: {text}; if white is less, --white N says so, {likely} perhaps", file=sys.stderr
        )
    return None
