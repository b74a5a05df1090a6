"""The colour space that a picture file names: by an ICC profile, PNG chunks, or tags of TIFF and EXIF."""

import io
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from util.errors import UserError
from util.imaging.colour_profiles import (
    ADOBE_RGB,
    SRGB,
    ColourSpace,
    NoMatrixError,
    gamma_curve,
    of_code_points,
    of_primaries,
    of_profile,
)
from util.imaging.primaries import SRGB as SRGB_CHROMATICITIES

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"  # how files begin
FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers SOF of JPEG
ICC_SEGMENT, EXIF_SEGMENT = b"ICC_PROFILE\0", b"Exif\0\0"
COLOUR_SPACE, INTEROPERABILITY, EXIF = 0xA001, 0xA005, 0x8769  # EXIF 2.32, 4.6.5 and 4.6.7
UNCALIBRATED, ADOBE_BY_SOME = 65535, 2  # values of ColorSpace; 2 is not of the standard, but is written
LARGEST_PROFILE = 1 << 24  # bytes

# Pillow warns of damaged EXIF, which is passed over, without the file's name.
warnings.filterwarnings("ignore", module=r"PIL\.")


class Picture(NamedTuple):
    """A picture as its file codes it.

    Attributes:
        codes: (H, W, 3) uint8 or uint16, white is the largest of the type. space: what they mean.
        tells_white: whether the file says which code is white.
    """

    codes: np.ndarray
    space: ColourSpace = SRGB
    tells_white: bool = False


def named_space(path: str | Path, content: bytes) -> tuple[ColourSpace, bytes]:
    """The colour space of a PNG or JPEG file's content, and a profile that only a colour engine can apply.

    The profile is b"" where the space is all.

    Raises:
        UserError: it is damaged, or of PQ, HLG or another space that is not known.
    """
    try:
        return _png_space(content) if content.startswith(PNG) else _jpeg_space(path, content)
    except ValueError as error:
        raise colour_error(path, str(error)) from error


def colour_error(path: str | Path, problem: str) -> UserError:
    """What to say of a colour space that `problem` keeps from being read."""
    return UserError(f"{path}: its colour space {problem}: convert the picture to sRGB")


def space_of_profile(profile: bytes) -> tuple[ColourSpace, bytes]:
    """The space of a profile and b""; or sRGB and the profile, which a colour engine is to apply.

    Raises:
        ValueError: it is damaged, or of PQ or HLG.
    """
    try:
        return of_profile(profile), b""
    except NoMatrixError:
        return SRGB, profile


def profiled(path: str | Path, codes: np.ndarray, named: tuple[ColourSpace, bytes]) -> Picture:
    """A picture of codes (H, W, 3) and what `named_space` or `space_of_profile` found.

    Raises:
        UserError: a profile that only a colour engine can apply, of 16 bits, or one that does not fit.
    """
    space, profile = named
    if not profile:
        return Picture(codes, space)
    if codes.dtype != np.uint8:
        raise colour_error(path, "is told by tables, which are applied to 8 bits alone")
    return Picture(by_engine(path, Image.fromarray(codes), profile))


def by_engine(path: str | Path, picture: Image.Image, profile: bytes) -> np.ndarray:
    """A picture of 8 bits as uint8 sRGB (H, W, 3), by LittleCMS.

    Raises:
        UserError: the profile does not fit it.
    """
    try:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        return np.array(ImageCms.profileToProfile(picture, source, target, intent, "RGB"))
    except (ImageCms.PyCMSError, OSError) as error:
        raise colour_error(path, "is of a profile that is damaged or does not fit") from error


def claimed_size(path: str | Path, content: bytes) -> tuple[int, int]:
    """Height and width that the header of a PNG or JPEG file tells; (0, 0) where it tells none.

    Raises:
        UserError: a part of a PNG ends beyond the file: OpenCV takes memory for as much as a part claims.
    """
    if content.startswith(PNG):
        place, name = len(PNG), b""
        while place + 8 <= len(content) and name != b"IEND":
            size, name = struct.unpack_from(">I4s", content, place)
            place += 12 + size
        if place > len(content):
            ends = f"a part ends at byte {place} of {len(content)}"
            raise UserError(f"{path} is damaged or cut short: {ends}")
        width, height = struct.unpack(">II", content[16:24].ljust(8, b"\0"))
        return height, width
    sizes = (data[1:5] for marker, data in _jpeg_segments(content) if marker in FRAME_HEADERS)
    return struct.unpack(">HH", next(sizes, b"").ljust(4, b"\0"))


def _png_space(content: bytes) -> tuple[ColourSpace, bytes]:
    """The first of cICP, iCCP, sRGB, and gAMA with cHRM that is there (PNG, third edition, 4.3)."""
    chunks = dict(_png_chunks(content))
    if b"cICP" in chunks:
        colours, transfer, *_ = struct.unpack(">4B", chunks[b"cICP"])
        return of_code_points(colours, transfer), b""
    if b"iCCP" in chunks:
        return space_of_profile(_inflated(chunks[b"iCCP"].partition(b"\0")[2][1:]))
    if b"sRGB" in chunks or not chunks.keys() & {b"gAMA", b"cHRM"}:
        return SRGB, b""
    curve, places = None, SRGB_CHROMATICITIES
    if b"gAMA" in chunks:
        (gamma,) = struct.unpack(">I", chunks[b"gAMA"])
        if not 1000 <= gamma <= 1_000_000:
            raise ValueError(f"has a gamma of {gamma / 100000:g}")
        curve = None if gamma == 45455 else gamma_curve(100000 / gamma)  # 1 / 2.2 is what sRGB is told by
    if b"cHRM" in chunks:
        white, primaries = np.split(np.array(struct.unpack(">8I", chunks[b"cHRM"])) / 100000, [2])
        places = (*primaries, *white)
    return of_primaries("its gAMA and cHRM", places, curve), b""


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and data of the chunks before the pixels."""
    place = len(PNG)
    while place + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        if name == b"IDAT":
            return
        if len(data := content[place + 8 : place + 8 + size]) < size:
            return  # who decodes it, says so
        yield name, data
        place += 12 + size


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, LARGEST_PROFILE)
    except zlib.error as error:
        raise ValueError("is damaged") from error


def _jpeg_space(path: str | Path, content: bytes) -> tuple[ColourSpace, bytes]:
    parts, exif, is_printed = {}, b"", False
    for marker, data in _jpeg_segments(content):
        if marker == 0xE2 and data.startswith(ICC_SEGMENT) and len(data) > 14:
            parts[data[12]] = data[14:]
        elif marker == 0xE1 and data.startswith(EXIF_SEGMENT):
            exif = exif or data
        elif marker in FRAME_HEADERS and data[5:6] == b"\4":
            is_printed = True
    if is_printed and not parts:
        note = "its printing colours, CMYK, are converted without a profile"
        print(f"note: {path}: {note}", file=sys.stderr)
    if parts:
        return space_of_profile(b"".join(parts[number] for number in sorted(parts)))
    return (_exif_space(path, exif) if exif else SRGB), b""


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and data of the segments before the pixels."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker, size = struct.unpack_from(">xBH", content, place)
        if marker == 0xDA:
            return
        yield marker, content[place + 4 : place + 2 + size]
        place += 2 + size


def _exif_space(path: str | Path, data: bytes) -> ColourSpace:
    try:
        exif = Image.Exif()
        exif.load(data)
        tags, interoperability = exif.get_ifd(EXIF), exif.get_ifd(INTEROPERABILITY)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error):  # damaged tags say nothing
        return SRGB
    return space_by_exif(path, tags.get(COLOUR_SPACE), interoperability)


def space_by_exif(path: str | Path, colour_space: Any, interoperability: Mapping[int, Any]) -> ColourSpace:
    """The space of EXIF's ColorSpace; R03 of the interoperability tags is Adobe RGB (DCF 2.0, 3.3.5).

    Prints a line where it is said to be none that is known.
    """
    if str(interoperability.get(1, "")).startswith("R03") or colour_space == ADOBE_BY_SOME:
        return ADOBE_RGB
    if colour_space == UNCALIBRATED:
        text = "does not say in which colour space it is, only that it is not sRGB; taken as sRGB"
        print(f"note: {path}: {text}", file=sys.stderr)
    return SRGB
