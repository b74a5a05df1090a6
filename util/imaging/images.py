"""Picture files: PNG, JPEG and TIFF. Arrays are RGB (H, W, 3). Radiance has util.imaging.radiance."""

import io
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageOps

from util.errors import UserError
from util.files import WholeFile, regular, write_atomically
from util.imaging.picture_colours import JPEG, PNG, Picture, by_engine, claimed_size, named_space, profiled
from util.imaging.tiff_pictures import STARTS, read_coded_tiff
from util.library_lines import lines_of_libraries

AFTER_HEADER = 33  # bytes of a PNG's signature and IHDR
MOST_PER_BYTE = 16384  # px that a byte of a file can stand for: twice as many as of one bit and one value
SRGB_CHUNK = b"\0\0\0\1sRGB\0\xae\xce\x1c\xe9"  # PNG, third edition, 11.3.2.5: perceptual


def write_png16(path: str | Path, rgb: np.ndarray, is_srgb: bool = True) -> None:
    """Write uint16 RGB (H, W, 3) as a 16-bit PNG, which says that it is sRGB, or does not say.

    Raises:
        UserError: the file cannot be written.
    """
    _write_png(path, rgb, np.uint16, is_srgb)


def write_png8(path: str | Path, rgb: np.ndarray, is_srgb: bool = True) -> None:
    """Write uint8 RGB (H, W, 3) as an 8-bit PNG; as `write_png16`."""
    _write_png(path, rgb, np.uint8, is_srgb)


def _write_png(path: str | Path, rgb: np.ndarray, dtype: type, is_srgb: bool) -> None:
    if rgb.dtype != dtype:
        raise TypeError(f"{path}: the picture must be {np.dtype(dtype)}, not {rgb.dtype}")
    if Path(path).suffix.lower() != ".png":
        raise UserError(f"{path}: the name of a PNG file must end in .png")
    _, encoded = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    content = encoded.tobytes()
    if is_srgb:
        content = content[:AFTER_HEADER] + SRGB_CHUNK + content[AFTER_HEADER:]
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)


def write_tiff16(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint16 RGB (H, W, 3) as an uncompressed TIFF; UserError where the file cannot be written."""
    if rgb.dtype != np.uint16:
        raise TypeError(f"{path}: the picture must be uint16, not {rgb.dtype}")
    with write_atomically(path) as temporary, WholeFile(temporary) as file:
        tifffile.imwrite(file, rgb, photometric="rgb", metadata=None, software=False)


def read_picture(path: str | Path, upright: bool = False) -> np.ndarray:
    """sRGB (H, W, 3) of a PNG, JPEG or TIFF file, uint8 or uint16, cut to the gamut of sRGB.

    Grey becomes RGB, opacity is dropped. With `upright` it is turned as its EXIF orientation says.

    Raises:
        UserError: as `read_coded`.
    """
    picture = read_coded(path, upright)
    return picture.space.to_srgb(picture.codes)


def read_coded(path: str | Path, upright: bool = False, number: int | None = None) -> Picture:
    """A PNG, JPEG or TIFF file as it is coded, uint8 or uint16, and its colour space.

    Args:
        upright: turn it as its EXIF orientation says. number: which of several pictures in a TIFF file.

    Raises:
        UserError: the file is missing or damaged, or holds another kind of picture, or several; or its
            colour space cannot be read.
    """
    try:
        with regular(path).open("rb") as file:
            start = file.read(12)
            content = b"" if start.startswith(STARTS) else start + file.read()
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    if not content and start:
        return read_coded_tiff(path, upright, number)
    if content[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        raise UserError(f"{path}: is an AVIF or HEIC picture: save it as PNG or TIFF of 16 bits")
    if not content.startswith((PNG, JPEG)):
        raise UserError(f"{path} is damaged or is not a picture of PNG, JPEG or TIFF")
    space, profile = named_space(path, content)
    if profile[16:20] == b"CMYK":
        return Picture(_read_cmyk(path, content, profile, upright))
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    picture = decoded(path, content, flags)
    return profiled(path, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), (space, profile))


def decoded(path: str | Path, content: bytes, flags: int) -> np.ndarray:
    """The px of a PNG or JPEG file as OpenCV gives them with `flags`, in its order of colours.

    Raises:
        UserError: it is damaged, another kind of file, or far too small for the px that its header claims.
    """
    if not content.startswith((PNG, JPEG)):
        raise UserError(f"{path} is damaged or is not a picture")
    height, width = claimed_size(path, content)
    if height * width > MOST_PER_BYTE * len(content):
        claimed = f"{len(content)} bytes are no picture of {width} x {height} px, as its header claims"
        raise UserError(f"{path} is damaged or cut short: {claimed}")
    with lines_of_libraries(path):
        try:
            picture = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        except cv2.error as error:  # more px than OpenCV reads
            raise UserError(f"{path} is damaged, or too large for OpenCV") from error
        if picture is None:
            raise UserError(f"{path} is damaged or is not a picture")
    return picture


def _read_cmyk(path: str | Path, content: bytes, profile: bytes, upright: bool) -> np.ndarray:
    """sRGB uint8 (H, W, 3) of a JPEG of printing colours, by its profile."""
    try:
        picture = Image.open(io.BytesIO(content))
        picture = ImageOps.exif_transpose(picture) if upright else picture
        picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is damaged or is not a picture") from error
    return by_engine(path, picture, profile)
