"""A classical merge of raw bursts on a finer grid: what a network must beat, and what needs no weights.

After Wronski et al., "Handheld multi-frame super-resolution", SIGGRAPH 2019: frames are aligned to a fraction
of a px, those that show something else are left out place by place, and the samples of all the others meet in
kernels that follow edges and are wide where there is only noise.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.exposure_merge import ExposureMerge
from models.networks.flow.dis_pairs import DisFlow
from models.networks.flow.refined_flow import gradients, refined, smoothed
from models.networks.parts.kernel_regression import COLOURS, REACH, SITES, Aligned, regressed
from models.networks.parts.precision import full_precision
from models.networks.parts.warp import warp

SAME, OTHER = 4.0, 8.0  # squared difference against what is expected: up to here the same, from here another
ALIASED = 0.05  # share of the local variance by which frames differ as their grids lie differently
SHARP = (0.15, 0.3)  # px of the mosaic: width of the kernel on detail for many frames, and more for one
SMOOTH = 0.8  # px of the mosaic: width of the kernel where there is noise only
DETAIL = (4.0, 16.0)  # squared gradient against that of noise: from nothing to detail
FAITHFUL = 5  # px, side of the mean from which the power of what is left over is known
NOISY = 1.3  # share of the variance of noise that is taken off it
STRAIGHT = 0.02  # share of an edge's squared gradient that is not taken for detail along it


class BurstMerge(nn.Module):
    """Merges any number of packed raw frames of one exposure, in the place of the reference.

    Args:
        scale: of the result against the packed planes: 8 is x4 of the mosaic, 2 its own size. With 1 the
            result is the planes of the reference, without noise.
        out_channels: 3, camera RGB, or 4, the same as planes R, G, G, B.
        reference: number of the frame that the result shows.
        bracketed: whether frames differ in exposure; such are refused.
        shot_noise, read_noise: as of ExposureMerge, for data without a `noise_map`.

    Raises:
        ValueError: brackets; scale and planes that do not go together; as ExposureMerge.
    """

    trained = False
    planes = (4,)
    scales = (1, 2, 4, 8)

    def __init__(
        self,
        scale: int = 8,
        out_channels: int = 3,
        reference: int = 0,
        bracketed: bool = False,
        shot_noise: float = 0.0024,
        read_noise: float = 1.8e-5,
    ) -> None:
        super().__init__()
        if bracketed:
            raise ValueError("it merges frames of one exposure, exposure_merge is for brackets")
        if scale == 1 and out_channels != 4:
            raise ValueError("at scale 1 a burst is merged to its 4 planes")
        self.scale, self.out_channels, self.reference = scale, out_channels, reference
        self.merge = ExposureMerge(1, reference, shot_noise, read_noise)
        self.alignment = DisFlow()

    @torch.no_grad()
    def whole_frame(
        self,
        frames: torch.Tensor,
        noise_map: torch.Tensor | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> dict[str, torch.Tensor]:
        """What tiles are given of frames (N, T, 4, H, W); `tell` is told which part of the frames is done.

        "flow" (N, T-1, 2, H, W): from the reference to the others, in px of the planes; "trust"
        (N, T-1, H, W): weight 0..1 of each of these; "kernel" (N, 3, H, W): see Aligned; at scale 1
        "deviation" (N, 4, H, W): of the noise of the reference.
        """
        frames = self._ordered(frames.float())
        with full_precision(frames):
            noise = self._noise_maps(frames) if noise_map is None else self._ordered(noise_map.float())
            flow = self.alignment.from_base(frames, tell)
            found = [self._looked_at(*sample) for sample in zip(frames, noise, flow, strict=True)]
        flows, trusts, kernels = zip(*found, strict=True)
        known = {"flow": torch.stack(flows), "trust": torch.stack(trusts), "kernel": torch.stack(kernels)}
        return known | ({"deviation": noise[:, 0]} if self.scale == 1 else {})

    @staticmethod
    def halo(flow: torch.Tensor, **facts: torch.Tensor) -> int:
        """Px around a tile that merging it asks for, from the flow (..., 2, h, w) inside it."""
        return math.ceil(float(flow.abs().amax()) if flow.numel() else 0.0) + REACH

    def forward(
        self,
        frames: torch.Tensor,
        noise_map: torch.Tensor | None = None,
        window: tuple[int, int, int, int] | None = None,
        **known: torch.Tensor,
    ) -> torch.Tensor:
        """Frames (N, T, 4, H, W) -> (N, out_channels, scale H, scale W) on the same scale.

        Args:
            noise_map: standard deviation of the noise, like frames; None: it is measured on each frame.
            window: (top, left, height, width) if `frames` is a tile of larger frames, all in px of `frames`.
            known: `whole_frame(frames, noise_map)`, if it is already known.
        """
        known = known or self.whole_frame(frames, noise_map)
        frames = self._ordered(frames.float())
        flow = F.pad(known["flow"], (0, 0, 0, 0, 0, 0, 1, 0))  # the reference is where it is
        trust = F.pad(known["trust"], (0, 0, 0, 0, 1, 0), value=1.0)
        with full_precision(frames):
            samples = zip(frames, flow, trust, known["kernel"], strict=True)
            merged = torch.stack([regressed(Aligned(*sample), max(self.scale, 2)) for sample in samples])
        if self.scale == 1:
            return faithful(mosaic_of(merged), frames[:, 0], known["deviation"])
        return (merged if self.out_channels == 3 else merged[:, [0, 1, 1, 2]]).clamp(min=0)

    def _ordered(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, T, ...) with the reference first."""
        if self.reference >= frames.shape[1]:
            raise ValueError(f"the reference, frame {self.reference}, is not among {frames.shape[1]} frames")
        order = sorted(range(frames.shape[1]), key=lambda number: number != self.reference)
        return frames[:, order] if self.reference else frames

    def _noise_maps(self, frames: torch.Tensor) -> torch.Tensor:
        """Standard deviation of the noise of frames (N, T, 4, H, W), as measured on each of them."""
        one = torch.ones(frames.shape[1])
        factors = torch.stack([self.merge.noise_factors(sample.cpu(), one) for sample in frames])
        level = F.avg_pool2d(frames.flatten(0, 1), 3, 1, 1, count_include_pad=False).view(frames.shape)
        variance = self.merge.shot_noise * level.clamp(min=0) + self.merge.read_noise
        return (factors.to(frames)[..., None, None, None] * variance).sqrt()

    def _looked_at(
        self, frames: torch.Tensor, noise: torch.Tensor, flow: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of one sample (T, 4, H, W), with a first flow (T-1, 2, H, W): flow, trust and kernel."""
        light = frames.mean(1, keepdim=True)
        variance = noise[0].square().mean(0)[None, None] / frames.shape[1]  # of light, (1, 1, H, W)
        flows, trusts = [], []
        merged, weight = light[:1].clone(), torch.ones_like(light[:1])
        for other, own, first in zip(frames[1:], noise[1:], flow, strict=True):
            gray = other.mean(0)[None, None]
            found = refined(light[:1], gray, first[None], variance.mean())
            same = trust(frames[0], warp(other[None], found, "border")[0], noise[0], own)
            merged += same * warp(gray, found, "border")
            weight += same
            flows.append(found[0])
            trusts.append(same)
        shape = kernel(merged / weight, variance / weight, weight)
        none = frames.new_zeros(0, *frames.shape[-2:])
        flow = torch.stack(flows) if flows else flow
        return flow, torch.stack(trusts) if trusts else none, shape


def mosaic_of(image: torch.Tensor) -> torch.Tensor:
    """The packed planes (N, 4, H, W) of camera RGB (N, 3, 2H, 2W)."""
    planes = [
        image[:, colour, row::2, column::2] for colour, (row, column) in zip(COLOURS, SITES, strict=True)
    ]
    return torch.stack(planes, dim=1)


def faithful(merged: torch.Tensor, frame: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """Merged planes (N, 4, H, W) with what the frame shows besides them and its noise does not explain.

    The rest is weighted as by Wiener, with its power around a px.
    """
    rest = frame - merged
    power = F.avg_pool2d(rest.square(), FAITHFUL, 1, FAITHFUL // 2, count_include_pad=False)
    return merged + rest * (1 - NOISY * deviation.square() / power.clamp(min=1e-12)).clamp(min=0)


def trust(base: torch.Tensor, other: torch.Tensor, *noise: torch.Tensor) -> torch.Tensor:
    """Whether an aligned frame (4, H, W) shows the same as the base: 1, or 0 where it does not, (H, W).

    Local means are compared with what noise, of these deviations, and the other place of samples explain.
    """
    mean = _local_mean(base)
    texture = (_local_mean(base.square()) - mean.square() - noise[0].square()).clamp(min=0)
    expected = (noise[0].square() + noise[1].square()) / 9 + ALIASED * texture
    difference = (mean - _local_mean(other)).square()
    ratio = _local_mean(difference.sum(0, keepdim=True)) / _local_mean(expected.sum(0, keepdim=True) + 1e-12)
    same = ((OTHER - ratio) / (OTHER - SAME)).clamp(0, 1)
    return -F.max_pool2d(-same, 3, 1, 1)[0]


def kernel(light: torch.Tensor, variance: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """The kernel of each px, (3, H, W) as of Aligned, from gray light (1, 1, H, W) with noise of `variance`.

    Along each axis of the structure tensor it is as wide as detail allows; `count` frames tell at a px.
    """
    along_x, along_y = gradients(smoothed(light, 0.7))
    xx, xy, yy = (smoothed(part, 1.0)[0, 0] for part in (along_x**2, along_x * along_y, along_y**2))
    middle, half = (xx + yy) / 2, (xx - yy) / 2
    radius = torch.hypot(half, xy)
    noise = variance[0, 0] / 8 + 1e-12  # of a squared gradient, after the blur
    steep = _precision((middle + radius) / noise, count[0, 0])
    flat = _precision((middle - radius) / (noise + STRAIGHT * (middle + radius)), count[0, 0])
    cosine, sine = half / radius.clamp(min=1e-12), xy / radius.clamp(min=1e-12)  # of twice the angle
    mean, rest = (steep + flat) / 2, (steep - flat) / 2
    return torch.stack((mean + rest * cosine, rest * sine, mean - rest * cosine))


def _precision(detail: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """1 / width^2 of the kernel along an axis with this squared gradient, against that of noise."""
    sharp = SHARP[0] + SHARP[1] / count.sqrt()
    known = ((detail - DETAIL[0]) / (DETAIL[1] - DETAIL[0])).clamp(0, 1)
    return 1 / (SMOOTH + (sharp - SMOOTH) * known).square()


def _local_mean(images: torch.Tensor) -> torch.Tensor:
    """Mean of (C, H, W) over 3 x 3 px."""
    return F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
