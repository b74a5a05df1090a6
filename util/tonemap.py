"""Tone curves between linear light and stored values: the mu-law of the HDR metrics, and sRGB."""

import math
from typing import TypeVar

import numpy as np
import torch

MU = 5000
LOG_MU = math.log1p(MU)
LUMINANCE = (0.2126, 0.7152, 0.0722)
DARKEST = 10  # stops below the brightest, for automatic settings

Values = TypeVar("Values", np.ndarray, torch.Tensor)


def mu_law(x: Values) -> Values:
    """M(x) = ln(1 + 5000 x) / ln(5001); 0 -> 0, 1 -> 1, of the shape and floating type of `x`.

    Nothing is clipped: values above 1 go on along the curve, values of -1/5000 and below are NaN.
    """
    if isinstance(x, torch.Tensor):
        return torch.log1p(MU * x) / LOG_MU
    return np.log1p(MU * x) / LOG_MU


def inverse_mu_law(y: Values) -> Values:
    """The x with mu_law(x) = y, of the shape and floating type of `y`; nothing is clipped."""
    if isinstance(y, torch.Tensor):
        return torch.expm1(LOG_MU * y) / MU
    return np.expm1(LOG_MU * y) / MU


def srgb_encode(linear: np.ndarray) -> np.ndarray:
    """Linear light -> sRGB code (IEC 61966-2-1). Not clipped above 1; negatives stay on the straight part."""
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve)


def srgb_decode(code: np.ndarray) -> np.ndarray:
    """sRGB code -> linear light, the inverse of `srgb_encode`; negatives stay on the straight part."""
    curve = ((np.maximum(code, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(code <= 0.04045, code / 12.92, curve)


def luminance(linear: np.ndarray) -> np.ndarray:
    """Linear sRGB (..., 3) -> relative luminance (...), ITU-R BT.709."""
    red, green, blue = LUMINANCE
    return red * linear[..., 0] + green * linear[..., 1] + blue * linear[..., 2]


def exposed(linear: np.ndarray, ev: float) -> np.ndarray:
    """Linear sRGB -> sRGB code in [0, 1] after `ev` stops more light; what is brighter than white is cut."""
    return srgb_encode(np.clip(linear * np.float32(2**ev), 0, 1))


def reinhard(linear: np.ndarray, scale: float, white: float) -> np.ndarray:
    """Linear sRGB (..., 3) >= 0 -> sRGB code in [0, 1]; luminance is compressed, hue is kept.

    The global operator, extended by the smallest luminance that becomes white (after scaling), of Reinhard et
    al., "Photographic tone reproduction for digital images", SIGGRAPH 2002, equations 2 and 4.
    """
    scaled = luminance(linear) * np.float32(scale)
    gain = np.float32(scale) * (1 + scaled / np.float32(white**2)) / (1 + scaled)
    return srgb_encode(np.clip(linear * gain[..., None], 0, 1))


def automatic_reinhard(light: np.ndarray) -> tuple[float, float]:
    """Scale and white of `reinhard` for the luminances of a picture, any shape.

    The key follows from where the mean lies in the range of the scene (Reinhard, "Parameter estimation for
    photographic tone reproduction", Journal of Graphics Tools 7(1), 2002); white is the brightest luminance,
    1 at least, so that a scene of small range is not stretched. Of the darkest and the brightest pixels one
    in a hundred, for white one in a thousand, does not count. What is more than 10 stops below the
    brightest counts as 10 stops: it is mostly noise, of which a logarithm would make much.
    """
    bright, brightest = np.percentile(light, (99, 99.9))
    if bright <= 0:
        return 1.0, 1.0  # a black picture
    high = math.log2(bright)
    logs = np.log2(np.maximum(light, 2 ** (high - DARKEST)))
    low = float(np.percentile(logs, 1))
    mean = float(np.minimum(logs, high).mean())
    key = 0.18 * 4 ** ((2 * mean - low - high) / max(high - low, 1e-3))
    return key / 2**mean, max(1.0, key * float(brightest) / 2**mean)


def automatic_ev(light: np.ndarray) -> float:
    """Stops that bring the mean log luminance of a picture to the key that suits its range."""
    return math.log2(automatic_reinhard(light)[0])
