"""Optical flow between images, and between the frames of a burst and its base."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

MULTIPLE = 64  # px of which the sides of images are made multiples
UNIT = 20.0  # px of flow that networks count as one
AT_ONCE = 2**20  # px of frames whose flow is computed at once

Features = list[torch.Tensor]
Tell = Callable[[float], None]


class PairFlow(nn.Module):
    """A network for the flow between two images (Deep-Rep specification, 2.4).

    A subclass has `features` of images, whose sides are multiples of 64, and `between` features. `forward`
    gives flow on the grid of the target that points into the source: warp(source, flow) ~ target.

    Attributes:
        gamma_coded: whether frames, which are linear, are gamma-coded for it.
    """

    gamma_coded = False

    def view(self, images: torch.Tensor) -> torch.Tensor:
        """What it looks at of images (..., C, H, W): colours, as pictures have them."""
        return colours(images)

    def fitted(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) as `features` takes them, of sides that fit."""
        return resized(images)

    def in_px(self, flow: torch.Tensor, size: torch.Size) -> torch.Tensor:
        """Flow of fitted images, as `between` gives it -> (N, 2, H, W) in px of images of `size`."""
        return in_px(flow, size)

    def features(self, images: torch.Tensor) -> Features:
        """Features (N, C, h, w), a list, of images (N, C, H, W)."""
        raise NotImplementedError

    def between(self, target: Features, source: Features) -> torch.Tensor:
        """Flow (N, 2, h, w), at any resolution, in UNIT px of the images."""
        raise NotImplementedError

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> flow (N, 2, H, W) in px, x first."""
        prepared = [self.features(self.fitted(self.view(image))) for image in (source, target)]
        return self.in_px(self.between(prepared[1], prepared[0]), source.shape[-2:])

    def into_base(self, frames: torch.Tensor, tell: Tell | None = None) -> torch.Tensor:
        """Frames (N, T, C, H, W) -> flow (N, T-1, 2, H, W) on the grids of frames 1 .. into frame 0.

        `tell` is told which part is done.
        """
        return self._of_burst(frames, False, tell)

    def from_base(self, frames: torch.Tensor, tell: Tell | None = None) -> torch.Tensor:
        """Frames (N, T, C, H, W) -> flow (N, T-1, 2, H, W) on the grid of frame 0 into frames 1 .."""
        return self._of_burst(frames, True, tell)

    def _of_burst(self, frames: torch.Tensor, base_is_target: bool, tell: Tell | None) -> torch.Tensor:
        """All flows of a burst, of small frames many at once; features of the base are computed once."""
        number, others, size = len(frames), frames.shape[1] - 1, frames.shape[-2:]
        if others == 0:
            return frames.new_zeros(number, 0, 2, *size)
        frames = self.view(frames)
        base, flows = self.features(self.fitted(frames[:, 0])), []
        at_once = max(1, AT_ONCE // (number * size[0] * size[1]))
        for part in frames[:, 1:].split(at_once, dim=1):
            count = part.shape[1]
            repeated = [level[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1) for level in base]
            own = self.features(self.fitted(part.flatten(0, 1)))
            target, source = (repeated, own) if base_is_target else (own, repeated)
            flows.append(self.in_px(self.between(target, source), size).unflatten(0, (number, count)))
            if tell:
                tell(sum(flow.shape[1] for flow in flows) / others)
        return torch.cat(flows, dim=1)


def resized(images: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) enlarged so that both sides are multiples of 64 px."""
    size = [side + -side % MULTIPLE for side in images.shape[-2:]]
    return F.interpolate(images.float(), size=size, mode="bilinear", align_corners=False)


def in_px(flow: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Flow (N, 2, h, w) of enlarged images in UNIT px -> (N, 2, H, W) in px of the images of `size`."""
    flow = F.interpolate(flow.float(), size=tuple(size), mode="bilinear", align_corners=False)
    across, down = (UNIT * side / (side + -side % MULTIPLE) for side in (size[1], size[0]))
    return torch.cat((across * flow[:, :1], down * flow[:, 1:]), dim=1)


def colours(frames: torch.Tensor) -> torch.Tensor:
    """Frames (..., C, H, W) as a network for pictures sees them, (..., 3, H, W): linear, as they are.

    Packed raw as red, mean of the greens, blue; gray three times (Deep-Rep specification, 2.4).
    """
    planes = frames.shape[-3]
    if planes == 3:
        return frames
    if planes == 4:
        red, green1, green2, blue = frames.unbind(-3)
        return torch.stack((red, (green1 + green2) / 2, blue), dim=-3)
    return frames.mean(-3, keepdim=True).expand(*frames.shape[:-3], 3, -1, -1)
