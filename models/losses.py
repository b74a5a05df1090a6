"""Losses on linear images, and the masks of SelfHDR that say where a label is believed."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from util.imaging.tonemap import mu_law

EXPANSION_THRESHOLD = 5 / 255  # of the mu-law difference; stage 1 believes the colour component below it
COLOR_THRESHOLD = 10 / 255  # the same of stage 2
KL_THRESHOLD = 0.2  # from which on both images must be for the divergence


def mu_law_l1(output: torch.Tensor, target: torch.Tensor, white: float = 16.0) -> torch.Tensor:
    """Mean |M(max(O/white, 0)) - M(clip(G/white, 0, 1))|, M = mu-law with mu 5000 (BracketIRE, section 3).

    The output is not clipped from above, so that values over `white` are pulled back.
    """
    return _mu_law_difference(output, target, white).abs().mean()


def mu_law_log_mse(output: torch.Tensor, target: torch.Tensor, white: float = 16.0) -> torch.Tensor:
    """Mean over samples (N, ...) of the natural logarithm of the mean squared difference of `mu_law_l1`.

    It is -PSNR-mu / 4.34, which so is trained for (the PSNR loss of Chen et al., "HINet", CVPR Workshops
    2021); differences below 0.001 (60 dB) count less.
    """
    difference = _mu_law_difference(output, target, white)
    return (difference.square().flatten(1).mean(1) + 1e-6).log().mean()


def _mu_law_difference(output: torch.Tensor, target: torch.Tensor, white: float) -> torch.Tensor:
    output, target = output.float() / white, target.float() / white
    return mu_law(output.clamp(min=0)) - mu_law(target.clamp(0, 1))


def log_light(light: torch.Tensor) -> torch.Tensor:
    """T(max(x, 0)) in float32, T = mu-law with mu 5000 (SelfHDR specification, 1.2).

    Published networks end in a sigmoid; of others negative results count as 0, where T is finite. The
    clamp gives them no gradient, and changes neither value nor gradient anywhere else.
    """
    return mu_law(light.float().clamp(min=0))


def masked_l1(output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean |m T(O) - m T(G)| over all elements, not over the mask alone (SelfHDR specification, 4.2).

    Args:
        output, target: linear light (N, C, H, W). mask: m in [0, 1], (N, C or 1, H, W).
    """
    return (mask * (log_light(output) - log_light(target))).abs().mean()


def preserving_mask(coded: torch.Tensor) -> torch.Tensor:
    """W = 1 - |2 I - 1| of a gamma-coded frame I in [0, 1], of its shape: 0 where it is black or clipped.

    SelfHDR specification, 4.1.
    """
    return torch.where(coded < 0.5, 2 * coded, 2 - 2 * coded)


def expansion_mask(label: torch.Tensor, reference: torch.Tensor, preserving: torch.Tensor) -> torch.Tensor:
    """1 where the colour component does not contradict the reference frame, else 0 (SelfHDR, 4.1).

    Where the reference is black or clipped it contradicts nothing.

    Args:
        label, reference: linear light (N, C, H, W). preserving: `preserving_mask` of the reference.

    Returns:
        (N, 1, H, W) without gradient: 1 where the mean over channels of the weighted mu-law difference is
        below 5/255.
    """
    difference = (log_light(label) * preserving - log_light(reference) * preserving).abs()
    return _below(difference, EXPANSION_THRESHOLD)


def color_mask(label: torch.Tensor, structure: torch.Tensor) -> torch.Tensor:
    """1 where the colour component agrees with the structure component, else 0 (SelfHDR, 5.2).

    Args:
        label, structure: linear light (N, C, H, W).

    Returns:
        (N, 1, H, W) without gradient: 1 where the mean over channels of the mu-law difference is below
        10/255.
    """
    return _below((log_light(label) - log_light(structure)).abs(), COLOR_THRESHOLD)


def _below(difference: torch.Tensor, threshold: float) -> torch.Tensor:
    return (difference.mean(1, keepdim=True) < threshold).to(difference).detach()


def kl(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean Kullback-Leibler divergence of Poisson laws where both images are 0.2 or more, else of |O - G|.

    ExposureDiffusion specification, 2.5.
    """
    bright = (output >= KL_THRESHOLD) & (target >= KL_THRESHOLD)
    ratio = torch.where(bright, output, 1.0) / torch.where(bright, target, 1.0)  # no NaN in the gradient
    divergence = output * ratio.log() + target - output
    return torch.where(bright, divergence, (output - target).abs()).mean()


# Of linear images in [0, 1].
FIDELITY: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "kl": kl,
}


def branch_l1(
    direct: torch.Tensor, by_residual: torch.Tensor, mask: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Mean error of both branches of an adaptive head, each where its mask (N, 1, H, W) trusts it.

    ExposureDiffusion specification, 2.5; the mask learns from it too.
    """
    return ((direct - target).abs() * mask + (by_residual - target).abs() * (1 - mask)).mean()
