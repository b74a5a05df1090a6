"""Flips and transposition of packed Bayer planes, as published and with the colour pattern kept."""

import argparse
from typing import NamedTuple

import numpy as np

from util.imaging.bayer import PLANES


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--augment` to the options of a data set."""
    parser.add_argument(
        "--augment",
        choices=("published", "cfa", "none"),
        default="published",
        help="flips and transposition: as published, or so that the Bayer pattern is kept, or none",
    )


class Augmentation(NamedTuple):
    """Which of the three published operations are applied, in this order."""

    horizontal: bool = False
    vertical: bool = False
    transpose: bool = False

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Augmentation":
        """Each with probability 1/2."""
        return cls(*(bool(bit) for bit in rng.integers(0, 2, 3)))


def augment(planes: np.ndarray, how: Augmentation) -> np.ndarray:
    """The published operations on packed planes (..., h, w, C), channels last.

    They do not keep the colour pattern: a mirrored RGGB mosaic is a GRBG one whose planes are still called
    R, G, G, B. A network trained so must not rely on where inside a cell each plane was sampled.
    """
    if how.horizontal:
        planes = planes[..., ::-1, :]
    if how.vertical:
        planes = planes[..., ::-1, :, :]
    return planes.swapaxes(-3, -2) if how.transpose else planes


def augment_pixels(planes: np.ndarray, how: Augmentation) -> np.ndarray:
    """`augment` of four planes of 16 or 32 bits, contiguous and far faster: a pixel moves as one number."""
    pixel = {2: np.uint64, 4: np.complex128}[planes.itemsize]
    return np.ascontiguousarray(augment(planes.view(pixel), how)).view(planes.dtype)


def augment_cfa(planes: np.ndarray, how: Augmentation) -> np.ndarray:
    """The same operations on the RGGB mosaic behind (..., h + 1, w + 1, 4) planes, RGGB again: (..., h, w,
    4).

    A mirrored mosaic starts with the other column (row) of its cells; leaving out one mosaic px at each end
    restores the pattern, so planes that lie in odd columns (rows) move by one against the others. A
    transposed mosaic has its two green planes exchanged. (Bayer-preserving augmentation, Liu et al., CVPR
    Workshops 2019.)
    """
    height, width = planes.shape[-3] - 1, planes.shape[-2] - 1
    result = np.empty((*planes.shape[:-3], height, width, 4), planes.dtype)
    for plane, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        rows = slice(1 - row, 1 - row + height) if how.vertical else slice(0, height)
        columns = slice(1 - column, 1 - column + width) if how.horizontal else slice(0, width)
        part = planes[..., rows, columns, plane]
        part = part[..., ::-1, :] if how.vertical else part
        result[..., plane] = part[..., ::-1] if how.horizontal else part
    return transpose_cfa(result) if how.transpose else result


def augment_pattern(planes: np.ndarray, how: Augmentation, pattern: str) -> np.ndarray:
    """`augment_cfa` of a mosaic of any Bayer pattern, which its planes (..., h + 1, w + 1, 4) keep.

    Every pattern is RGGB seen in mirrors; in one mirror, transposition is about the other diagonal.
    """
    row, column = PLANES[pattern][0]  # of red
    mirrored = planes[..., :: 1 - 2 * row, :: 1 - 2 * column, :]
    return augment_cfa(mirrored, how)[..., :: 1 - 2 * row, :: 1 - 2 * column, :]


def transpose_cfa(planes: np.ndarray) -> np.ndarray:
    """Transposition of an RGGB mosaic as planes (..., h, w, 4): the greens change places."""
    return planes.swapaxes(-3, -2)[..., [0, 2, 1, 3]]
