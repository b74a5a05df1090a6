"""The Bayer pattern of a raw file, or the name of what it has in place of one."""

from pathlib import Path

import numpy as np
import rawpy

from util.errors import UserError
from util.imaging.bayer import PLANES

FOVEON = ".x3f"


def bayer_pattern(path: Path, raw: rawpy.RawPy) -> str:
    """The pattern of the visible part, such as "RGGB".

    Raises:
        UserError: it is no Bayer mosaic, but what the message names.
    """
    pattern = raw.raw_pattern
    if raw.raw_type == rawpy.RawType.Flat and pattern is not None and raw.num_colors == 3:
        letters = "".join(chr(raw.color_desc[index]) for index in pattern.ravel())
        if letters in PLANES:
            return letters
    raise UserError(
        f"{path} has no Bayer mosaic (2x2 cells of R, G, G, B): {_what_it_is(path, raw, pattern)}"
    )


def _what_it_is(path: Path, raw: rawpy.RawPy, pattern: np.ndarray | None) -> str:
    size = (0, 0) if pattern is None else pattern.shape
    kinds = {
        "a Foveon sensor's three layers are not read; convert it to TIFF": path.suffix.lower() == FOVEON,
        "it holds RGB (linear DNG, read as brackets only; reduced raw; a scan)": raw.raw_type
        == rawpy.RawType.Stack,
        "it is monochrome": raw.num_colors == 1,
        "it is X-Trans (6x6 cells), which is not read; convert it to TIFF": size == (6, 6),
        f"it has four colours ({raw.color_desc.decode(errors='replace')})": raw.num_colors == 4,
    }
    other = f"its cells of {size[0]}x{size[1]} are of another kind (quad Bayer, rotated sensor)"
    return next((kind for kind, is_this in kinds.items() if is_this), other)
