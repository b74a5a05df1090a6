"""How close a low-light raw result is to its target (ExposureDiffusion specification, 6.2).

Images are float (h, w, C) in [0, 255], not rounded: packed planes, or a simple sRGB view of them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from util.imaging.illumination import corrected
from util.scores.metrics import psnr, ssim


def raw_image(image: np.ndarray, target: np.ndarray | None) -> np.ndarray:
    """Packed planes (4, h, w) as they are scored, (h, w, 4) in [0, 255].

    With a target, at its brightness (`corrected`); the published protocol compares so.
    """
    image = image if target is None else corrected(image, target)
    return np.clip(255.0 * image.transpose(1, 2, 0), 0, 255)


def srgb_view(image: np.ndarray, target: np.ndarray | None, meta: Mapping[str, Any]) -> np.ndarray:
    """The half-size sRGB view of `raw_image` (h, w, 3): whole numbers in [0, 255] (specification, 6.4).

    White balance, clip, the two greens' mean, matrix to linear sRGB, clip, gamma 1/2.2, truncated.
    """
    balance = np.asarray(meta["white_balance"], np.float64)
    red, green, other, blue = np.moveaxis(raw_image(image, target), 2, 0) / 255
    colours = np.stack([red, (green + other) / 2, blue], axis=2) * balance / balance[1]
    linear = np.clip(colours, 0, 1) @ np.asarray(meta["cam2rgb"], np.float64).T
    return np.floor(255 * np.clip(linear, 0, 1) ** (1 / 2.2))


def psnr255(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR, peak 255, of all channels together."""
    return psnr(output, target, 255.0)


def ssim255(output: np.ndarray, target: np.ndarray) -> float:
    """SSIM, range 255: uniform window of 7 px, sample covariance, 3 px at the border left out."""
    return ssim(output, target, 255.0, window="uniform")


# Functions of two images (h, w, C) in [0, 255].
RAW_METRICS: dict[str, Callable[..., float]] = {"psnr_raw": psnr255, "ssim_raw": ssim255}
SRGB_METRICS: dict[str, Callable[..., float]] = {"psnr_srgb": psnr255, "ssim_srgb": ssim255}
