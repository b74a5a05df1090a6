"""Opening raw files with LibRaw, so that each of its errors names the file."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
import tifffile

from data.reading.dng_pixels import FLOATING, JPEG_XL, is_float, is_jpeg_xl, uncompressed
from util.errors import UserError
from util.files import regular
from util.imaging.tiff_pictures import TIFF_DAMAGE
from util.library_lines import lines_of_libraries

TIFF_STARTS = (b"II", b"MM")  # most raw formats are TIFF files as well
FINISHED = "is a DNG of floats, a finished HDR image and no frame: data.simulate --source takes it as light"
GOPRO, VC5 = ".gpr", 9  # suffix, and Compression of a DNG
LEAST_BITS = 0.1  # of a px of camera noise, however it is compressed


@contextlib.contextmanager
def open_raw(path: Path) -> Iterator[rawpy.RawPy]:
    """A raw file whose header is read; errors of LibRaw in the block are a UserError."""
    if not regular(path).is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix.lower() == ".raw":
        with path.open("rb") as file:
            if file.read(2) not in TIFF_STARTS:  # LibRaw would guess by the size
                raise UserError(f"{path} has no header that tells its size, levels and colour pattern")
    with _named_errors(path), rawpy.RawPy() as raw:
        with lines_of_libraries(path):
            _open(path, raw)
        _check_claim(path, raw)
        yield raw


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Errors of LibRaw in the block are a UserError."""
    try:
        yield
    except rawpy.LibRawFileUnsupportedError:
        if path.suffix.lower() == GOPRO or VC5 in _compressions(path):
            raise UserError(f"{path} is a GoPro raw (GPR), which is not read; convert it to DNG") from None
        raise UserError(f"{path} is not a raw file of a kind that LibRaw reads") from None
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        reason = error.args[0] if error.args else "no reason given"
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise UserError(f"{path} is damaged or cut short (LibRaw: {reason})") from None
    except UnicodeEncodeError:
        raise UserError(f"{path}: LibRaw opens names in UTF-8 only, rename it or its folder") from None


def unpack(path: Path, raw: rawpy.RawPy, tags: Mapping[str, Any]) -> None:
    """Decode the px of an open file, of which `tags` tell.

    Raises:
        UserError: it is a DNG of floats; one by JPEG XL, for which a package is not here.
    """
    if FLOATING in np.ravel(tags.get("SampleFormat", 1)):  # of which LibRaw would make 14 bits
        raise UserError(f"{path} {FINISHED}")
    if tags.get("Compression") == JPEG_XL:
        raw.open_buffer(uncompressed(path))
    with lines_of_libraries(path):
        raw.unpack()


def _open(path: Path, raw: rawpy.RawPy) -> None:
    try:
        raw.open_file(str(path))
    except rawpy.LibRawFileUnsupportedError:
        if is_float(path):
            raise UserError(f"{path} {FINISHED}") from None
        if not is_jpeg_xl(path):
            raise
        raw.open_buffer(uncompressed(path))


def _check_claim(path: Path, raw: rawpy.RawPy) -> None:
    """Raise a UserError if a file is far too small for the px that its header claims."""
    size, (height, width) = path.stat().st_size, (raw.sizes.raw_height, raw.sizes.raw_width)
    if 8 * size < LEAST_BITS * height * width:
        claimed = f"{size} bytes are no image of {width} x {height} px, as its header claims"
        raise UserError(f"{path} is damaged or cut short: {claimed}")


def _compressions(path: Path) -> set[int]:
    """Values of the tag Compression of a TIFF file's images; none of a file that is no such file."""
    try:
        with tifffile.TiffFile(path) as file:
            images = [page for first in file.pages for page in (first, *(first.pages or []))]
            return {int(image.tags.valueof("Compression", 0)) for image in images}
    except TIFF_DAMAGE:
        return set()
