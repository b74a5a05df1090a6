"""What networks for bursts share: alignment with the base, the base first, what is known of the noise."""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn

from models.networks.flow.burst_flow import create_alignment, flow_view
from models.networks.flow.pwcnet import PWCNet
from models.networks.flow.raft_flow import RaftFlow
from models.networks.parts.precision import full_precision

PRETRAINED = {"pwcnet": PWCNet, "raft": RaftFlow}
CONTEXT = 16  # px around a tile beyond motion: the convolutions' effective reach
SHOT_NOISE, READ_NOISE = (
    0.0024,
    1.8e-5,
)  # of brackets that say nothing else: variance y shot + read of values y
CLIPPED = 0.98  # of the white level: from here on a measured value may be cut off


class BurstNetwork(nn.Module):
    """A network that aligns all frames with one of them, the base, by optical flow.

    Attributes:
        alignment_part: submodule with the flow network, which `flow_from_base` tells how to use.
    """

    usual_tile = 160  # px: features of all frames of a tile are kept
    pretrained_parts: ClassVar[dict] = {name: kind.published_name for name, kind in PRETRAINED.items()}
    alignment_part = "alignment_net.alignment_net"
    flow_from_base = False  # whether flow lies on the base's grid, and points into the frames
    needs: tuple[str, ...] = ()
    bracketed = False
    reference = 0

    def part(self, name: str) -> nn.Module | None:
        """The network of this name in PRETRAINED, if that is what aligns."""
        return self.alignment if isinstance(self.alignment, PRETRAINED[name]) else None

    @classmethod
    def alignment_of(cls, state: dict[str, torch.Tensor]) -> str:
        """Which alignment a state dict is of."""
        names = [name.removeprefix(f"{cls.alignment_part}.") for name in state if cls.alignment_part in name]
        if not names:
            return "dis"  # which has no weights
        if any(name.startswith("net.feature_encoder") for name in names):
            is_large = any(name.startswith("net.mask_predictor") for name in names)
            return "raft_large" if is_large else "raft_small"
        return "pwcnet" if names[0].startswith("net.net") else "pyramid"

    def ordered(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, T, ...) with the base first."""
        if self.reference >= frames.shape[1]:
            raise ValueError(f"the reference, frame {self.reference}, is not among {frames.shape[1]} frames")
        if self.reference == 0:
            return frames
        before, base = frames[:, : self.reference], frames[:, self.reference, None]
        return torch.cat((base, before, frames[:, self.reference + 1 :]), dim=1)

    @property
    def alignment(self) -> nn.Module:
        """The flow network."""
        return self.get_submodule(self.alignment_part)

    def flow_of(self, frames: torch.Tensor, tell: Callable[[float], None] | None = None) -> torch.Tensor:
        """Flow (N, T-1, 2, H, W) in px between the first of frames (N, T, C, H, W), the base, and others."""
        view = flow_view(frames, self.bracketed or getattr(self.alignment, "gamma_coded", False))
        compute = self.alignment.from_base if self.flow_from_base else self.alignment.into_base
        with full_precision(frames):  # a px is too fine for half precision
            return compute(view, tell) if tell else compute(view)

    @staticmethod
    def halo(flow: torch.Tensor, **facts: torch.Tensor) -> int:
        """Px around a tile that restoring it asks for, from the flow (..., 2, h, w) inside it."""
        motion = float(flow.abs().amax()) if flow.numel() else 0.0
        return math.ceil(motion) + CONTEXT

    def noise_of(
        self, frames: torch.Tensor, exposure: torch.Tensor | None, noise_map: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Deviation of the noise of each value of normalised frames (N, T, C, H, W), as far as it is known.

        Of brackets that do not tell it, that of a phone near ISO 1600.
        """
        if noise_map is None and self.bracketed:
            times = _per_frame(exposure, frames)
            return (SHOT_NOISE * (frames * times).clamp(min=0) + READ_NOISE).sqrt() / times
        if noise_map is None:
            return None
        noise = noise_map if noise_map.dim() == frames.dim() else noise_map[:, None]
        return noise.to(frames).expand_as(frames)

    def told(
        self, frames: torch.Tensor, exposure: torch.Tensor | None, noise: torch.Tensor | None
    ) -> torch.Tensor | None:
        """What the certainty is told of each frame, (N, T, c, H, W): its noise; of brackets, what clips."""
        if not self.bracketed:
            return noise if "noise_map" in self.needs else None
        clipped = (frames * _per_frame(exposure, frames) >= CLIPPED).to(frames)
        return torch.cat((noise, clipped), dim=2)


def _per_frame(exposure: torch.Tensor | None, frames: torch.Tensor) -> torch.Tensor:
    """Exposures (N, T) for frames (N, T, C, H, W); without any, all are 1."""
    if exposure is None:
        return frames.new_ones(1, 1, 1, 1, 1)
    return exposure.to(frames)[..., None, None, None]


class Alignment(nn.Module):
    """The place of a flow network among the names of published weights."""

    def __init__(self, alignment: str, planes: int, published: bool) -> None:
        super().__init__()
        self.alignment_net = create_alignment(alignment, planes, published)
