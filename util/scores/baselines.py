"""What needs no network: results to compare restored images with."""

import torch
import torch.nn.functional as F

CLIPPED = 0.98  # of the white level: from here on a measured value may be cut off


def shortest_bracket(frames: torch.Tensor, exposure: torch.Tensor, scale: int = 1) -> torch.Tensor:
    """The first of the normalised frames (N, T, C, H, W), enlarged bilinearly: (N, C, sH, sW)."""
    return _enlarged(frames[:, 0], scale)


def reference_frame(
    frames: torch.Tensor, exposure: torch.Tensor, scale: int = 1, reference: int = 0
) -> torch.Tensor:
    """Number `reference` of the normalised frames (N, T, C, H, W), enlarged bilinearly: (N, C, sH, sW)."""
    return _enlarged(frames[:, reference], scale)


def exposure_average(frames: torch.Tensor, exposure: torch.Tensor, scale: int = 1) -> torch.Tensor:
    """Mean of the normalised frames that are not clipped, weighted by exposure: (N, C, sH, sW).

    For photons that is the best estimate of a scene in which nothing moves (Poisson noise). Where every
    frame is clipped, it is the shortest one. `exposure` is (N, T).
    """
    exposure = exposure.to(frames)[..., None, None, None]
    weight = exposure * (frames * exposure < CLIPPED).all(2, keepdim=True)  # a cell is clipped as a whole
    total = weight.sum(1)
    mean = (weight * frames).sum(1) / total.clamp(min=1e-12)
    return _enlarged(torch.where(total > 0, mean, frames[:, 0]), scale)


def _enlarged(image: torch.Tensor, scale: int) -> torch.Tensor:
    if scale == 1:
        return image
    return F.interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)


BASELINES = {"shortest bracket": shortest_bracket, "exposure average": exposure_average}
