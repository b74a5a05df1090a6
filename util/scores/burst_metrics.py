"""How close the result of a burst is to its target (Deep-Rep specification, 7 and 10).

Images are float (H, W, C), C 3 or 1, in [0, 1]: linear values of 14 bits, or these as a display shows them.
Results that were aligned to a target of another camera have a plane more, which is 1 where they may be
compared with it.
"""

from collections.abc import Callable

import numpy as np
import torch

from util.scores.learned_metrics import lpips_of_values, ms_ssim
from util.scores.metrics import psnr, ssim

LEVELS = 2**14  # of published results


def codes14(image: np.ndarray) -> np.ndarray:
    """Linear values of any shape -> uint16 2^14 x, clipped to [0, 2^14] and truncated, as published."""
    return np.floor(np.clip(image, 0, 1) * np.float32(LEVELS)).astype(np.uint16)


def quantised14(image: np.ndarray) -> np.ndarray:
    """Linear values of any shape, clipped to [0, 1] and truncated to multiples of 2^-14."""
    return codes14(image).astype(np.float32) / LEVELS


def burst_psnr(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR, peak 1; of an aligned output where it is valid (NaN where it is nowhere)."""
    image, mask = _parted(output, target)
    return psnr(image, target, 1.0, mask=mask)


def burst_ssim(output: np.ndarray, target: np.ndarray) -> float:
    """SSIM, range 1, population covariance; of an aligned output where it is valid (NaN where nowhere).

    This is what the published tables call MS-SSIM.
    """
    image, mask = _parted(output, target)
    return ssim(image, target, 1.0, sample_covariance=False, mask=mask)


def burst_ms_ssim(output: np.ndarray, target: np.ndarray) -> float:
    """MS-SSIM by its usual definition, of all px; see `ms_ssim`."""
    return ms_ssim(_parted(output, target)[0], target)


def burst_lpips(output: np.ndarray, target: np.ndarray, *, device: str | torch.device = "cpu") -> float:
    """LPIPS (AlexNet) of all px, of values in [0, 1] as published, though the network is for [-1, 1]."""
    return lpips_of_values(_parted(output, target)[0], target, device=device)


def _parted(output: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """An output without its mask, and the mask (H, W) if it has one."""
    planes = target.shape[-1]
    return output[..., :planes], output[..., planes] if output.shape[-1] == planes + 1 else None


# Metrics of each kind of burst scores; keywords are the metric's own settings.
BURST_METRICS: dict[str, dict[str, Callable[..., float]]] = {
    kind: {
        f"psnr_{suffix}": burst_psnr,
        f"ssim_{suffix}": burst_ssim,
        f"ms_ssim_{suffix}": burst_ms_ssim,
        f"lpips_{suffix}": burst_lpips,
    }
    for kind, suffix in (("linear14", "14bit"), ("display", "display"), ("aligned", "aligned"))
}
