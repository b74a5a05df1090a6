"""How close a linear image is to its target, as HDR papers score radiance (SelfHDR specification, 9).

Images are float (H, W, 3), linear, 1 = white. They come as test.py renders light: negatives are 0, what is
brighter than white is left as it is, and clipped only where a metric says so.
"""

from collections.abc import Callable

import numpy as np

from util.imaging.tonemap import mu_law
from util.scores.learned_metrics import color_video_vdp
from util.scores.metrics import psnr, pu_psnr, pu_ssim, ssim


def psnr_l(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR of two linear images, peak 1, all channels together."""
    return psnr(output, target, 1.0)


def psnr_mu(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR of two linear images after the mu-law, peak 1; neither is clipped here."""
    return psnr(mu_law(output), mu_law(target), 1.0)


def ssim_l(output: np.ndarray, target: np.ndarray) -> float:
    """SSIM of two linear images times 255, clipped to 0..255 but not rounded; population covariance."""
    return _ssim255(output, target)


def ssim_mu(output: np.ndarray, target: np.ndarray) -> float:
    """SSIM of two linear images after the mu-law, as `ssim_l`."""
    return _ssim255(mu_law(output), mu_law(target))


def _ssim255(output: np.ndarray, target: np.ndarray) -> float:
    clipped = (np.clip(255 * image, 0, 255) for image in (output, target))
    return ssim(*clipped, 255.0, sample_covariance=False)


# Functions of two linear images; keywords are the metric's own settings.
RADIANCE_METRICS: dict[str, Callable[..., float]] = {
    "psnr_l": psnr_l,
    "psnr_mu": psnr_mu,
    "ssim_l": ssim_l,
    "ssim_mu": ssim_mu,
    "pu_psnr": pu_psnr,
    "pu_ssim": pu_ssim,
    "cvvdp": color_video_vdp,
}
