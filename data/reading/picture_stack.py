"""Developed pictures (JPEG, TIFF, PNG) of one scene: reading them, and undoing the camera's tone curve."""

from collections.abc import Sequence

import numpy as np

from data.reading.measured_exposures import thinned
from util.imaging.tonemap import srgb_decode

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
RESPONSES = ("debevec", "srgb", "gamma22", "linear")
CURVES = {"srgb": srgb_decode, "gamma22": lambda x: x**2.2, "linear": lambda x: x}
CODES = 256  # of which a tone curve is made; values of 16 bits lie between them
QUANTILES = 86  # of each channel of a frame
LEAST_CODE = 4  # from black and from white, which a level must have to count
FAINTEST = 1.5e-4  # linear value that black is taken for in logarithms
SMOOTHNESS, SMALLNESS, FIXED = 1.0, 0.1, 1e3  # weights of what is asked of the curve besides the levels


def tone_curve(pictures: Sequence[np.ndarray], exposures: np.ndarray, response: str) -> np.ndarray:
    """Linear value of each of CODES evenly spread codes from black (0) to white (1), float32.

    Args:
        pictures: (H, W, 3) each, from the shortest to the longest. exposures: of each, in any unit.
        response: "srgb", "gamma22" (x^2.2), "linear", or "debevec": estimated from the stack.
    """
    codes = np.linspace(0, 1, CODES, dtype=np.float32)
    if response in CURVES:
        return CURVES[response](codes)
    return _estimate(pictures, exposures)


def _estimate(pictures: Sequence[np.ndarray], exposures: np.ndarray) -> np.ndarray:
    """The curve by which the exposures agree, one for all channels, found by least squares.

    As Debevec and Malik (SIGGRAPH 1997) do, but for the frames' quantiles in place of pixels: the same share
    of the scene is darker than them in every frame, wherever it has moved (Grossberg and Nayar, ECCV 2002).
    What is sought is how the logarithm of the curve differs from that of sRGB. The difference is held small
    and smooth, so that levels which no frame has, and stacks that tell nothing, are taken as sRGB.
    """
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    darker = [[np.cumsum(counts) / counts.sum() for counts in _histograms(picture)] for picture in pictures]
    levels = [np.concatenate([np.searchsorted(channel, shares) for channel in frame]) for frame in darker]
    srgb = np.log(np.maximum(srgb_decode(np.arange(CODES) / (CODES - 1)), FAINTEST))
    pairs = [
        _pair(*levels[i : i + 2], np.log(exposures[i + 1] / exposures[i]), srgb)
        for i in range(len(levels) - 1)
    ]
    rate = np.diff(np.eye(CODES), axis=0)
    scale = np.sqrt(sum(len(matrix) for matrix, _ in pairs))
    held = [SMOOTHNESS * scale * np.diff(rate, axis=0), SMALLNESS * scale * rate, FIXED * np.eye(CODES)[-1:]]
    matrix = np.concatenate([*(matrix for matrix, _ in pairs), *held])
    wanted = np.concatenate([values for _, values in pairs])
    wanted = np.pad(wanted, (0, len(matrix) - len(wanted)))
    difference = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    curve = np.maximum.accumulate(np.exp(srgb + difference))
    curve[0] = 0
    return (curve / curve[-1]).astype(np.float32)


def _pair(
    short: np.ndarray, long: np.ndarray, ratio: float, srgb: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the equations of two frames' levels, and their right sides: log curve(long) - log curve(short)
    is the logarithm of the ratio of exposures. The middle of the codes counts most, clipped ones not at all.
    """
    weights = np.minimum.reduce([short, long, CODES - 1 - short, CODES - 1 - long]) / (CODES // 2)
    weights = np.where((short >= LEAST_CODE) & (long < CODES - LEAST_CODE), weights, 0)
    matrix, rows = np.zeros((len(short), CODES)), np.arange(len(short))
    matrix[rows, long] = weights
    matrix[rows, short] -= weights
    return matrix, weights * (ratio - (srgb[long] - srgb[short]))


def _histograms(picture: np.ndarray) -> list[np.ndarray]:
    """How often each code occurs, per channel (CODES,)."""
    codes = picture if picture.dtype == np.uint8 else picture >> 8
    return [np.bincount(codes[..., channel].ravel(), minlength=CODES) for channel in range(3)]


def brightness(picture: np.ndarray, response: str) -> np.ndarray:
    """Light of some green px of (H, W, 3), 1 = white; sRGB's curve stands for one not known yet."""
    green = thinned(picture[..., 1])
    codes = green / np.iinfo(green.dtype).max
    return CURVES.get(response, srgb_decode)(codes)


def linearise(picture: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """uint8 or uint16 (H, W, 3) -> linear float32 by a curve of `tone_curve`."""
    if picture.dtype == np.uint8:
        return curve[picture]
    places = np.linspace(0, CODES - 1, 1 << 16, dtype=np.float32)
    return np.interp(places, np.arange(CODES), curve).astype(np.float32)[picture]
