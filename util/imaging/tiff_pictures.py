"""Pictures in TIFF files: which page is the picture, and what its samples mean. Arrays are RGB (H, W, 3)."""

import functools
import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC

from util.errors import UserError
from util.files import regular
from util.imaging.colour_profiles import SRGB, ColourSpace, of_primaries
from util.imaging.picture_colours import Picture, colour_error, profiled, space_by_exif, space_of_profile
from util.imaging.primaries import converted
from util.imaging.rendering import ORIENTATIONS, oriented
from util.imaging.tiff_samples import WHITES, Samples, filled, to_rgb
from util.library_lines import lines_of_libraries

PACKED = (10, 12, 14)  # bits of samples that share bytes, which OpenCV moves to the top of 16
TIFF_DAMAGE = (  # what tifffile raises where tags or data are damaged
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError),
    *(struct.error, zlib.error, tifffile.TiffFileError),  # the last is an error of its own before 2024
)
STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of TIFF and BigTIFF
READABLE = (PHOTOMETRIC.RGB, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.PALETTE)
SMALL, MOST_PER_BYTE = 1 << 26, 4096  # bytes of px, and those that a byte of a file can stand for
REDUCED, MASK = 1, 4  # bits of NewSubfileType
WHITE_POINT, PRIMARY_CHROMATICITIES, PROFILE, EXIF = 318, 319, 34675, 34665

# What it logs of damage, Python prints where there is no handler: our error tells of it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def count_pictures(path: Path) -> int:
    """How many pictures a TIFF file holds: its largest pages, which are alike; 1 of another kind of file.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        with regular(path).open("rb") as file:
            if file.read(4) not in STARTS:
                return 1
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    with _opened(path) as file:
        return len(_pictures(file))


@functools.cache
def picture_size(path: Path) -> tuple[int, int]:
    """Height and width that the header of a TIFF file tells; no pixel is read.

    Raises:
        UserError: the file is missing or damaged.
    """
    with _opened(path) as file:
        page = _pictures(file)[0]
        return page.imagelength, page.imagewidth


def read_tiff(path: str | Path, upright: bool = False) -> np.ndarray:
    """RGB (H, W, 3) of the picture in a TIFF file, uint8, uint16 or float32, in whatever colour space.

    That is the largest page, of which no other is as large. White is the largest of the type. Grey and
    palettes become RGB, 0 becomes black; opacity is dropped, what was multiplied by it is divided.

    Raises:
        UserError: the file is missing or damaged, or holds another kind of picture, or several.
    """
    with _opened(path) as file:
        samples = _read(path, file, _only(path, _pictures(file)), upright)
        return samples.rgb if samples.rgb.dtype == np.float32 else filled(samples)


def read_coded_tiff(path: str | Path, upright: bool, number: int | None = None) -> Picture:
    """A picture of whole numbers in a TIFF file, and its colour space; as `read_tiff`.

    Args:
        number: which of several that are alike.

    Raises:
        UserError: as `read_tiff`; or it holds floats, or its colour space cannot be read.
    """
    with _opened(path) as file:
        pages = _pictures(file)
        page = _only(path, pages) if number is None else pages[number]
        samples = _read(path, file, page, upright)
        if samples.rgb.dtype == np.float32:
            advice = "which may be linear light or not: save it with 16 bits"
            raise UserError(f"{path}: pictures have 8 or 16 bits, not float32, {advice}")
        picture = profiled(path, filled(samples), _space(path, page))
        return picture._replace(tells_white=samples.white in WHITES)


def read_linear_tiff(path: str | Path, as_stored: bool = False) -> np.ndarray:
    """Linear sRGB float32 (H, W, 3), upright, of a TIFF file of 16 bits, 65535 -> 1, or of floats.

    Values are taken as linear unless a profile says otherwise; what leaves [0, 1] by its primaries stays.
    With `as_stored` no notice is taken of a profile.

    Raises:
        UserError: as `read_tiff`; or it has 8 bits, or floats that a profile says are coded by a curve.
    """
    with _opened(path) as file:
        page = _only(path, _pictures(file))
        samples = _read(path, file, page, upright=True)
        if samples.rgb.dtype == np.uint8:
            raise UserError(f"{path}: 8 bits are too few for linear light; 16 bits or float32 are needed")
        is_float = samples.rgb.dtype == np.float32
        light = samples.rgb if is_float else filled(samples).astype(np.float32) / 65535
        if as_stored or not page.tags.valueof(PROFILE):
            return light
        space, profile = _space(path, page)
        if profile or not (space.is_linear or not is_float):
            raise colour_error(path, "is not linear, as light is to be")
        return converted(light, space.matrix) if space.is_linear else space.linear(filled(samples))


@contextmanager
def _opened(path: str | Path) -> Iterator[tifffile.TiffFile]:
    """A TIFF file, whose damage, found whenever it is read, becomes a UserError."""
    try:
        with tifffile.TiffFile(regular(path)) as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    except TIFF_DAMAGE as error:
        raise UserError(f"{path} is damaged or is not a TIFF picture: {error}") from error


def _pictures(file: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """The largest pages that are not marked as reduced or as masks, as long as they are alike."""
    pages = list(file.pages)
    pages += [sub for page in pages for sub in (page.pages or ())]
    whole = [page for page in pages if not page.subfiletype & (REDUCED | MASK)] or pages
    largest = max(whole, key=lambda page: page.imagelength * page.imagewidth)
    return [page for page in whole if (page.shape, page.dtype) == (largest.shape, largest.dtype)]


def _only(path: str | Path, pages: list[tifffile.TiffPage]) -> tifffile.TiffPage:
    if len(pages) > 1:
        raise UserError(f"{path} holds {len(pages)} pictures of one size: save each as a file of its own")
    return pages[0]


def _read(path: str | Path, file: tifffile.TiffFile, page: tifffile.TiffPage, upright: bool) -> Samples:
    """The samples of a page as RGB."""
    is_jpeg = page.compression == COMPRESSION.JPEG and page.photometric == PHOTOMETRIC.YCBCR
    if page.photometric not in READABLE and not is_jpeg:
        kind = getattr(page.photometric, "name", page.photometric)
        raise UserError(f"{path}: RGB, grey or a palette is needed, it holds {kind}: convert it to RGB")
    if page.nbytes > max(SMALL, MOST_PER_BYTE * file.filehandle.size):
        raise ValueError(f"{file.filehandle.size} bytes are no picture of {page.shape}, as its header claims")
    stored = _decoded(path, file, page)
    if stored.dtype not in (np.uint8, np.uint16, np.float32):
        kinds = "a picture of uint8, uint16 or float32"
        raise UserError(f"{path}: {kinds} is needed, it holds {stored.dtype}: save it with 16 bits")
    samples = to_rgb(path, page, stored)
    orientation = page.tags.valueof("Orientation", 1)
    if upright and orientation in ORIENTATIONS:
        return samples._replace(rgb=oriented(samples.rgb, orientation))
    return samples._replace(rgb=np.ascontiguousarray(samples.rgb))


def _decoded(path: str | Path, file: tifffile.TiffFile, page: tifffile.TiffPage) -> np.ndarray:
    """Stored samples (H, W, S), by tifffile, or where it lacks what decompresses them by OpenCV.

    Raises:
        UserError: OpenCV would change them.
    """
    numbers = [number for number, other in enumerate(file.pages) if other.offset == page.offset]
    if numbers and page.bitspersample in PACKED and _plain_samples(page):  # tifffile needs imagecodecs
        return _decoded_by_opencv(path, numbers[0]) >> 16 - page.bitspersample
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
    except KeyError as error:
        if numbers and _is_plain(page):
            return _decoded_by_opencv(path, numbers[0])
        kind = getattr(page.compression, "name", page.compression)
        raise UserError(f"{path} is compressed by {kind}: pip install imagecodecs") from error
    pixels, axes = page.asarray(), page.axes
    if pixels.ndim != len(axes):
        raise ValueError("it holds no pixels")
    if axes == "YX":
        return pixels[..., None]
    if sorted(axes) != ["S", "X", "Y"]:
        raise UserError(f"{path}: an RGB picture is needed, it holds axes {axes} of {pixels.shape}")
    return np.moveaxis(pixels, axes.find("S"), -1)


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether a page holds whole bytes of grey or RGB alone, not turned: what OpenCV gives unchanged."""
    is_upright = page.tags.valueof("Orientation", 1) == 1
    is_whole = (page.dtype, page.bitspersample) in ((np.uint8, 8), (np.uint16, 16))
    if page.compression == COMPRESSION.JPEG:
        kinds = (PHOTOMETRIC.RGB, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.YCBCR)
    else:
        kinds = (PHOTOMETRIC.RGB, PHOTOMETRIC.MINISBLACK)
        is_whole &= page.compression == COMPRESSION.LZW
    interleaved = page.samplesperpixel == 1 or page.planarconfig == tifffile.PLANARCONFIG.CONTIG
    return is_upright and is_whole and interleaved and page.photometric in kinds and _plain_samples(page)


def _plain_samples(page: tifffile.TiffPage) -> bool:
    return page.samplesperpixel in (1, 3) and not page.extrasamples


def _decoded_by_opencv(path: str | Path, number: int) -> np.ndarray:
    """Samples (H, W, S) of a page in the chain of a file."""
    encoded = np.fromfile(path, np.uint8)
    with lines_of_libraries(path):
        try:
            is_read, pages = cv2.imdecodemulti(encoded, cv2.IMREAD_UNCHANGED, range=(number, number + 1))
        except cv2.error as error:  # more px than OpenCV reads
            raise UserError(f"{path} is damaged, or too large for OpenCV") from error
        if not is_read or len(pages) != 1:
            raise UserError(f"{path} is damaged or is not a TIFF picture")
    picture = pages[0]
    return picture[..., None] if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _space(path: str | Path, page: tifffile.TiffPage) -> tuple[ColourSpace, bytes]:
    """The colour space that a page names: by a profile, primaries, or EXIF."""
    tags = page.tags
    try:
        if profile := tags.valueof(PROFILE):
            return space_of_profile(bytes(profile))
        if places := tags.valueof(PRIMARY_CHROMATICITIES):
            fractions = (*places, *tags.valueof(WHITE_POINT, (3127, 10000, 3290, 10000)))
            with np.errstate(divide="ignore", invalid="ignore"):
                places = np.divide(fractions[::2], fractions[1::2])
            return of_primaries("its primaries", places), b""
    except ValueError as error:
        raise colour_error(path, str(error)) from error
    exif = tags.valueof(EXIF)
    if not isinstance(exif, dict):
        return SRGB, b""
    interoperability = exif.get("InteroperabilityTag")
    index = interoperability.get("InteroperabilityIndex", "") if isinstance(interoperability, dict) else ""
    return space_by_exif(path, exif.get("ColorSpace"), {1: index}), b""
