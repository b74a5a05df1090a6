"""From linear light to stored values: the mu-law of the HDR metrics, sRGB, and tone mapping for the eye."""

import math
from typing import TypeVar

import cv2
import numpy as np

MU = 5000
LOG_MU = math.log1p(MU)
LUMINANCE = (0.2126, 0.7152, 0.0722)
GRID = 4  # tiles per side of the equalisation of `matlab_like`
CLIP = 3.55  # of its histograms, times the mean: MATLAB's limit, 0.01 of a tile above the mean of 256 bins
SATURATION = 5.3  # of the published figures
DARKEST = 10  # stops below the brightest, for automatic settings

Values = TypeVar("Values")  # np.ndarray or torch.Tensor, whose functions are methods


def mu_law(x: Values) -> Values:
    """M(x) = ln(1 + 5000 x) / ln(5001); 0 -> 0, 1 -> 1, of the shape and floating type of `x`.

    Nothing is clipped: values above 1 go on along the curve, values of -1/5000 and below are NaN.
    """
    scaled = MU * x
    return (scaled.log1p() if hasattr(scaled, "log1p") else np.log1p(scaled)) / LOG_MU


def inverse_mu_law(y: Values) -> Values:
    """The x with mu_law(x) = y, of the shape and floating type of `y`; nothing is clipped."""
    scaled = LOG_MU * y
    return (scaled.expm1() if hasattr(scaled, "expm1") else np.expm1(scaled)) / MU


def mu_law_picture8(linear: np.ndarray) -> np.ndarray:
    """Linear values, 1 = white, of any shape -> uint8 round(255 mu_law(x)), cut to 0..255.

    The published picture of a SelfHDR result (SelfHDR specification, 9); what is not positive is black.
    """
    return np.rint(np.minimum(255 * mu_law(np.maximum(linear, 0)), 255)).astype(np.uint8)


def srgb_encode(linear: np.ndarray) -> np.ndarray:
    """Linear light -> sRGB code (IEC 61966-2-1). Not clipped above 1; negatives stay on the straight part."""
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve)


def srgb_decode(code: np.ndarray) -> np.ndarray:
    """sRGB code -> linear light, the inverse of `srgb_encode`; negatives stay on the straight part."""
    curve = ((np.maximum(code, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(code <= 0.04045, code / 12.92, curve)


def denoising_display(x: np.ndarray, white_level: float, clamp: bool = True) -> np.ndarray:
    """Linear values of a denoised burst, white at `white_level`, as they are scored (Deep-Rep, 10).

    A curve like that of sRGB, whose parts have the same slope where they meet; above white it goes on as a
    straight line. With `clamp` the result is cut to [0, 1]. Of the shape of `x`.
    """
    power, toe = 1 / 2.4, 0.0031308
    offset = 1 / (1 / (toe**power * (1 - power)) - 1)
    slope_at_white = (1 + offset) * power
    linear = x / white_level
    curve = (1 + offset) * np.maximum(linear, toe) ** power - offset
    shown = np.where(linear < toe, slope_at_white * toe ** (power - 1) * linear, curve)
    shown = np.where(linear > 1, slope_at_white * (linear - 1) + 1, shown).astype(x.dtype)
    return np.clip(shown, 0, 1) if clamp else shown


def camera_display(
    linear: np.ndarray, gain: float, gamma: bool = True, smoothstep: bool = True
) -> np.ndarray:
    """Linear sRGB -> code in [0, 1] as the camera of SyntheticBurst makes it (Deep-Rep specification, 3).

    Light times `gain`, clipped; to the power 1/2.2; then 3 x^2 - 2 x^3, each where its flag says so.
    """
    shown = np.clip(linear * np.float32(gain), 0, 1)
    shown = shown ** np.float32(1 / 2.2) if gamma else shown
    return shown * shown * (3 - 2 * shown) if smoothstep else shown


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


def matlab_like(linear: np.ndarray) -> np.ndarray:
    """Linear sRGB (H, W, 3) -> sRGB code in [0, 1] float32, of a whole picture: results depend on all of it.

    Approximates MATLAB's tonemap(..., "AdjustLightness", [0 1], "AdjustSaturation", 5.3), with which the
    figures of SelfHDR were made (SelfHDR specification, 9); it is not the same function. log2, with
    the smallest positive value for what is not positive, stretched to [0, 1] and taken as sRGB code; in
    CIELAB lightness in 256 levels is equalised with limited contrast on 4x4 tiles and stretched to the full
    range, a and b are multiplied by 5.3. A picture without any range is black.
    """
    positive = linear > 0
    if not positive.any():
        return np.zeros(linear.shape, np.float32)
    logs = np.log2(np.maximum(linear, linear[positive].min()), dtype=np.float32)
    lab = cv2.cvtColor(_stretched(logs), cv2.COLOR_RGB2Lab)
    equaliser = cv2.createCLAHE(clipLimit=CLIP, tileGridSize=(GRID, GRID))
    levels = np.rint(lab[..., 0] * np.float32(2.55)).astype(np.uint8)
    lab[..., 0] = 100 * _stretched(equaliser.apply(levels).astype(np.float32))
    lab[..., 1:] *= np.float32(SATURATION)
    return np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1)


def _stretched(values: np.ndarray) -> np.ndarray:
    """Values -> [0, 1], the least 0 and the largest 1; all 0 where they are equal."""
    low, high = values.min(), values.max()
    return (values - low) / max(high - low, np.finfo(np.float32).tiny)
