"""What the networks of HDR from LDR exposures share: each frame is given twice, linear and gamma-coded."""

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.blocks import PixelShufflePack, run_part

GAMMA = 2.2  # of the frames' second view (SelfHDR specification, 1.1)
DARK = -5.0  # logit; raw brackets reach far above most of their light


def exposure_pairs(frames: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
    """Frames (N, T, C, H, W) on the scale on which the shortest clips at 1 -> (N, T, 2C, H, W).

    The light of each frame, then what was measured, gamma-coded: clip(light * exposure, 0, 1)^(1/2.2), where
    `exposure` (N, T) is relative to the shortest.
    """
    measured = frames * exposure.to(frames)[..., None, None, None]
    return torch.cat((frames, measured.clamp(0, 1) ** (1 / GAMMA)), dim=2)


def conv_of_parts(conv: nn.Conv2d, parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """`conv(torch.cat(parts, 1))` without the concatenation, in float32.

    Parts may be made one after the other: each is freed before the next.
    """
    total, start = None, 0
    for part in parts:
        weight = conv.weight[:, start : start + part.shape[1]]
        bias = conv.bias if start == 0 else None
        share = F.conv2d(part, weight, bias, conv.stride, conv.padding, conv.dilation).float()
        total = share if total is None else total.add_(share)
        start += part.shape[1]
        del part, share
    return total


def upsampling(in_channels: int, channels: int, scale: int) -> nn.Sequential:
    """Sub-pixel convolutions with leaky ReLU, each by 2, before the last convolution; none for scale 1."""
    layers = nn.Sequential()
    for _ in range(int(math.log2(scale))):
        layers.extend([PixelShufflePack(in_channels, channels, 2), nn.LeakyReLU(0.1, inplace=True)])
        in_channels = channels
    return layers


def start_dark(last: nn.Conv2d) -> None:
    """Let results of raw brackets start dark; three planes start as published, by PyTorch's initialisation.

    From the middle of (0, 1), some hundred times too bright for them, the first steps drive AHDRNet and FSHDR
    into the dark end of the sigmoid, where there is no gradient to come back by.
    """
    if last.out_channels != 3:
        nn.init.constant_(last.bias, DARK)


class PairNetwork(nn.Module):
    """A network of a fixed number of frames whose result lies in (0, 1); a subclass restores the pairs.

    Light is scaled so that the shortest frame clips at 1, and the result is scaled back.

    Args:
        num_frames: frames, exactly. reference: number of the frame that the result shows.
        in_channels, out_channels: planes of a frame and of the result.
        bgr: the planes are given to the network in reverse order, as published weights expect it.

    Attributes:
        gradient_checkpointing: in training, keep less for the backward pass and compute it again.
    """

    exact_frames = True
    published_name = "SelfHDR"
    published_arguments: ClassVar[dict[str, Any]] = {
        "num_frames": 3,
        "in_channels": 3,
        "reference": 1,
        "bgr": True,
    }

    def __init__(
        self, num_frames: int, in_channels: int, out_channels: int, scale: int, reference: int, bgr: bool
    ) -> None:
        super().__init__()
        if num_frames < 2:
            raise ValueError("it merges 2 frames or more")
        if not 0 <= reference < num_frames:
            raise ValueError(f"of {num_frames} frames, frame {reference} cannot be the reference")
        if bgr and in_channels != 3:
            raise ValueError(f"bgr is the order of 3 colours, not of {in_channels} planes")
        if scale < 1 or scale & (scale - 1):
            raise ValueError(f"scale must be a power of 2, not {scale}")
        self.max_frames, self.scale, self.reference, self.bgr = num_frames, scale, reference, bgr
        self.gradient_checkpointing = False

    def forward(self, frames: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
        """Frames (N, T, C, H, W), divided by their exposures (N, T) -> (N, C', sH, sW) on the same scale."""
        if frames.shape[1] != self.max_frames:
            raise ValueError(
                f"{frames.shape[1]} frames for a {type(self).__name__} of exactly {self.max_frames}"
            )
        exposure = exposure.to(frames)
        peak = exposure.amin(1)  # 1 / peak is the light at which the shortest frame clips
        scale = peak[:, None, None, None]
        pairs = exposure_pairs(frames * scale[:, None], exposure / peak[:, None])
        if self.bgr:
            pairs = pairs.unflatten(2, (2, 3)).flip(3).flatten(2, 3)
        result = self.restore_pairs(pairs).float()
        return (result.flip(1) if self.bgr else result) / scale

    def restore_pairs(self, pairs: torch.Tensor) -> torch.Tensor:
        """Pairs (N, T, 2C, H, W) of `exposure_pairs` -> (N, C', sH, sW) in (0, 1)."""
        raise NotImplementedError

    def run(self, part: Callable[..., Any], *inputs: torch.Tensor) -> Any:
        """The result of a part of the network, kept or computed again for the backward pass."""
        return run_part(self, part, *inputs)
