"""How and by which camera a picture was taken, from the tags of raw, TIFF, JPEG and PNG files."""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image
from PIL.ExifTags import IFD, TAGS
from PIL.TiffImagePlugin import IFDRational

from data.reading.raw_file import TIFF_STARTS, open_raw
from util.errors import UserError
from util.files import regular
from util.library_lines import lines_of_libraries

FRACTIONS = (5, 10)  # RATIONAL and SRATIONAL, types of a TIFF tag
EXIF_FRACTIONS = ("ExposureTime", "FNumber", "ShutterSpeedValue", "ApertureValue")
COLOUR_FILTER_ARRAY, LINEAR_RAW = 32803, 34892  # PhotometricInterpretation of a mosaic, of camera RGB
# Where px lie: a preview's are not those of the image that is a mosaic.
PLACES = ("StripOffsets", "StripByteCounts", "RowsPerStrip", "TileOffsets", "TileByteCounts")
UNKNOWN_ISO = 65535  # in a tag of 16 bits: look in the longer ones
DAMAGE = (
    *(struct.error, ValueError, KeyError, IndexError, TypeError, OverflowError, OSError, RecursionError),
    *(SyntaxError, MemoryError, Image.DecompressionBombError),  # Pillow's, of PNG files and of sizes in them
)


class Shot(NamedTuple):
    """What decides how bright a frame is; None where its file does not say."""

    time: float | None = None  # s
    iso: float | None = None
    f_number: float | None = None


def read_tags(path: Path) -> dict[str, Any]:
    """Values by name of the tags of a TIFF, JPEG or PNG file; of a file that has none, or damaged ones, {}.

    The tags of the first image, its EXIF tags, and those of the image that is a mosaic, or else camera RGB;
    of two that bear the same name, the later in this list. Fractions are a tuple of floats, NaN for one like
    0/0.
    """
    try:
        with regular(path).open("rb") as file:
            start = file.read(2)
        return _tiff_tags(path) if start in TIFF_STARTS else _other_tags(path)
    except DAMAGE:
        return {}


def _tiff_tags(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as file:
        first = file.pages[0]
        images = [*file.pages, *(first.pages or [])]
        tags = _values(first)
        exif = tags.get("ExifTag", {})
        tags |= exif | {name: _divided(exif[name]) for name in EXIF_FRACTIONS if name in exif}
        kinds = [image.tags.valueof("PhotometricInterpretation") for image in images]
        for kind in (COLOUR_FILTER_ARRAY, LINEAR_RAW):
            if kind in kinds:
                others = {name: value for name, value in tags.items() if name not in PLACES}
                return others | _values(images[kinds.index(kind)])
        return tags


def _values(image: tifffile.TiffPage) -> dict[str, Any]:
    return {
        tag.name: _divided(tag.value) if tag.dtype in FRACTIONS else tag.value for tag in image.tags.values()
    }


def _divided(parts: tuple[int, ...]) -> tuple[float, ...]:
    """Numerators and denominators, one after the other, as fractions."""
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return tuple(top / bottom if bottom else math.nan for top, bottom in pairs)


def _other_tags(path: Path) -> dict[str, Any]:
    with Image.open(path) as image:
        exif = image.getexif()
    tags = dict(exif) | exif.get_ifd(IFD.Exif)
    return {
        TAGS.get(code, str(code)): (float(value),) if isinstance(value, IFDRational) else value
        for code, value in tags.items()
    }


def read_shot(path: Path, is_raw: bool) -> Shot:
    """Exposure time, ISO speed and F-number that a file tells of; as `shot_of_tags`.

    Raises:
        UserError: LibRaw is asked, and cannot open the file.
    """
    return shot_of_tags(path, read_tags(path), is_raw)


def shot_of_tags(path: Path, tags: Mapping[str, Any], is_raw: bool) -> Shot:
    """Exposure time, ISO speed and F-number by the `tags` of a file.

    A tag that is there but void, such as a time of 0/0, counts as not telling. What a raw file has no tag
    for, LibRaw may know from the maker's notes.

    Raises:
        UserError: LibRaw is asked, and cannot open the file.
    """
    found = [_time(tags), _iso(tags), _f_number(tags)]
    if is_raw and None in found:
        silent = [name in tags for name in ("ExposureTime", "ISOSpeedRatings", "FNumber")]
        noted = _libraw_shot(path)
        found = [
            tag or (None if void else note) for tag, void, note in zip(found, silent, noted, strict=True)
        ]
    return Shot(*found)


def _libraw_shot(path: Path) -> Shot:
    with open_raw(path) as raw, lines_of_libraries(path):
        other = raw.other
    return Shot(*(positive(value) for value in (other.shutter_speed, other.iso_speed, other.aperture)))


def camera_name(tags: Mapping[str, Any]) -> str:
    """Maker and model, or what stands for them; "" if the file does not say."""
    names = [str(tags[name]).strip() for name in ("Make", "Model") if tags.get(name)]
    return " ".join(names) or str(tags.get("UniqueCameraModel", "")).strip()


def positive(value: Any) -> float | None:
    """A tag's value, or the first of its values, if it is a number above 0."""
    value = _first(value)
    if isinstance(value, int | float) and math.isfinite(value) and value > 0:
        return float(value)
    return None


def numbers(tags: Mapping[str, Any], name: str, count: int | None = None, void: bool = False) -> np.ndarray:
    """The numbers of a tag that is there (n,) float64; with `void`, some may be NaN.

    Raises:
        UserError: it holds something else, or not `count` of them.
    """
    values = tags[name] if isinstance(tags[name], tuple) else (tags[name],)
    if not values or not all(isinstance(value, int | float) for value in values):
        raise UserError(f"tag {name} is damaged: it does not hold numbers")
    if count not in (None, len(values)):
        raise UserError(f"tag {name} is damaged: {len(values)} numbers, not {count}")
    if not (void or np.isfinite(values).all()):
        raise UserError(f"tag {name} is damaged: it holds fractions like 0/0")
    return np.array(values, np.float64)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value


def _time(tags: Mapping[str, Any]) -> float | None:
    if "ExposureTime" in tags:
        return positive(tags["ExposureTime"])
    return positive(_power_of_two(tags.get("ShutterSpeedValue"), -1))  # APEX


def _f_number(tags: Mapping[str, Any]) -> float | None:
    if "FNumber" in tags:
        return positive(tags["FNumber"])
    return positive(_power_of_two(tags.get("ApertureValue"), 0.5))


def _power_of_two(value: Any, factor: float) -> float:
    value = _first(value)
    sensible = isinstance(value, int | float) and abs(value) < 64
    return math.exp2(factor * value) if sensible else math.nan


def _iso(tags: Mapping[str, Any]) -> float | None:
    values = [
        positive(tags.get(name)) for name in ("ISOSpeedRatings", "ISOSpeed", "RecommendedExposureIndex")
    ]
    return next((value for value in values if value is not None and value != UNKNOWN_ISO), None)
