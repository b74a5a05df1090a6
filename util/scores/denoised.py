"""A classical denoiser to compare low-light results with: non-local means of stabilised raw planes."""

import numpy as np
import torch
from skimage.restoration import denoise_nl_means

PATCH, DISTANCE = 5, 6  # px of the patches that are compared, and how far apart they lie at most
STRENGTH = 0.8  # filter strength in standard deviations of the noise


def non_local_means(frames: torch.Tensor, gain: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
    """The first of the amplified frames (1, T, C, h, w) without most of its noise: (1, C, h, w) in [0, 1].

    Electrons are brought to noise of deviation 1 (generalised Anscombe transformation), with read noise as
    found in the frame, and back (its asymptotically unbiased inverse). `gain`, `ratio`: (1, T), see
    util.task.CARRIED.
    """
    electron = float(gain[0, 0] * ratio[0, 0])  # value of an amplified frame
    electrons = frames[0, 0].cpu().numpy().astype(np.float64) / electron
    planes = [_denoised(plane) for plane in electrons]
    return torch.from_numpy(np.float32(np.clip(np.stack(planes) * electron, 0, 1)))[None]


def _denoised(electrons: np.ndarray) -> np.ndarray:
    """A plane (h, w) of counted electrons without most of its noise."""
    read = max(_noise_of(electrons) ** 2 - float(electrons.mean()), 0.0)  # variance
    offset = 3 / 8 + read
    stable = 2 * np.sqrt(np.maximum(electrons + offset, 0))
    sigma = _noise_of(stable)
    smooth = denoise_nl_means(
        stable, patch_size=PATCH, patch_distance=DISTANCE, h=STRENGTH * sigma, sigma=sigma, fast_mode=True
    )
    return (smooth / 2) ** 2 - 1 / 8 - read


def _noise_of(plane: np.ndarray) -> float:
    """Standard deviation of the noise of a plane: by the median of differences along diagonals (Donoho)."""
    height, width = (side // 2 * 2 for side in plane.shape)
    a, b, c, d = (plane[row:height:2, column:width:2] for row in (0, 1) for column in (0, 1))
    return float(np.median(np.abs(a - b - c + d)) / 2 / 0.6745)
