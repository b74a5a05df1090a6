"""How close a 16-bit mu-law picture (H, W, 3) is to its target: as it is stored, and in other domains."""

from collections.abc import Callable

import numpy as np

from util.imaging.bayer import unpack
from util.imaging.demosaic import bilinear
from util.imaging.tonemap import inverse_mu_law
from util.scores.learned_metrics import lpips_distance
from util.scores.metrics import PNG16, psnr, pu_psnr, pu_ssim, ssim


def psnr_mu(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR of two 16-bit mu-law pictures as they are stored."""
    return psnr(output, target, PNG16)


def ssim_mu(output: np.ndarray, target: np.ndarray) -> float:
    """SSIM of two 16-bit mu-law pictures as they are stored."""
    return ssim(output, target, PNG16)


def psnr_l(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR of two 16-bit mu-law pictures in linear light, 1 = white."""
    return psnr(_to_linear(output), _to_linear(target), 1.0)


def pu_psnr_png16(output: np.ndarray, target: np.ndarray, *, peak_luminance: float = 1000.0) -> float:
    """`pu_psnr` of two 16-bit mu-law pictures; 65535 is shown with `peak_luminance` cd/m2."""
    return pu_psnr(_to_linear(output), _to_linear(target), peak_luminance)


def pu_ssim_png16(output: np.ndarray, target: np.ndarray, *, peak_luminance: float = 1000.0) -> float:
    """`pu_ssim` of two 16-bit mu-law pictures; 65535 is shown with `peak_luminance` cd/m2."""
    return pu_ssim(_to_linear(output), _to_linear(target), peak_luminance)


def _to_linear(png16: np.ndarray) -> np.ndarray:
    return inverse_mu_law(png16.astype(np.float32) / PNG16)


def published_validation_view(packed: np.ndarray) -> np.ndarray:
    """Packed RGGB (..., 4, h, w) -> the gamma view of the published training loop (..., 3, 2h, 2w), 0..255.

    Every image is divided by its own maximum, so that a wrong brightness cannot be seen.
    """
    *lead, _, height, width = packed.shape
    views = []
    for image in packed.reshape(-1, 4, height, width):
        peak = image.max()
        rgb = bilinear(unpack(image / (peak if peak != 0 else 1)), "RGGB")
        views.append(np.round(np.clip(rgb, 0, 1) ** (1 / 2.2) * 255).transpose(2, 0, 1))
    return np.stack(views).reshape(*lead, 3, 2 * height, 2 * width)


def published_validation_psnr(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR of the views of two packed images, for comparison with published training logs only.

    The peak is the maximum of the output's view: the published code has its arguments exchanged.
    """
    output, target = published_validation_view(output), published_validation_view(target)
    return psnr(output, target, float(output.max()))


# Functions of two uint16 mu-law pictures (H, W, 3); keywords are the metric's own settings.
METRICS: dict[str, Callable[..., float]] = {
    "psnr_mu": psnr_mu,
    "ssim_mu": ssim_mu,
    "psnr_l": psnr_l,
    "pu_psnr": pu_psnr_png16,
    "pu_ssim": pu_ssim_png16,
    "lpips": lpips_distance,
}
