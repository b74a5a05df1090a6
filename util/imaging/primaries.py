"""Colour spaces that are told by the chromaticities of their primaries and white."""

from collections.abc import Sequence

import numpy as np

from util.imaging.camera_colour import adaptation

SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)  # of ITU-R BT.709: red, green, blue, white
ALEXA_WIDE_GAMUT = (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.3290)
ROUNDING = 6e-4  # by which writers round a chromaticity


def are_equal(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether two spaces, (x, y) of red, green, blue and white, are one but for rounding."""
    return bool(np.abs(np.subtract(first, second)).max() < ROUNDING)


def to_srgb(chromaticities: Sequence[float]) -> np.ndarray | None:
    """Matrix (3, 3) float64 from linear RGB of a space to linear sRGB; None where the space is that of sRGB.

    White stays (1, 1, 1): another white than D65 is adapted by Bradford's matrix. Primaries to XYZ as in
    SMPTE RP 177-1993.

    Args:
        chromaticities: x, y of red, green, blue and white.

    Raises:
        ValueError: they are no colour space.
    """
    places = np.asarray(chromaticities, np.float64)
    shown = " ".join(f"{value:g}" for value in places)
    if places.shape != (8,) or not np.isfinite(places).all():
        raise ValueError(f"its chromaticities, {shown}, are not eight numbers")
    if are_equal(places, SRGB):
        return None
    space, srgb = _to_xyz(places), _to_xyz(np.array(SRGB))
    if space is None:
        raise ValueError(f"its chromaticities, {shown}, are no colour space")
    return np.linalg.inv(srgb) @ adaptation(space.sum(axis=1), srgb.sum(axis=1)) @ space


def _to_xyz(places: np.ndarray) -> np.ndarray | None:
    """Matrix (3, 3) from a space's RGB to XYZ, Y of white 1; None where white is no mixture of primaries."""
    x, y = places.reshape(4, 2).T
    xyz = np.stack([x, y, 1 - x - y])  # (3, 4)
    if y[3] <= 0 or abs(np.linalg.det(xyz[:, :3])) < 1e-4:
        return None
    amounts = np.linalg.solve(xyz[:, :3], xyz[:, 3] / y[3])
    return xyz[:, :3] * amounts if (amounts > 0).all() else None


def converted(light: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Linear RGB (H, W, 3) float32 by a matrix of `to_srgb`; as it is where that is None."""
    return light if matrix is None else light @ matrix.T.astype(np.float32)
