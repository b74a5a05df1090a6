"""Optical flow of bursts without weights: DIS (Kroeger et al., ECCV 2016) on noisy frames."""

import cv2
import numpy as np
import torch
from torch import nn

from models.networks.flow.dis_flow import _consistent, _dis, _followed, _proven
from models.networks.flow.pair_flow import Tell

WHITE = 0.995  # quantile of the light that is white in views
BLUR = 0.8  # px, standard deviation of the blur of views


class DisFlow(nn.Module):
    """Flow between frames of one exposure, without gradients; see PairFlow for the grids."""

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> flow (N, 2, H, W) in px on the target's grid into the source."""
        return self.from_base(torch.stack((target, source), dim=1))[:, 0]

    def into_base(self, frames: torch.Tensor, tell: Tell | None = None) -> torch.Tensor:
        """Frames (N, T, C, H, W) -> flow (N, T-1, 2, H, W) on the grids of frames 1 .. into frame 0."""
        return self._of_bursts(frames, False, tell)

    def from_base(self, frames: torch.Tensor, tell: Tell | None = None) -> torch.Tensor:
        """Frames (N, T, C, H, W) -> flow (N, T-1, 2, H, W) on the grid of frame 0 into frames 1 .."""
        return self._of_bursts(frames, True, tell)

    @torch.no_grad()
    def _of_bursts(self, frames: torch.Tensor, base_is_target: bool, tell: Tell | None) -> torch.Tensor:
        number, count, size = len(frames), frames.shape[1], frames.shape[-2:]
        if frames.is_meta:  # multiply-adds are counted
            return frames.new_zeros(number, count - 1, 2, *size)
        flows = np.zeros((number, count - 1, *size, 2), np.float32)
        for sample, light in enumerate(frames.float().mean(2).cpu().numpy()):
            views, noise = _views(light)
            for other in range(1, count):
                pair = (views[0], views[other]) if base_is_target else (views[other], views[0])
                flows[sample, other - 1] = _flow(*pair, noise)
                if tell:
                    tell((sample * (count - 1) + other) / (number * (count - 1)))
        return torch.from_numpy(flows).permute(0, 1, 4, 2, 3).contiguous().to(frames.device)


def _flow(target: np.ndarray, source: np.ndarray, noise: float) -> np.ndarray:
    """Flow (H, W, 2) between views (H, W) with noise of this variance."""
    flow = _consistent(_proven(_dis(target, source), target, source), _dis(source, target))
    return _followed(flow, target, noise)


def _views(light: np.ndarray) -> tuple[list[np.ndarray], float]:
    """Gray frames (T, H, W) as 8-bit codes of their square roots, and the variance of noise in these."""
    white = max(float(np.quantile(light[0], WHITE)), 1e-6)
    views = []
    for frame in light:
        soft = cv2.GaussianBlur(np.clip(frame / white, 0, 1), (0, 0), BLUR)
        views.append(np.round(255 * np.sqrt(soft)).astype(np.uint8))
    first = 255 * np.sqrt(np.clip(light[0] / white, 0, 1))
    a, b, c, d = first[:-1, :-1], first[:-1, 1:], first[1:, :-1], first[1:, 1:]
    deviation = float(np.median(np.abs(a - b - c + d))) / 2 / 0.6745  # of white noise (Donoho)
    return views, deviation**2 / (4 * np.pi * BLUR**2)
