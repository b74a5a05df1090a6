"""Writes light as DNG files of floats, which raw developers go on with.

Adobe's Digital Negative Specification 1.6, "Floating Point Image Data".
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from util.files import WholeFile
from util.imaging.bayer import PLANES, unpack
from util.imaging.camera_colour import XYZ_TO_SRGB
from util.imaging.dng_tags import (
    COLOUR_FILTER_ARRAY,
    DAYLIGHT,
    LINEAR_RAW,
    SHORT,
    SRATIONAL,
    Tag,
    colour_tags,
    file_tags,
    pattern_tags,
    rationals,
)

CAMERA = "Bracketeer"
DARK = 0.01  # share of the values above 0 that may be smaller than what float16 keeps with all its digits
SMALLEST = 2.0**-14  # such a value


def write_linear_dng(path: Path, rgb: np.ndarray) -> None:
    """Write finite linear sRGB (H, W, 3) as a DNG of linear RGB floats; values below 0 become 0.

    The white level is the power of two at or above the largest value, and BaselineExposure tells it, so that
    the scale is not lost. float16 where it keeps the darkest values, else float32.

    Raises:
        OSError: the file cannot be written.
    """
    colours = colour_tags((1.0, 1.0, 1.0), [XYZ_TO_SRGB], [DAYLIGHT])
    _write(path, rgb, LINEAR_RAW, colours)


def write_mosaic_dng(path: Path, planes: np.ndarray, meta: Mapping[str, Any]) -> None:
    """As `write_linear_dng`, packed planes (4, h, w) of a camera as the mosaic of `meta["cfa"]`.

    Its colours are those of `meta`: `white_balance` as AsShotNeutral, and a ColorMatrix for light of D65 by
    which a developer comes to `cam2rgb`; and `orientation`, where it is there.
    """
    gains, to_srgb = (np.asarray(meta[name], np.float64) for name in ("white_balance", "cam2rgb"))
    matrix = np.diag(1 / gains) @ np.linalg.inv(to_srgb) @ XYZ_TO_SRGB
    tags = [
        *pattern_tags(PLANES[meta["cfa"]]),
        *colour_tags(1 / gains, [matrix], [DAYLIGHT]),
        (274, SHORT, 1, int(meta.get("orientation", 1)), True),
    ]
    _write(path, unpack(planes, meta["cfa"]), COLOUR_FILTER_ARRAY, tags)


def _write(path: Path, values: np.ndarray, photometric: int, tags: Sequence[Tag]) -> None:
    values = np.maximum(values, np.float32(0))
    stops = math.frexp(float(values.max()))[1]
    values = np.ldexp(values, -stops)
    baseline = (50730, *rationals([stops], SRATIONAL), True)
    with WholeFile(path) as file:
        tifffile.imwrite(
            file,
            values.astype(_kind(values)),
            photometric=photometric,
            metadata=None,
            software=False,
            extratags=[*file_tags(CAMERA, 0, 1, (1, 4)), baseline, *tags],
        )


def _kind(values: np.ndarray) -> type:
    """The type that keeps values of 0 to 1."""
    above = values > 0
    dark = np.count_nonzero(above & (values < SMALLEST))
    return np.float16 if dark <= DARK * np.count_nonzero(above) else np.float32
