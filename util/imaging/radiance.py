"""Files of linear light: OpenEXR, Radiance HDR, TIFF. Arrays are RGB float32 (H, W, 3)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from util.errors import UserError
from util.files import write_atomically
from util.imaging.radiance_dng import write_linear_dng
from util.imaging.radiance_exr import read_exr, write_exr
from util.imaging.radiance_hdr import read_hdr, write_hdr
from util.imaging.tiff_pictures import read_linear_tiff


def read_radiance(path: str | Path, as_stored: bool = False) -> np.ndarray:
    """Linear sRGB float32 (H, W, 3) of an `.exr`, `.hdr` or `.tif` file, found by its suffix.

    EXR, HDR and float TIFF in their own units; a 16-bit TIFF is taken as linear, 65535 -> 1, unless its
    profile says otherwise. With `as_stored` colours are not converted to sRGB from the chromaticities of an
    EXR file, or from the profile of a TIFF.

    Raises:
        UserError: another suffix; the file is missing or damaged; a TIFF has 8 bits.
    """
    readers: dict[str, Callable] = {
        ".exr": partial(read_exr, as_stored=as_stored),
        ".hdr": read_hdr,
        **dict.fromkeys((".tif", ".tiff"), partial(read_linear_tiff, as_stored=as_stored)),
    }
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        known = ", ".join(readers)
        raise UserError(f"{path}: linear light is read from {known}, not {suffix or 'a file without suffix'}")
    return readers[suffix](path)


def write_radiance(path: str | Path, rgb: np.ndarray) -> None:
    """Write linear sRGB float32 (H, W, 3) by suffix.

    `.exr` keeps every bit. `.hdr` errs by up to 0.4 % of a pixel's largest channel, and `.dng`, for raw
    developers, by up to 0.05 % where it takes float16; both make negatives 0.

    Raises:
        UserError: another suffix, a file that cannot be written, or values that are not finite, which only
            `.exr` has.
    """
    writers: dict[str, Callable] = {".exr": write_exr, ".hdr": write_hdr, ".dng": write_linear_dng}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        known = ".exr, .hdr or .dng"
        raise UserError(f"{path}: radiance is written as {known}, not as {suffix or 'a file without suffix'}")
    if suffix != ".exr" and not np.isfinite(rgb).all():
        raise UserError(f"{path}: the picture holds values that are not finite, which only .exr can store")
    with write_atomically(path) as temporary:
        writers[suffix](temporary, rgb)
