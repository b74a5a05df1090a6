"""Picture files: PNG, JPEG and TIFF. Arrays are RGB (H, W, 3). Radiance has util.imaging.radiance."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import tifffile

from util.errors import UserError
from util.files import write_atomically

TIFF_DAMAGE = (  # what tifffile raises where tags or data are damaged
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError),
    *(struct.error, zlib.error, tifffile.TiffFileError),  # the last is an error of its own before 2024
)


def write_png16(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint16 RGB (H, W, 3) as a 16-bit PNG; UserError where the file cannot be written."""
    _write_png(path, rgb, np.uint16)


def write_png8(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint8 RGB (H, W, 3) as an 8-bit PNG; UserError where the file cannot be written."""
    _write_png(path, rgb, np.uint8)


def _write_png(path: str | Path, rgb: np.ndarray, dtype: type) -> None:
    if rgb.dtype != dtype:
        raise TypeError(f"{path}: the picture must be {np.dtype(dtype)}, not {rgb.dtype}")
    if Path(path).suffix.lower() != ".png":
        raise UserError(f"{path}: the name of a PNG file must end in .png")
    _, encoded = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    with write_atomically(path) as temporary:
        encoded.tofile(temporary)


def write_tiff16(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint16 RGB (H, W, 3) as an uncompressed TIFF; UserError where the file cannot be written."""
    if rgb.dtype != np.uint16:
        raise TypeError(f"{path}: the picture must be uint16, not {rgb.dtype}")
    with write_atomically(path) as temporary:
        tifffile.imwrite(temporary, rgb, photometric="rgb", metadata=None, software=False)


def read_picture(path: str | Path, upright: bool = False) -> np.ndarray:
    """RGB (H, W, 3) of a PNG, JPEG or TIFF file in its own type, uint8 or uint16.

    Grey becomes RGB, opacity is dropped. With `upright` it is turned as its EXIF orientation says.

    Raises:
        UserError: the file is missing or damaged, or of another type; or a TIFF of 16 bits whose channels
            are stored one after another, of which OpenCV would give the first.
    """
    try:
        encoded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        picture = cv2.imdecode(encoded, flags) if encoded.size else None
    except cv2.error as error:  # more px than OpenCV reads
        raise UserError(f"{path} is damaged, or too large for OpenCV") from error
    if picture is None:
        raise UserError(f"{path} is damaged or is not a picture")
    if picture.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{path}: pictures have 8 or 16 bits, not {picture.dtype}")
    if picture.dtype == np.uint16 and _has_separate_planes(path):
        raise UserError(f"{path}: its planes of 16 bits are stored apart, save it with interleaved channels")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _has_separate_planes(path: str | Path) -> bool:
    """Whether a picture that OpenCV can read is a TIFF whose channels are stored one after another."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            return page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    except TIFF_DAMAGE:  # another kind of file
        return False


def read_tiff(path: str | Path) -> np.ndarray:
    """RGB (H, W, 3) of the first picture of a TIFF file, as stored: uint8, uint16 or float32.

    Grey becomes RGB, opacity is dropped, planes that are stored one after another are interleaved.
    Those that tifffile cannot decompress alone are read by OpenCV, where that gives what is stored.

    Raises:
        UserError: the file is missing or damaged, or holds another kind of picture.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if _needs_opencv(path, page):
                return read_picture(path)
            pixels, axes = page.asarray(), page.axes
            if pixels.ndim != len(axes):
                raise ValueError("it holds no pixels")
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    except TIFF_DAMAGE as error:
        raise UserError(f"{path} is damaged or is not a TIFF picture: {error}") from error
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise UserError(f"{path}: a picture of uint8, uint16 or float32 is needed, it holds {pixels.dtype}")
    if axes == "YX":
        return np.repeat(pixels[..., None], 3, axis=2)
    pixels = np.moveaxis(pixels, axes.find("S"), -1) if sorted(axes) == ["S", "X", "Y"] else pixels
    if pixels.ndim != 3 or pixels.shape[-1] < 3:
        raise UserError(f"{path}: an RGB picture is needed, it holds axes {axes} of {pixels.shape}")
    return np.ascontiguousarray(pixels[..., :3])


def _needs_opencv(path: str | Path, page: tifffile.TiffPage) -> bool:
    """Whether tifffile lacks what decompresses a TIFF, and OpenCV can read it exactly as it is stored.

    Raises:
        UserError: it holds neither RGB nor grey, or its compression needs a further package.
    """
    if page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK):
        kind = getattr(page.photometric, "name", page.photometric)
        raise UserError(f"{path}: RGB, or grey where 0 is black, is needed, it holds {kind}: convert it")
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
    except KeyError as error:
        if page.compression == tifffile.COMPRESSION.LZW and _is_plain(page):
            return True
        kind = getattr(page.compression, "name", page.compression)
        raise UserError(f"{path} is compressed by {kind}: pip install imagecodecs") from error
    return False


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether a TIFF holds whole bytes of grey or RGB alone, not turned: what OpenCV gives unchanged."""
    is_upright = page.tags.valueof("Orientation", 1) == 1
    is_whole = (page.dtype, page.bitspersample) in ((np.uint8, 8), (np.uint16, 16))
    return is_upright and is_whole and page.samplesperpixel in (1, 3)
