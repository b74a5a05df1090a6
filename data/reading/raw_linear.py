"""Linear DNG: camera RGB, demosaiced before it was stored, as phones (ProRAW) and converters write it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rawpy

from data.reading.exif import LINEAR_RAW, camera_name, numbers, read_tags
from data.reading.raw import OPCODE_LISTS, ORIENTATIONS, SLOPES, RawImage, naming
from data.reading.raw_colour import colour_tags
from data.reading.raw_file import open_raw, unpack
from data.reading.raw_integrity import check_content, check_segments
from util.errors import UserError
from util.imaging.lens_shading import gain_maps


def is_linear(tags: Mapping[str, Any]) -> bool:
    """Whether the tags of a file say that it is a linear DNG."""
    return "DNGVersion" in tags and tags.get("PhotometricInterpretation") == LINEAR_RAW


def read_linear(path: Path) -> RawImage:
    """The visible part of a linear DNG as planes uint16 (h, w, 3), of levels (3,) and no pattern.

    Raises:
        UserError: missing, damaged, a mosaic, or of values that are not whole numbers of three colours.
    """
    with open_raw(path) as raw:
        tags = read_tags(path)
        if not is_linear(tags):
            raise UserError(f"{path} is no linear DNG, as others beside it are: keep one kind in a folder")
        with naming(path):
            check_segments(path, tags)
        unpack(path, raw, tags)
        if raw.raw_type != rawpy.RawType.Stack:
            raise UserError(f"{path} is a linear DNG, but not of three colours")
        planes = np.ascontiguousarray(raw.raw_image_visible[..., :3])
        with naming(path):
            black, white = _levels(tags)
            check_content(planes, black, white)
            if any(gain_maps(tags[name]) for name in OPCODE_LISTS if name in tags):
                print(f"note: {path}: gain maps of a linear DNG are not applied", file=sys.stderr)
            return RawImage(
                planes=planes,
                black=black,
                white=white,
                cfa="",
                camera=camera_name(tags),
                colour=colour_tags(tags, raw.camera_whitebalance, raw.rgb_xyz_matrix),
                orientation=ORIENTATIONS.get(raw.sizes.flip, 1),
                shading=None,
            )


def _levels(tags: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Black and white level of each colour (3,) float32, by BlackLevel and WhiteLevel of the tags."""
    bits = 16 if "LinearizationTable" in tags else int(numbers(tags, "BitsPerSample")[0])
    black = _of_colours(tags, "BlackLevel", 0)
    black += sum(numbers(tags, name).mean() for name in SLOPES if name in tags)
    white = _of_colours(tags, "WhiteLevel", 2**bits - 1)
    if not (black < white).all():
        raise UserError(f"the white level {white.min():g} is not above the black level {black.max():g}")
    return np.float32(black), np.float32(white)


def _of_colours(tags: Mapping[str, Any], name: str, otherwise: float) -> np.ndarray:
    """A level for each colour (3,) from a tag with one for all, or one for each, or a pattern of such."""
    levels = numbers(tags, name) if name in tags else np.array([otherwise], np.float64)
    if len(levels) != 1 and len(levels) % 3:
        raise UserError(f"tag {name} is damaged: {len(levels)} levels for 3 colours")
    return np.resize(levels, (max(len(levels) // 3, 1), 3)).mean(axis=0)
