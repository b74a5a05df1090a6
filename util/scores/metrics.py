"""How close an image is to its target: PSNR, SSIM, and both of perceptual codes (PU21).

The data range is always an argument, never guessed. A metric's name says its domain: `mu` after the mu-law,
`l` linear light, `pu` perceptual code; picture_metrics.py and radiance_metrics.py have those of 16-bit
pictures and of linear images. Borders are cut by `crop_border` before.
"""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from skimage.metrics import structural_similarity

from util.errors import UserError

PNG16 = 65535
SSIM_CONSTANTS = {"sigma": 1.5, "K1": 0.01, "K2": 0.03, "full": True}
SSIM_WINDOWS = {"gaussian": 11, "uniform": 7}  # px
STRIP = 2**18  # pixels compared at a time, so that memory does not grow with the picture
PU21 = (0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204, 596.3148142)
PU21_LUMINANCE = (0.005, 10000.0)  # cd/m2, the range for which the code was fitted
PU21_PEAK = 256.0  # the code of 100 cd/m2, about white of a standard display


class TooSmallError(UserError):
    """A picture has fewer px than a metric needs."""


def crop_border(img: np.ndarray, border: int) -> np.ndarray:
    """Picture (H, W, ...) without `border` pixels on each side (a view).

    Raises:
        TooSmallError: nothing would be left.
    """
    height, width = img.shape[:2]
    if border < 0 or 2 * border >= min(height, width):
        raise TooSmallError(f"a border of {border} px leaves nothing of a picture of {width}x{height}")
    return img[border : height - border, border : width - border]


def psnr(a: np.ndarray, b: np.ndarray, data_range: float, *, mask: np.ndarray | None = None) -> float:
    """10 log10(data_range^2 / mean squared difference) over all pixels and channels; infinite if equal.

    With a `mask` (H, W) over the pixels where it is not 0; NaN where there is none.

    Raises:
        UserError: the shapes differ.
    """
    check_shapes(a, b)
    total = 0.0
    for rows in _strips(a):
        difference = np.subtract(a[rows], b[rows], dtype=np.float64)
        difference = (difference if mask is None else difference[mask[rows] != 0]).ravel()
        total += float(np.dot(difference, difference))
    size = a.size if mask is None else np.count_nonzero(mask) * a.shape[-1]
    if size == 0:
        return math.nan
    return math.inf if total == 0 else float(10 * np.log10(data_range**2 / (total / size)))


def ssim(
    a: np.ndarray,
    b: np.ndarray,
    data_range: float,
    *,
    sample_covariance: bool = True,
    window: str = "gaussian",
    mask: np.ndarray | None = None,
) -> float:
    """Structural similarity of (H, W, C) channel by channel, then the mean (Wang et al. 2004).

    K1 0.01, K2 0.03; half a window at the border left out. `window`: "gaussian", sigma 1.5 and 11 px, or
    "uniform", 7 px. `sample_covariance` multiplies (co)variances by n / (n - 1) for the n px of a window as
    scikit-image does by default; Wang et al. do not. With a `mask` (H, W) the mean is over the windows whose
    middle it has not as 0; NaN where there is none.

    Raises:
        UserError: the shapes differ. TooSmallError: a side is shorter than the window.
    """
    check_shapes(a, b)
    side = SSIM_WINDOWS[window]
    if min(a.shape[:2]) < side:
        raise TooSmallError(f"SSIM needs pictures of {side}x{side} px or more, got {a.shape[1]}x{a.shape[0]}")
    margin, half = side - 1, side // 2
    valid = (
        np.ones((len(a) - margin, a.shape[1] - margin)) if mask is None else mask[half:-half, half:-half] != 0
    )
    if not valid.any():
        return math.nan
    similarity = partial(
        structural_similarity,
        data_range=data_range,
        gaussian_weights=window == "gaussian",
        win_size=side,
        use_sample_covariance=sample_covariance,
        **SSIM_CONSTANTS,
    )
    total = 0.0
    for rows in _strips(valid):
        strip = slice(rows.start, rows.stop + margin)  # windows lie within the strip: nothing else changes
        for channel in range(a.shape[-1]):
            pair = (image[strip, :, channel].astype(np.float64) for image in (a, b))
            total += float((similarity(*pair)[1][half:-half, half:-half] * valid[rows]).sum())
    return total / (np.count_nonzero(valid) * a.shape[-1])


def _strips(picture: np.ndarray) -> Iterator[slice]:
    """Its rows in groups of about STRIP pixels, one row at least."""
    step = max(1, STRIP // picture.shape[1])
    for top in range(0, len(picture), step):
        yield slice(top, min(top + step, len(picture)))


def check_shapes(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise UserError(f"pictures of different shapes cannot be compared: {a.shape} and {b.shape}")


def pu21_encode(luminance: np.ndarray) -> np.ndarray:
    """Luminance in cd/m2, clipped to 0.005..10000 -> perceptually uniform code, 100 cd/m2 -> about 256.

    Mantiuk and Azimi, "PU21: A novel perceptually uniform encoding for adapting existing quality metrics for
    HDR", Picture Coding Symposium 2021, with the parameters for banding and glare.
    """
    p1, p2, p3, p4, p5, p6, p7 = PU21
    power = np.clip(luminance, *PU21_LUMINANCE) ** p4
    return p7 * (((p1 + p2 * power) / (1 + p3 * power)) ** p5 - p6)


def check_light(*pictures: np.ndarray) -> None:
    """Raise a UserError if a picture holds whole numbers, which are codes and no light."""
    for picture in pictures:
        if not np.issubdtype(picture.dtype, np.floating):
            advice = "pass linear light as floating-point numbers, 1 = white"
            raise UserError(f"a picture of {picture.dtype} holds codes, not light: {advice}")


def pu_psnr(a: np.ndarray, b: np.ndarray, peak_luminance: float = 1000.0) -> float:
    """PSNR (peak 256) of the PU21 codes of linear pictures shown so that 1 has `peak_luminance` cd/m2.

    Raises:
        UserError: the shapes differ, or the pictures hold whole numbers.
    """
    check_light(a, b)
    return psnr(pu21_encode(a * peak_luminance), pu21_encode(b * peak_luminance), PU21_PEAK)


def pu_ssim(a: np.ndarray, b: np.ndarray, peak_luminance: float = 1000.0) -> float:
    """SSIM (range 256, population covariance) of the PU21 codes of linear pictures (H, W, C), as `pu_psnr`.

    The range is the one that Mantiuk and Azimi give metrics made for 8 bits: the code of 100 cd/m2.

    Raises:
        UserError: the shapes differ, or the pictures hold whole numbers.
    """
    check_light(a, b)
    codes = (pu21_encode(picture * peak_luminance) for picture in (a, b))
    return ssim(*codes, PU21_PEAK, sample_covariance=False)


ABSOLUTE = ("pu_psnr", "pu_ssim", "cvvdp")  # metrics that take a peak_luminance
