"""From a camera's colours to linear sRGB by its DNG tags.

"DNG specification" is Adobe's Digital Negative Specification 1.6, chapter 6: Mapping Camera Color Space to
CIE XYZ Space.
"""

from dataclasses import dataclass

import numpy as np

D50 = (0.9642, 1.0, 0.8249)  # XYZ of the profile connection space
D65 = (0.95047, 1.0, 1.08883)  # XYZ of the white of sRGB
XYZ_TO_SRGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
# EXIF 2.32, tag LightSource; of the fluorescent lamps the middle of their range. K
TEMPERATURES = {
    **dict.fromkeys((3, 17), 2850.0),
    24: 3200.0,
    **dict.fromkeys((2, 14), 4150.0),
    12: 6400.0,
    13: 5050.0,
    15: 3525.0,
    16: 2925.0,
    23: 5000.0,
    **dict.fromkeys((1, 4, 9, 18, 20), 5500.0),
    **dict.fromkeys((10, 19, 21), 6500.0),
    **dict.fromkeys((11, 22), 7500.0),
}
ITERATIONS = 30
WORST_CONDITION = 1e6  # of a camera's matrix; far worse than that of any camera


@dataclass(frozen=True)
class ColourTags:
    """What a DNG says about its camera's colours. All matrices are (3, 3).

    Where some of a kind cannot be inverted, the first that can is taken for all light; none if none can.

    Attributes:
        neutral: AsShotNeutral, the camera's values of a white object (R, G, B).
        color_matrices: ColorMatrix1, 2, 3: XYZ to camera. None of them: the camera's colours are those of
            sRGB, for want of better knowledge.
        illuminants: CalibrationIlluminant1, 2, 3, the EXIF codes of the light for which each matrix is.
        forward_matrices: ForwardMatrix1, 2, 3: white-balanced camera to XYZ of D50; or none.
        calibrations: CameraCalibration1, 2, 3: from the model's reference camera to this one; or none.
        analog_balance: AnalogBalance, the gains that were applied to R, G and B before storing.
    """

    neutral: tuple[float, float, float]
    color_matrices: tuple[np.ndarray, ...]
    illuminants: tuple[int, ...]
    forward_matrices: tuple[np.ndarray, ...] = ()
    calibrations: tuple[np.ndarray, ...] = ()
    analog_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for kind in ("color_matrices", "forward_matrices", "calibrations"):
            matrices = getattr(self, kind)
            usable = tuple(matrix for matrix in matrices if _is_usable(np.asarray(matrix, np.float64)))
            if len(usable) < len(matrices):
                object.__setattr__(self, kind, usable[:1])


def colour_meta(tags: ColourTags) -> dict[str, np.ndarray]:
    """The entries of a sample's `meta` that say how its colours are rendered, float32.

    `white_balance` (3,), the gains of R, G, B with that of green 1; `cam2rgb` (3, 3), balanced camera RGB to
    linear sRGB; where there is a ColorMatrix, `cam2xyz` (3, 3), which the published pipeline takes instead.
    """
    neutral = np.array(tags.neutral, np.float64)
    meta = {"white_balance": neutral[1] / neutral, "cam2rgb": camera_to_srgb(tags)}
    if tags.color_matrices:
        meta["cam2xyz"] = published_camera_to_xyz(tags)
    return {name: values.astype(np.float32) for name, values in meta.items()}


def camera_to_srgb(tags: ColourTags) -> np.ndarray:
    """Matrix (3, 3) float64 from white-balanced camera RGB to linear sRGB; white stays white: rows sum to 1.

    By ForwardMatrix where there is one, else by the inverse of ColorMatrix and an adaptation of the scene's
    white to D65 (Bradford); both interpolated for the light that `neutral` tells of.
    """
    if not tags.color_matrices and not tags.forward_matrices:
        return np.eye(3)
    neutral = np.array(tags.neutral, np.float64)
    white = white_point(tags) if tags.color_matrices else xy_of(np.array(D50))
    temperature = colour_temperature(white)
    to_this_camera = _to_this_camera(tags, temperature)
    if tags.forward_matrices:
        balanced = np.linalg.inv(to_this_camera) @ np.diag(neutral)  # of the reference camera
        forward = _interpolated(tags.forward_matrices, tags.illuminants, temperature)
        to_xyz = forward @ np.diag(1 / balanced.sum(axis=1)) @ balanced
        source = np.array(D50)
    else:
        to_camera = to_this_camera @ _interpolated(tags.color_matrices, tags.illuminants, temperature)
        to_xyz = np.linalg.inv(to_camera) @ np.diag(neutral)
        source = to_xyz.sum(axis=1)  # XYZ of the scene's white
    return rows_to_one(XYZ_TO_SRGB @ adaptation(source, np.array(D65)) @ to_xyz)


def published_camera_to_xyz(tags: ColourTags) -> np.ndarray:
    """Matrix (3, 3) of the published pipeline: the inverse of ColorMatrix1, its rows scaled to sum 1.

    It takes no notice of the light (BracketIRE specification, 8.2, step 3).
    """
    return np.linalg.inv(rows_to_one(tags.color_matrices[0]))


def white_point(tags: ColourTags) -> np.ndarray:
    """Chromaticity (x, y) of the light in which `neutral` is white.

    The matrix depends on the light and the light on the matrix, so it is found by iteration from D50
    (DNG specification, "Translating Camera Neutral Coordinates to White Balance xy Coordinates").
    """
    white = xy_of(np.array(D50))
    for _ in range(ITERATIONS):
        temperature = colour_temperature(white)
        to_camera = _to_this_camera(tags, temperature) @ _interpolated(
            tags.color_matrices, tags.illuminants, temperature
        )
        before, white = white, xy_of(np.linalg.solve(to_camera, np.array(tags.neutral, np.float64)))
        if np.abs(white - before).sum() < 1e-7:
            return white
    return (before + white) / 2  # it swings between two


def colour_temperature(white: np.ndarray) -> float:
    """Correlated colour temperature in K of a chromaticity (x, y), kept within 1500..50000.

    McCamy, "Correlated color temperature as an explicit function of chromaticity coordinates", Color
    Research and Application 17, 1992.
    """
    x, y = white
    n = (x - 0.3320) / (0.1858 - y)
    return float(np.clip(449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33, 1500, 50000))


def xy_of(xyz: np.ndarray) -> np.ndarray:
    """Chromaticity (x, y) of XYZ."""
    return xyz[:2] / xyz.sum()


def adaptation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Bradford's matrix (3, 3), which takes the white XYZ `source` to `target`, and other colours with it."""
    return np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ target) / (BRADFORD @ source)) @ BRADFORD


def rows_to_one(matrix: np.ndarray) -> np.ndarray:
    """The matrix (3, 3) with every row divided by its sum, so that (1, 1, 1) stays as it is."""
    return matrix / matrix.sum(axis=1, keepdims=True)


def _is_usable(matrix: np.ndarray) -> bool:
    """Whether a matrix (3, 3) can be inverted, and its rows can be scaled to the sum 1."""
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > WORST_CONDITION:
        return False
    return bool((np.abs(matrix.sum(axis=1)) > np.abs(matrix).max() / WORST_CONDITION).all())


def _to_this_camera(tags: ColourTags, temperature: float) -> np.ndarray:
    """AnalogBalance times CameraCalibration: from the reference camera's values to this one's."""
    calibration = np.eye(3)
    if tags.calibrations:
        calibration = _interpolated(tags.calibrations, tags.illuminants, temperature)
    return np.diag(tags.analog_balance) @ calibration


def _interpolated(
    matrices: tuple[np.ndarray, ...], illuminants: tuple[int, ...], temperature: float
) -> np.ndarray:
    """The matrix for a colour temperature: linear in its inverse between those of the calibrated lights.

    The first one where a light is not known by its temperature.
    """
    known = [TEMPERATURES.get(light) for light in illuminants[: len(matrices)]]
    if len(matrices) == 1 or len(known) < len(matrices) or None in known:
        return np.asarray(matrices[0], np.float64)
    order = np.argsort(known)[::-1]  # np.interp wants 1 / K to rise
    positions = 1 / np.array(known)[order]
    stacked = np.stack(matrices)[order].reshape(len(matrices), 9)
    return np.array([np.interp(1 / temperature, positions, column) for column in stacked.T]).reshape(3, 3)
