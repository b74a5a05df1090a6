"""The image of a DNG as it is stored, by tifffile: floats, and the compressions that LibRaw lacks.

Tags: Adobe's Digital Negative Specification 1.7.1.
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile

from util.errors import UserError
from util.files import regular
from util.imaging.tiff_pictures import TIFF_DAMAGE

COLOUR_FILTER_ARRAY, LINEAR_RAW = 32803, 34892  # PhotometricInterpretation of a mosaic, of camera RGB
JPEG_XL = 52546  # Compression
FLOATING = 3  # SampleFormat
ROW_INTERLEAVE, COLUMN_INTERLEAVE = 50975, 52547  # tags RowInterleaveFactor, ColumnInterleaveFactor
# Tags that say where the px lie and how, by strips or by tiles.
STRIPS = {"width": "", "height": "RowsPerStrip", "offsets": "StripOffsets", "counts": "StripByteCounts"}
TILES = {"width": "TileWidth", "height": "TileLength", "offsets": "TileOffsets", "counts": "TileByteCounts"}


def is_float(path: Path) -> bool:
    """Whether a file is a DNG whose image is of floats: a finished HDR image, as HDRMerge writes it."""
    with _image(path) as page:
        return page is not None and FLOATING in np.ravel(page.tags.valueof("SampleFormat", 1))


def is_jpeg_xl(path: Path) -> bool:
    """Whether a file is a DNG whose image is compressed by JPEG XL."""
    with _image(path) as page:
        return page is not None and page.compression == JPEG_XL


def read_pixels(path: Path) -> np.ndarray:
    """The image of a DNG as stored, (H, W) of a mosaic or (H, W, 3): with borders, before any table.

    Raises:
        UserError: it is damaged, or its compression needs a package that is not here.
    """
    with _image(path) as page:
        if page is None:
            raise UserError(f"{path} is damaged or is not a DNG")
        return _pixels(path, page)


def uncompressed(path: Path) -> BinaryIO:
    """A DNG of another compression as one without, in memory; all that it tells stays.

    Raises:
        UserError: as of `read_pixels`.
    """
    pixels = read_pixels(path)
    content = io.BytesIO(path.read_bytes())
    with tifffile.TiffFile(content) as file:
        page = _image_of(file)
        place = content.seek(0, io.SEEK_END)
        content.write(pixels.astype(pixels.dtype.newbyteorder(file.byteorder)).tobytes())
        names = TILES if "TileOffsets" in page.tags else STRIPS
        values = {
            "BitsPerSample": (8 * pixels.itemsize,) * (1 if pixels.ndim == 2 else pixels.shape[2]),
            **{"Compression": 1, names["height"]: pixels.shape[0], names["width"]: pixels.shape[1]},
            **{names["offsets"]: place, names["counts"]: pixels.nbytes},
            **dict.fromkeys((ROW_INTERLEAVE, COLUMN_INTERLEAVE), 1),
        }
        for name, value in values.items():
            if name in page.tags:
                page.tags[name].overwrite(value)
    content.seek(0)
    return content


@contextlib.contextmanager
def _image(path: Path) -> Iterator[tifffile.TiffPage | None]:
    """The image of a DNG; None of another file, or where its tags are damaged."""
    try:
        file = tifffile.TiffFile(regular(path))
    except (OSError, *TIFF_DAMAGE):
        yield None
        return
    with file:
        try:
            page = _image_of(file)
        except (OSError, *TIFF_DAMAGE):
            page = None
        yield page


def _image_of(file: tifffile.TiffFile) -> tifffile.TiffPage | None:
    """The largest image of sensor data, among all in a file and their children."""
    first = file.pages[0]
    if "DNGVersion" not in first.tags:
        return None
    images = [image for page in file.pages for image in (page, *(page.pages or ()))]
    kinds = (COLOUR_FILTER_ARRAY, LINEAR_RAW)
    sensed = [image for image in images if image.tags.valueof("PhotometricInterpretation") in kinds]
    return max(sensed, key=lambda image: image.imagewidth * image.imagelength, default=None)


def _pixels(path: Path, page: tifffile.TiffPage) -> np.ndarray:
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
        pixels = page.asarray()
    except (KeyError, ImportError) as error:
        raise UserError(f"{path} is compressed by {_name(page)}: pip install imagecodecs") from error
    except (OSError, *TIFF_DAMAGE) as error:
        if "imagecodecs" in str(error):
            raise UserError(f"{path} is compressed by {_name(page)}: pip install imagecodecs") from error
        raise UserError(f"{path} is damaged or cut short: {error}") from error
    for axis, code in ((0, ROW_INTERLEAVE), (1, COLUMN_INTERLEAVE)):
        factor = int(page.tags.valueof(code, 1))
        if factor > 1:
            pixels = _woven(pixels, axis, factor)
    return pixels


def _name(page: tifffile.TiffPage) -> str:
    kind = "JPEG XL" if page.compression == JPEG_XL else getattr(page.compression, "name", page.compression)
    return f"{kind} of floats" if page.compression != JPEG_XL and page.dtype.kind == "f" else kind


def _woven(pixels: np.ndarray, axis: int, factor: int) -> np.ndarray:
    """Lines that were stored as `factor` fields, one after the other, in their places."""
    lines = pixels.shape[axis]
    order = np.concatenate([np.arange(start, lines, factor) for start in range(factor)])
    woven = np.empty_like(pixels)
    woven[(slice(None),) * axis + (order,)] = pixels
    return woven
