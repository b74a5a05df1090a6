"""Colour spaces of pictures, by ICC profiles or by primaries and a curve, and their way to linear sRGB."""

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from util.imaging import primaries
from util.imaging.camera_colour import D50, D65, XYZ_TO_SRGB, adaptation, rows_to_one
from util.imaging.tonemap import srgb_decode, srgb_encode

CODES = 1 << 16  # of a curve's table
LIKE_SRGB = 0.004  # by which a curve or a matrix may differ from that of sRGB and count as it
LEAST_DETERMINANT = 1e-3  # of the XYZ of primaries; that of sRGB is 0.2
STRIP = 256  # rows that are converted at a time
ADOBE_PRIMARIES = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
ADOBE_GAMMA = 563 / 256
# ICC.1:2022, table 68: which of a parametric curve's values g, a, b, c, d, e, f each type has
PARAMETERS = {0: "g", 1: "gab", 2: "gabc", 3: "gabcd", 4: "gabcdef"}


class NoMatrixError(ValueError):
    """A profile is intact, but has no curves and matrix: only a colour engine can apply it."""


@dataclass(frozen=True, eq=False)
class ColourSpace:
    """How codes become linear sRGB: a curve for each channel, then a matrix.

    Attributes:
        curves: linear values (3, CODES) of evenly spread codes from 0 to 1; None: those of sRGB.
        matrix: (3, 3), linear values to linear sRGB, rows of sum 1; None: the primaries are those of sRGB.
    """

    name: str = "sRGB"
    curves: np.ndarray | None = None
    matrix: np.ndarray | None = None

    @classmethod
    def of(cls, name: str, curves: np.ndarray, matrix: np.ndarray) -> "ColourSpace":
        """A space whose curves or matrix, where they are those of sRGB to rounding, are left out."""
        matrix = rows_to_one(matrix)
        own_curves = np.abs(curves - _srgb_curve()).max() > LIKE_SRGB
        own_matrix = np.abs(matrix - np.eye(3)).max() > LIKE_SRGB
        return cls(name, curves.astype(np.float32) if own_curves else None, matrix if own_matrix else None)

    @property
    def is_srgb(self) -> bool:
        return self.curves is None and self.matrix is None

    @property
    def is_linear(self) -> bool:
        return bool(np.abs(self._table() - gamma_curve(1)).max() <= LIKE_SRGB)

    def is_like(self, other: "ColourSpace") -> bool:
        """Whether both mean the same by a code."""
        curves = [space._table() for space in (self, other)]
        matrices = [np.eye(3) if space.matrix is None else space.matrix for space in (self, other)]
        pairs = (curves, matrices)
        return all(np.abs(one - two).max() <= LIKE_SRGB for one, two in pairs)

    def linear(self, codes: np.ndarray) -> np.ndarray:
        """uint8 or uint16 (H, W, 3) -> linear sRGB float32; outside [0, 1] where sRGB cannot show it."""
        return primaries.converted(_looked_up(self._table(), codes), self.matrix)

    def coded_as_srgb(self, codes: np.ndarray) -> np.ndarray:
        """Codes (H, W, 3) of the same primaries, by the curve of sRGB: uint16, or as they are."""
        if self.curves is None:
            return codes
        table = np.rint(srgb_encode(self._table()) * (CODES - 1)).astype(np.uint16)
        return _looked_up(table, codes)

    def to_srgb(self, codes: np.ndarray) -> np.ndarray:
        """Codes (H, W, 3) -> codes of sRGB of the same type, cut to its gamut."""
        if self.is_srgb:
            return codes
        result, highest = np.empty_like(codes), np.iinfo(codes.dtype).max
        for top in range(0, len(codes), STRIP):
            light = np.clip(self.linear(codes[top : top + STRIP]), 0, 1)
            result[top : top + STRIP] = np.rint(srgb_encode(light) * highest)
        return result

    def _table(self) -> np.ndarray:
        return np.broadcast_to(_srgb_curve(), (3, CODES)) if self.curves is None else self.curves


SRGB = ColourSpace()


@functools.cache
def _srgb_curve() -> np.ndarray:
    return srgb_decode(np.linspace(0, 1, CODES)).astype(np.float32)


def _looked_up(table: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Values of a table (3, CODES) at codes (H, W, 3), channel by channel."""
    step = (CODES - 1) // np.iinfo(codes.dtype).max
    return np.stack([row[::step][codes[..., channel]] for channel, row in enumerate(table)], axis=-1)


def gamma_curve(gamma: float) -> np.ndarray:
    """Linear values (CODES,) of codes, light = code^gamma."""
    return np.linspace(0, 1, CODES) ** gamma


def of_primaries(name: str, chromaticities: Sequence[float], curve: np.ndarray | None = None) -> ColourSpace:
    """The space of primaries and a white, (x, y) of red, green, blue and white, and of a curve (CODES,).

    Without a curve it is that of sRGB.

    Raises:
        ValueError: they are no primaries.
    """
    matrix = primaries.to_srgb(chromaticities)
    table = np.broadcast_to(_srgb_curve() if curve is None else curve, (3, CODES))
    return ColourSpace.of(name, table, np.eye(3) if matrix is None else matrix)


ADOBE_RGB = of_primaries("Adobe RGB", ADOBE_PRIMARIES, gamma_curve(ADOBE_GAMMA))


@functools.lru_cache(maxsize=8)
def of_profile(profile: bytes) -> ColourSpace:
    """The space of an ICC profile of RGB or grey that has curves (ICC.1:2022, 8.3.3 and 8.4.3).

    Raises:
        NoMatrixError: it maps colours by tables alone, or is of CMYK or another kind.
        ValueError: it is damaged, or is of PQ or HLG, which its message says.
    """
    try:
        tags = _profile_tags(profile)
        name = _description(tags.get(b"desc", b"")) or "an unnamed profile"
        if b"cicp" in tags:
            check_transfer(tags[b"cicp"][9])
        if profile[16:20] == b"GRAY" and b"kTRC" in tags:
            curve = _curve(tags[b"kTRC"])
            return ColourSpace.of(name, np.stack([curve] * 3), np.eye(3))
        names = [letter + kind for kind in (b"TRC", b"XYZ") for letter in (b"r", b"g", b"b")]
        if profile[16:24] != b"RGB XYZ " or not tags.keys() >= set(names):
            raise NoMatrixError(name)
        curves = np.stack([_curve(tags[key]) for key in names[:3]])
        columns = np.stack([struct.unpack(">3i", tags[key][8:20]) for key in names[3:]], axis=1) / 65536
    except (struct.error, IndexError) as error:
        raise ValueError("is damaged") from error
    if abs(np.linalg.det(columns)) < LEAST_DETERMINANT:
        raise ValueError("is damaged: its primaries are no colour space")
    to_srgb = XYZ_TO_SRGB @ adaptation(np.array(D50), np.array(D65))
    return ColourSpace.of(name, curves, to_srgb @ columns)


def of_code_points(colours: int, transfer: int) -> ColourSpace:
    """The space of code points for primaries and transfer of ITU-T H.273 (tables 2 and 3).

    Raises:
        ValueError: they are of another space; its message says of which.
    """
    check_transfer(transfer)
    if colours not in PRIMARIES or transfer not in CURVES:
        raise ValueError(f"is of code points {colours} and {transfer}, which are not known here")
    name, chromaticities = PRIMARIES[colours]
    return of_primaries(name, chromaticities, CURVES[transfer]())


def check_transfer(code: int) -> None:
    """Raise a ValueError for the transfer of pictures that show more than white (ITU-T H.273, table 3)."""
    if code in (16, 18):
        raise ValueError(f"is of {'PQ' if code == 16 else 'HLG'}, which is for HDR displays")


def _bt709_curve() -> np.ndarray:
    """Light of codes by ITU-R BT.709's transfer, inverted."""
    codes = np.linspace(0, 1, CODES)
    return np.where(codes < 0.081, codes / 4.5, ((codes + 0.099) / 1.099) ** (1 / 0.45))


PRIMARIES = {  # code point of ITU-T H.273, table 2
    1: ("sRGB", primaries.SRGB),
    9: ("BT.2020", (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)),
    11: ("DCI P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351)),
    12: ("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)),
}
CURVES = {  # code point of ITU-T H.273, table 3
    **dict.fromkeys((1, 6, 14, 15), _bt709_curve),
    4: functools.partial(gamma_curve, 2.2),
    8: functools.partial(gamma_curve, 1.0),
    13: _srgb_curve,
}


def _profile_tags(profile: bytes) -> dict[bytes, bytes]:
    if profile[36:40] != b"acsp":
        raise ValueError("is damaged")
    (count,) = struct.unpack(">I", profile[128:132])
    tags = {}
    for number in range(min(count, 1000)):
        key, start, size = struct.unpack(">4sII", profile[132 + 12 * number : 144 + 12 * number])
        tags[key] = profile[start : start + size]
    return tags


def _description(tag: bytes) -> str:
    """The text of a tag of version 2, or the first of version 4; control characters are left out."""
    if tag[:4] == b"mluc":
        size, start = struct.unpack(">II", tag[20:28])
        text = tag[start : start + size].decode("utf-16-be", "replace")
    else:
        text = tag[12 : 12 + int.from_bytes(tag[8:12], "big")].decode("latin-1")
    return "".join(character for character in text if character.isprintable())[:60].strip()


def _curve(tag: bytes) -> np.ndarray:
    """Linear values of CODES evenly spread codes (ICC.1:2022, 10.6 and 10.18)."""
    codes = np.linspace(0, 1, CODES)
    if tag[:4] == b"para":
        kind = int.from_bytes(tag[8:10], "big")
        if kind not in PARAMETERS:
            raise ValueError("is damaged")
        numbers = struct.unpack(f">{len(PARAMETERS[kind])}i", tag[12 : 12 + 4 * len(PARAMETERS[kind])])
        values = dict(zip(PARAMETERS[kind], np.array(numbers) / 65536, strict=True))
        return np.clip(_parametric(codes, kind, values), 0, 1)
    if tag[:4] != b"curv":
        raise ValueError("is damaged")
    (count,) = struct.unpack(">I", tag[8:12])
    entries = np.array(struct.unpack(f">{count}H", tag[12 : 12 + 2 * count]))
    if count == 0:
        return codes
    if count == 1:
        return codes ** (entries[0] / 256)
    return np.interp(codes, np.linspace(0, 1, count), entries / 65535)


def _parametric(codes: np.ndarray, kind: int, values: dict[str, float]) -> np.ndarray:
    g, a, b = values["g"], values.get("a", 1.0), values.get("b", 0.0)
    power = np.maximum(a * codes + b, 0) ** g
    if kind == 0:
        return power
    if kind < 3:  # a constant below where the power is 0
        return np.where(a * codes + b >= 0, power, 0) + values.get("c", 0.0)
    below = values["c"] * codes + values.get("f", 0.0)
    return np.where(codes >= values["d"], power + values.get("e", 0.0), below)
