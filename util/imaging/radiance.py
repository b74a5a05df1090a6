"""Files of linear light: OpenEXR, Radiance HDR, TIFF. Arrays are RGB float32 (H, W, 3)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from util.errors import UserError
from util.files import write_atomically
from util.imaging.images import read_tiff
from util.imaging.radiance_exr import read_exr, write_exr
from util.imaging.radiance_hdr import read_hdr, write_hdr


def read_radiance(path: str | Path) -> np.ndarray:
    """Linear RGB float32 (H, W, 3) of an `.exr`, `.hdr` or `.tif` file, found by its suffix.

    EXR, HDR and float TIFF in their own units; a 16-bit TIFF is taken as linear, 65535 -> 1.

    Raises:
        UserError: another suffix; the file is missing or damaged; a TIFF has 8 bits.
    """
    readers: dict[str, Callable] = {".exr": read_exr, ".hdr": read_hdr, ".tif": read_tiff, ".tiff": read_tiff}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        known = ", ".join(readers)
        raise UserError(f"{path}: linear light is read from {known}, not {suffix or 'a file without suffix'}")
    picture = readers[suffix](path)
    if picture.dtype == np.uint8:
        raise UserError(f"{path}: 8 bits are too few for linear light; 16 bits or float32 are needed")
    return picture if picture.dtype == np.float32 else picture.astype(np.float32) / 65535


def write_radiance(path: str | Path, rgb: np.ndarray) -> None:
    """Write linear RGB float32 (H, W, 3) by suffix.

    `.exr` keeps every bit; `.hdr` errs by up to 0.4 % of a pixel's largest channel and makes negatives 0.

    Raises:
        UserError: another suffix, a file that cannot be written, or values for `.hdr` that are not finite.
    """
    writers: dict[str, Callable] = {".exr": write_exr, ".hdr": write_hdr}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise UserError(
            f"{path}: radiance is written as .exr or .hdr, not as {suffix or 'a file without suffix'}"
        )
    if suffix == ".hdr" and not np.isfinite(rgb).all():
        raise UserError(f"{path}: the picture holds values that are not finite, which only .exr can store")
    with write_atomically(path) as temporary:
        writers[suffix](temporary, rgb)
