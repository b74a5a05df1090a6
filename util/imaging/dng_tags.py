"""Tags of a DNG file as tifffile takes them to write.

Adobe's Digital Negative Specification 1.6.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 10, 12  # types of a TIFF tag
COLOUR_FILTER_ARRAY, LINEAR_RAW = 32803, 34892  # PhotometricInterpretation of a mosaic, of camera RGB
DAYLIGHT = 21  # EXIF LightSource of D65
LARGEST_DENOMINATOR = 1_000_000

Tag = tuple[int, int, int, object, bool]  # code, type, count, value, written once


def rationals(values: Sequence[float], kind: int = RATIONAL) -> tuple[int, int, tuple[int, ...]]:
    """Type, count and value of a tag of fractions."""
    fractions = [Fraction(float(value)).limit_denominator(LARGEST_DENOMINATOR) for value in values]
    parts = tuple(part for one in fractions for part in (one.numerator, one.denominator))
    return kind, len(fractions), parts


def colour_tags(
    neutral: Sequence[float], color_matrices: Sequence[np.ndarray], illuminants: Sequence[int]
) -> list[Tag]:
    """AsShotNeutral (3,), ColorMatrix1, 2, ... (3, 3) and the EXIF LightSource of each."""
    tags: list[Tag] = [(50728, *rationals(neutral), True)]
    for number, (matrix, light) in enumerate(zip(color_matrices, illuminants, strict=True)):
        tags += [(50721 + number, *rationals(np.ravel(matrix), SRATIONAL), True)]
        tags += [(50778 + number, SHORT, 1, light, True)]
    return tags


def file_tags(camera: str, black: float, white: int, version: tuple[int, int]) -> list[Tag]:
    """The version of the file and the oldest that can read it, the camera's name, and levels."""
    return [
        (50706, BYTE, 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50707, BYTE, 4, bytes((*version, 0, 0)), True),  # DNGBackwardVersion
        (50708, ASCII, 0, camera, True),  # UniqueCameraModel
        (50714, *rationals([black]), True),
        (50717, LONG, 1, white, True),
    ]


def pattern_tags(cells: Sequence[tuple[int, int]]) -> list[Tag]:
    """The pattern of a mosaic, by the places of R, G, G, B in a cell (util.imaging.bayer.PLANES)."""
    colours = dict(zip(cells, (0, 1, 1, 2), strict=True))
    listed = bytes(colours[row, column] for row in (0, 1) for column in (0, 1))
    return [
        (33421, SHORT, 2, (2, 2), True),
        (33422, BYTE, 4, listed, True),
    ]  # CFARepeatPatternDim, CFAPattern
