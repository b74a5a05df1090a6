"""Developed pictures (JPEG, TIFF, PNG) of one scene: reading them, and undoing the camera's tone curve."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from util.errors import UserError
from util.tonemap import srgb_decode

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
RESPONSES = ("debevec", "srgb", "gamma22", "linear")
CODES = 256  # of which a tone curve is made; values of 16 bits lie between them
SAMPLES = 16  # squared, is how many levels the curve is fitted to
SMOOTHNESS = 10.0
SENSIBLE_MIDDLE = (0.02, 0.8)  # of a curve; that of sRGB goes through 0.22


def read_picture(path: Path) -> np.ndarray:
    """RGB (H, W, 3) uint8 or uint16, turned upright by its EXIF orientation.

    Raises:
        UserError: missing, damaged, or of another type.
    """
    try:
        encoded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from None
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if encoded.size else None
    if picture is None:
        raise UserError(f"{path} is damaged or is no picture")
    if picture.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{path}: pictures have 8 or 16 bits, not {picture.dtype}")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def tone_curve(pictures: Sequence[np.ndarray], exposures: np.ndarray, response: str) -> np.ndarray:
    """Linear value of each of CODES evenly spread codes from black (0) to white (1), float32.

    Args:
        pictures: (H, W, 3) each. exposures: of each, in any unit.
        response: "srgb", "gamma22" (x^2.2), "linear", or "debevec": estimated from the stack.

    Raises:
        UserError: the stack tells too little to estimate a curve.
    """
    codes = np.linspace(0, 1, CODES, dtype=np.float32)
    curves = {"srgb": srgb_decode, "gamma22": lambda x: x**2.2, "linear": lambda x: x}
    if response in curves:
        return curves[response](codes)
    return _estimate(pictures, exposures)


def _estimate(pictures: Sequence[np.ndarray], exposures: np.ndarray) -> np.ndarray:
    """The curve by which the exposures agree (Debevec and Malik, SIGGRAPH 1997), one for all channels.

    It is fitted to the frames' quantiles in place of pixels: the same share of the scene is darker than them
    in every frame, wherever it has moved to (Grossberg and Nayar, ECCV 2002).
    """
    count = SAMPLES**2 // 3 + 1  # per channel
    shares = (np.arange(count) + 0.5) / count
    levels = []
    for picture in pictures:
        darker = [np.cumsum(counts) / counts.sum() for counts in _histograms(picture)]
        samples = np.concatenate([np.searchsorted(channel, shares) for channel in darker])
        levels.append(samples[: SAMPLES**2].reshape(SAMPLES, SAMPLES).astype(np.uint8))
    fit = cv2.createCalibrateDebevec(SAMPLES**2, SMOOTHNESS, False)
    curve = fit.process(levels, (exposures / exposures.min()).astype(np.float32)).ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        curve = np.maximum.accumulate(curve / curve[-1])
    if not SENSIBLE_MIDDLE[0] < curve[CODES // 2] < SENSIBLE_MIDDLE[1]:
        raise UserError("the tone curve of these pictures cannot be estimated: give --response srgb")
    curve[0] = 0  # which no curve in logarithms can reach
    return curve


def _histograms(picture: np.ndarray) -> list[np.ndarray]:
    """How often each code occurs, per channel (CODES,)."""
    codes = picture if picture.dtype == np.uint8 else picture >> 8
    return [np.bincount(codes[..., channel].ravel(), minlength=CODES) for channel in range(3)]


def linearise(picture: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """uint8 or uint16 (H, W, 3) -> linear float32 by a curve of `tone_curve`."""
    if picture.dtype == np.uint8:
        return curve[picture]
    places = np.linspace(0, CODES - 1, 1 << 16, dtype=np.float32)
    return np.interp(places, np.arange(CODES), curve).astype(np.float32)[picture]
