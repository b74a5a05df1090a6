"""What BurstSR tells of each picture, from its pickles or JSON (DeepRep specification, section 6)."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from util.errors import UserError
from util.imaging.camera_colour import ColourTags, colour_meta
from util.inert_pickle import Inert, read_pickle
from util.json_record import read_json

PICKLE, RECORD = "meta_info.pkl", "meta_info.json"
EXIF = {"exposure_time": "ExposureTime", "f_number": "FNumber", "iso": "ISOSpeedRatings"}
IN_IMAGE, IN_EXIF = "Image ", "EXIF "  # what names of tags begin with: of the phone, and of the camera
MATRICES = ("color_matrix", "rgb_xyz_matrix")  # of the phone, and of the camera
D65 = 21  # EXIF LightSource: the light of matrices that LibRaw knows
WHITE_STAYS_WHITE = 0.05  # by which rows of a matrix to sRGB may miss the sum 1
OTHER_GREEN = [0, 1, 3]  # R, G, B of four planes
COPY_AGAIN = "copy it again"


class BurstSrMeta(NamedTuple):
    """What is known of a picture.

    Attributes:
        black: level of its planes, float32 (4,) or (3,).
        white_balance: gains of R, G, B as shot, float32 (3,), that of green 1.
        light: t ISO / F^2, by which equal light is stored in larger numbers.
        matrix: of its colours, or None.
    """

    black: np.ndarray
    white_balance: np.ndarray
    light: float
    matrix: np.ndarray | None

    def rendering(self) -> dict[str, Any]:
        """The `meta` of a sample, with an identity for `cam2rgb` where the matrix is none that is known."""
        meta = {"white_balance": self.white_balance, "cam2rgb": np.eye(3, dtype=np.float32)}
        if self.matrix is not None:
            meta |= _colours(self.matrix, self.white_balance)
        return meta | {"cfa": "RGGB"}


def _colours(matrix: np.ndarray, gains: np.ndarray) -> dict[str, np.ndarray]:
    """The entries of `meta` by a matrix of LibRaw.

    One whose rows sum to 1 turns balanced camera RGB into sRGB. Others, (3 or 4, 3), turn XYZ into camera
    RGB.
    """
    square = matrix[:3, :3].astype(np.float64)
    if np.abs(square.sum(axis=1) - 1).max() < WHITE_STAYS_WHITE:
        return {"cam2rgb": square.astype(np.float32)}
    if matrix.shape[1] != 3 or not square.any():
        return {}
    neutral = (1 / gains[0], 1.0, 1 / gains[2])
    return {"cam2rgb": colour_meta(ColourTags(neutral, (square,), (D65,)))["cam2rgb"]}


def read_meta(folder: Path, planes: int) -> BurstSrMeta:
    """What is known of the picture in a folder, whose raw file has 4 planes, or 3.

    `meta_info.json` is read where it is there (`python -m data.burstsr_metadata` writes it), else the
    published `meta_info.pkl`, of which nothing is run.

    Raises:
        UserError: there is neither, it cannot be read, or an entry is missing or makes no sense.
    """
    record = folder / RECORD
    if record.exists():
        return _checked(read_json(record, COPY_AGAIN), record, planes)
    return _checked(entries_of(folder / PICKLE), folder / PICKLE, planes)


def entries_of(path: Path) -> dict[str, Any]:
    """The entries of a published pickle that are used, as plain lists and numbers.

    Raises:
        UserError: it is missing, damaged, or lacks an entry.
    """
    found = read_pickle(path)
    if not isinstance(found, Mapping):
        raise UserError(f"{path}: expected a dictionary, found {type(found).__name__}: {COPY_AGAIN}")
    tags = found.get("exif_data")
    if not isinstance(tags, Mapping):
        raise UserError(f"{path}: there is no exif_data: {COPY_AGAIN}")
    entries = {name: _listed(found[name]) for name in ("black_level", "cam_wb", *MATRICES) if name in found}
    for name, tag in EXIF.items():
        value = next((tags[start + tag] for start in (IN_IMAGE, IN_EXIF) if start + tag in tags), None)
        if value is None:
            raise UserError(f"{path}: there is no {tag} in its exif_data: {COPY_AGAIN}")
        entries[name] = _number(value)
    return entries


def _listed(values: Any) -> Any:
    """An entry as plain lists and numbers; None if it is none of numbers."""
    try:
        return np.asarray(values, np.float64).tolist()
    except (TypeError, ValueError):
        return None


def _number(value: Any) -> float | None:
    """A number, a tag with its first value, or a fraction, as any version of exifread has them."""
    try:
        if isinstance(value, Inert) and isinstance(value.state, (dict, tuple)) and hasattr(value, "values"):
            value = value.values
        if isinstance(value, (list, tuple, np.ndarray)):
            value = value[0]
        if isinstance(value, Inert):  # a fraction: by its parts, or what a subclass of Fraction is made of
            value = Fraction(value.num, value.den) if hasattr(value, "num") else Fraction(*value.arguments)
        return float(value)
    except (TypeError, ValueError, LookupError, ZeroDivisionError, OverflowError, AttributeError):
        return None


def _checked(entries: object, path: Path, planes: int) -> BurstSrMeta:
    """The values of a file, looked at."""
    if not isinstance(entries, Mapping):
        raise UserError(f"{path}: expected a dictionary, found {type(entries).__name__}: {COPY_AGAIN}")
    black = _planes(entries, "black_level", path)
    gains = _planes(entries, "cam_wb", path)[OTHER_GREEN]
    numbers = np.float64([_array(entries, name, path) for name in EXIF])
    if black.min() < 0 or gains.min() <= 0 or numbers.min() <= 0:
        raise UserError(f"{path}: levels, white balance, and exposure must be positive: {COPY_AGAIN}")
    time, f_number, iso = numbers
    return BurstSrMeta(
        black=black if planes == 4 else black[OTHER_GREEN],
        white_balance=gains / gains[1],
        light=float(time * iso / f_number**2),
        matrix=next((_matrix(entries[name]) for name in MATRICES if name in entries), None),
    )


def _planes(entries: Mapping, name: str, path: Path) -> np.ndarray:
    """An entry of three or four planes as one of four, float32."""
    values = _array(entries, name, path, 1)
    if len(values) not in (3, 4):
        raise UserError(f"{path}: {name} has {len(values)} values, not 3 or 4: {COPY_AGAIN}")
    return values if len(values) == 4 else values[[0, 1, 1, 2]]


def _matrix(values: Any) -> np.ndarray | None:
    """A matrix of 3 rows and columns or more, float32; None where it is none."""
    with np.errstate(over="ignore"):
        values = np.array(_listed(values), np.float32)
    return values if values.ndim == 2 and min(values.shape) >= 3 and np.isfinite(values).all() else None


def _array(entries: Mapping, name: str, path: Path, dimensions: int = 0) -> np.ndarray:
    """An entry as float32 with this number of dimensions."""
    if name not in entries:
        raise UserError(f"{path}: there is no {name}: {COPY_AGAIN}")
    try:
        with np.errstate(over="ignore"):
            values = np.array(entries[name], np.float32)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.ndim != dimensions or not np.isfinite(values).all() or 0 in values.shape:
        raise UserError(f"{path}: {name} is not of {dimensions} dimensions and finite: {COPY_AGAIN}")
    return values
