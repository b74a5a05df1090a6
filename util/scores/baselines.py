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
    mean, total = torch.zeros_like(frames[:, 0]), torch.zeros_like(frames[:, 0, :1])
    exposures = exposure.to(frames)[..., None, None, None]
    for frame, own in zip(frames.unbind(1), exposures.unbind(1), strict=True):  # one by one: they are large
        weight = own * (frame * own < CLIPPED).all(1, keepdim=True)  # a cell is clipped as a whole
        total += weight
        mean.addcmul_(weight, frame)
    mean /= total.clamp(min=1e-12)
    return _enlarged(torch.where(total > 0, mean, frames[:, 0]), scale)


def bicubic(frames: torch.Tensor, scale: int = 8) -> torch.Tensor:
    """The first of packed raw frames (N, T, 4, H, W) as camera RGB (N, 3, sH, sW), colour by colour bicubic.

    Each plane is enlarged from where its samples lie: px i of the result is at i * 2 / scale of the mosaic.
    """
    size = tuple(scale * side for side in frames.shape[-2:])
    planes = [
        F.grid_sample(
            frames[:, 0, plane : plane + 1],
            _sites(site, frames.shape[-2:], size).to(frames).expand(len(frames), -1, -1, -1),
            mode="bicubic",
            padding_mode="border",
            align_corners=True,
        )
        for plane, site in enumerate(((0, 0), (0, 1), (1, 0), (1, 1)))
    ]
    return torch.cat((planes[0], (planes[1] + planes[2]) / 2, planes[3]), dim=1)


def _sites(site: tuple[int, int], size: tuple[int, int], enlarged: tuple[int, int]) -> torch.Tensor:
    """Where px of an enlarged image are in a plane of `size` whose first sample is at `site` of the mosaic.

    As PyTorch counts with aligned corners, (1, H, W, 2).
    """
    y, x = (
        (torch.arange(many) * (2 * side / many) - offset) / max(side - 1, 1) - 1
        for offset, side, many in zip(site, size, enlarged, strict=True)
    )
    return torch.stack(torch.broadcast_tensors(x[None], y[:, None]), dim=-1)[None]


def burst_average(frames: torch.Tensor) -> torch.Tensor:
    """Mean of the frames (N, T, C, H, W) where they are: what holding still would give."""
    return frames.mean(1)


def _enlarged(image: torch.Tensor, scale: int) -> torch.Tensor:
    if scale == 1:
        return image
    return F.interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)


BASELINES = {"shortest bracket": shortest_bracket, "exposure average": exposure_average}
