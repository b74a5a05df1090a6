"""Small DNG files and pictures for tests, and the folder of real ones."""

import struct
from pathlib import Path

import numpy as np
from PIL import Image

from data.simulate.dng import write_dng

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"  # real files, where they are at hand
XYZ_TO_CAMERA = np.array([[0.7, -0.1, -0.1], [-0.3, 1.1, 0.1], [0.0, 0.2, 0.4]])
SHORT, LONG, RATIONAL, SRATIONAL, UNDEFINED = 3, 4, 5, 10, 7
SETTINGS = {
    "black": 64,
    "white": 1023,
    "cfa": "RGGB",
    "neutral": (0.5, 1.0, 0.6),
    "color_matrices": [XYZ_TO_CAMERA],
    "illuminants": [21],
    "exposure_time": 1 / 60,
    "iso": 100,
    "f_number": 2.8,
}


def random_mosaic(seed: int = 0, size: tuple[int, int] = (30, 42)) -> np.ndarray:
    """10-bit values (H, W) uint16."""
    return np.random.default_rng(seed).integers(0, 1024, size, dtype=np.uint16)


def make_dng(path: Path, mosaic: np.ndarray | None = None, **changes) -> np.ndarray:
    """Write a DNG with SETTINGS, or changed ones, and return its mosaic."""
    mosaic = random_mosaic() if mosaic is None else mosaic
    write_dng(path, mosaic, **SETTINGS | changes)
    return mosaic


def make_scene(folder: Path, times: tuple[float, ...] = (1, 4, 16, 64, 256), **changes) -> Path:
    """Files 1.dng, 2.dng ... whose values are 64 + 10 times their number, exposed for `times` / 1000 s.

    Those of the last cells of each row are 1 more: rows of equal px are taken for missing data.
    """
    folder.mkdir(parents=True)
    for number, time in enumerate(times, 1):
        mosaic = np.full(changes.get("size", (30, 42)), 64 + 10 * number, np.uint16)
        mosaic[:, -2:] += 1
        settings = {key: value for key, value in changes.items() if key != "size"}
        make_dng(folder / f"{number}.dng", mosaic, **{"exposure_time": time / 1000} | settings)
    return folder


def write_shaded(path: Path, size: tuple[int, int] = (64, 96), **changes) -> None:
    """Write a DNG with a gain map that rises from 1 at the upper edge of its mosaic to 3 at the lower one."""
    gains = np.array([1, 1, 3, 3], ">f4").tobytes()
    data = struct.pack(">10I4dI", 0, 0, *size, 0, 1, 1, 1, 2, 2, 1.0, 1.0, 0.0, 0.0, 1) + gains
    opcodes = struct.pack(">5I", 1, 9, 0x01030000, 0, len(data)) + data
    make_dng(
        path, random_mosaic(size=size), extra=[(51009, UNDEFINED, len(opcodes), opcodes, True)], **changes
    )


def write_picture(path: Path, picture: np.ndarray, **exif: float | int) -> Path:
    """RGB uint8 as JPEG (without loss of colour) or PNG by suffix; EXIF: time, iso, f_number, orientation."""
    tags = Image.Exif()
    codes = {"time": 33434, "f_number": 33437, "iso": 34855}
    tags.get_ifd(34665).update({codes[name]: value for name, value in exif.items() if name in codes})
    if "orientation" in exif:
        tags[274] = exif["orientation"]
    Image.fromarray(picture).save(path, exif=tags, quality=100, subsampling=0)
    return path
