"""How close HDR from one shot with rows exposed in turn is to its target (SVEHDRI specification, 8).

Images are linear camera RGB, float (H, W, 3), on the scale at which the short exposure clips at 1; both are
clipped to [0, 1] here. A target has two planes more: which px the shot tells of itself, 1 where it is trusted
and 0 where a network has to recover it, and which are valid, 0 where the truth is unknown. The name of a
metric ends with "recovered" or "trusted" where it is of these px alone.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from util.imaging.tonemap import mu_law
from util.scores.metrics import PU21_PEAK, psnr, pu21_encode, ssim

WELL_EXPOSED = (0.02, 0.98)  # measured values between which px are trusted, as by the usual guidance mask
TRUSTED = 0.5  # of a soft mask from here on
REGIONS = ("", "recovered", "trusted")
PLANES = 5  # of a target

# Images (H, W, 3) in [0, 1] and where they are compared, bool (H, W) -> a number; NaN where nowhere.
Compare = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def trust(frames: torch.Tensor, exposure: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """How far each px of a shot is trusted, (N, 1, H, W): its mask, where the measured value is well exposed.

    So runs without a mask are compared on the same px as those with one.

    Args:
        frames: (N, 2, 1, H, W), divided by their exposures (N, 2). mask: guidance (N, 1, H, W).
    """
    values = (frames * exposure.to(frames)[..., None, None, None]).sum(1)
    low, high = WELL_EXPOSED
    return mask.to(frames) * ((values > low) & (values < high))


def target_planes(truth: torch.Tensor, trusted: torch.Tensor, valid: torch.Tensor | None) -> np.ndarray:
    """A target (1, 3, H, W), `trust` (1, 1, H, W), and where it is valid if not everywhere: (H, W, 5)."""
    valid = torch.ones_like(trusted) if valid is None else valid
    planes = (truth, trusted >= TRUSTED, valid)
    return torch.cat([part.float().cpu() for part in planes], dim=1)[0].permute(1, 2, 0).numpy()


def _psnr(output: np.ndarray, target: np.ndarray, where: np.ndarray) -> float:
    return psnr(output, target, 1.0, mask=where)


def _psnr_mu(output: np.ndarray, target: np.ndarray, where: np.ndarray) -> float:
    return psnr(mu_law(output), mu_law(target), 1.0, mask=where)


def _ssim_mu(output: np.ndarray, target: np.ndarray, where: np.ndarray) -> float:
    """Population covariance, as for radiance; the mean over the windows whose middle is compared."""
    return ssim(mu_law(output), mu_law(target), 1.0, sample_covariance=False, mask=where)


def _angle(output: np.ndarray, target: np.ndarray, where: np.ndarray) -> float:
    """Mean angle between colours in degrees, without px that are black in the target; lower is better.

    A black result has no colour: it is at 90 degrees.
    """
    where = where & (target > 0).any(axis=-1)
    if not where.any():
        return float("nan")
    result, label = (image[where].astype(np.float64) for image in (output, target))
    lengths = np.linalg.norm(result, axis=-1) * np.linalg.norm(label, axis=-1)
    cosine = (result * label).sum(-1) / np.maximum(lengths, 1e-12)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def _pu_psnr(
    output: np.ndarray, target: np.ndarray, where: np.ndarray, *, peak_luminance: float = 1000.0
) -> float:
    return psnr(*(pu21_encode(image * peak_luminance) for image in (output, target)), PU21_PEAK, mask=where)


def guided(
    output: np.ndarray, target: np.ndarray, *, compare: Compare, region: str, **settings: float
) -> float:
    """A comparison of an output (H, W, 3) with a target (H, W, 5) over the valid px of a region.

    Args:
        region: one of REGIONS, "" = all. settings: the comparison's own.
    """
    trusted, where = (target[..., plane] != 0 for plane in (3, 4))
    if region:
        where = where & (trusted if region == "trusted" else ~trusted)
    return compare(np.clip(output, 0, 1), np.clip(target[..., :3], 0, 1), where, **settings)


# Functions of an output and a target with its planes; keywords are the metric's own settings.
GUIDED_METRICS: dict[str, Callable[..., float]] = {
    f"{name}_{region}".rstrip("_"): partial(guided, compare=compare, region=region)
    for region in REGIONS
    for name, compare in {"psnr_l": _psnr, "psnr_mu": _psnr_mu, "ssim_mu": _ssim_mu, "angle": _angle}.items()
} | {"pu_psnr": partial(guided, compare=_pu_psnr, region="")}
