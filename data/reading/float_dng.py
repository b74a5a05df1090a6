"""DNG files of floats, as HDRMerge and this project write them: finished HDR images, read as light.

Tags: Adobe's Digital Negative Specification 1.6.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.reading.dng_pixels import COLOUR_FILTER_ARRAY, read_pixels
from data.reading.exif import numbers, read_tags
from data.reading.raw import OPCODE_LISTS, naming
from data.reading.raw_colour import colour_tags
from util.errors import UserError
from util.imaging.bayer import PLANES, pack
from util.imaging.camera_colour import colour_meta
from util.imaging.demosaic import menon
from util.imaging.lens_shading import gain_maps, plane_gains
from util.imaging.rendering import linear_srgb

UNKNOWN_CAMERA = (1.0, 1.0, 1.0), np.zeros((4, 3))  # white balance and matrix, where no tag tells


def read_float_dng(path: Path) -> np.ndarray:
    """Linear sRGB float32 (H, W, 3), upright and without values below 0; a mosaic is demosaiced (Menon).

    The white level times two to the power of BaselineExposure is that number: what `write_dng_light` wrote
    comes back on its own scale.

    Raises:
        UserError: it is damaged or of whole numbers, needs a package that is not here, or holds neither RGB
            nor a Bayer mosaic.
    """
    pixels, tags = read_pixels(path), read_tags(path)
    with naming(path):
        if pixels.dtype.kind != "f":
            raise UserError("light is read from a DNG of floats; this one holds whole numbers")
        pixels = _scaled(_visible(pixels, tags), tags)
        if not np.isfinite(pixels).all():
            raise UserError("it holds values that are not finite: repair or remove it")
        orientation = int(numbers(tags, "Orientation")[0]) if "Orientation" in tags else 1
        meta: dict[str, Any] = {"orientation": orientation, **colour_meta(colour_tags(tags, *UNKNOWN_CAMERA))}
        if tags.get("PhotometricInterpretation") != COLOUR_FILTER_ARRAY:
            return linear_srgb(pixels.transpose(2, 0, 1), meta, menon, white=1.0, clip=False)
        meta["cfa"] = cfa = _pattern(tags)
        maps = [one for name in OPCODE_LISTS if name in tags for one in gain_maps(tags[name])]
        if maps:
            meta["shading"] = plane_gains(maps, pixels.shape[:2], cfa, (0, 0))
        height, width = (side // 2 * 2 for side in pixels.shape[:2])
        planes = pack(pixels[:height, :width, 0], cfa)
        return linear_srgb(planes, meta, menon, white=1.0, clip=False)


def _visible(pixels: np.ndarray, tags: Mapping[str, Any]) -> np.ndarray:
    """The active area as float32 (H, W, 1 or 3)."""
    if pixels.size == 0 or pixels.ndim not in (2, 3):
        raise UserError(f"it is damaged: its image is of shape {pixels.shape}")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] not in (1, 3):
        raise UserError(f"it holds {pixels.shape[2]} colours, not three or a mosaic")
    if "ActiveArea" in tags:
        top, left, bottom, right = (int(side) for side in numbers(tags, "ActiveArea", 4))
        pixels = pixels[top:bottom, left:right]
    if min(pixels.shape) == 0:
        raise UserError("tag ActiveArea is damaged: it leaves nothing")
    return pixels.astype(np.float32)


def _scaled(pixels: np.ndarray, tags: Mapping[str, Any]) -> np.ndarray:
    """From levels to light: black 0, white two to the power of BaselineExposure."""
    white = float(numbers(tags, "WhiteLevel")[0]) if "WhiteLevel" in tags else 1.0
    stops = float(numbers(tags, "BaselineExposure")[0]) if "BaselineExposure" in tags else 0.0
    levels = numbers(tags, "BlackLevel") if "BlackLevel" in tags else np.zeros(1)
    name = "BlackLevelRepeatDim"
    rows, columns = (int(side) for side in (numbers(tags, name, 2) if name in tags else (1, 1)))
    if rows < 1 or columns < 1 or len(levels) % (rows * columns) or not levels.max() < white:
        raise UserError(f"tags BlackLevel and WhiteLevel do not fit: {levels.tolist()} and {white:g}")
    pattern = levels.reshape(rows, columns, -1)
    times = (-(-pixels.shape[0] // rows), -(-pixels.shape[1] // columns), 1)
    black = np.tile(pattern, times)[: pixels.shape[0], : pixels.shape[1]] if levels.any() else np.zeros(1)
    with np.errstate(all="ignore"):
        return ((pixels - black) / (white - black) * np.exp2(stops)).astype(np.float32)


def _pattern(tags: Mapping[str, Any]) -> str:
    """The Bayer pattern, such as "RGGB", by the tags of a mosaic."""
    size = tuple(np.ravel(tags.get("CFARepeatPatternDim", ())))
    colours = bytes(tags.get("CFAPattern", b""))
    letters = "".join("RGB"[colour] if colour < 3 else "?" for colour in colours)
    if size != (2, 2) or letters not in PLANES:
        kind = "X-Trans (6x6 cells)" if size == (6, 6) else "of another kind"
        raise UserError(f"its mosaic is {kind}; only Bayer mosaics are read: develop it to EXR")
    return letters
