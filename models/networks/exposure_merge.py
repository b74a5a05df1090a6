"""A classical merge of exposures: what a network must beat, and what one has who has no weights.

Frames are aligned by optical flow, raw ones as the mosaics that they are, and merged by frequency in small
windows, as in Hasinoff et al., "Burst photography for high dynamic range and low-light imaging", SIGGRAPH
Asia 2016, section 5. A Kalman filter takes one frame after the other, each with the variance of its noise.
Where a frame differs from what has been merged by more than noise, the rest is taken for its error: what
moved, is misaligned or blurred stays out, frequency by frequency, and a blurred long frame still gives its
low ones.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.flow.dis_flow import chained_flow
from models.networks.parts.mosaic import REACH, warp_mosaic
from models.networks.parts.neighbourhood import local_mean, widened
from models.networks.parts.precision import full_precision
from models.networks.parts.warp import warp
from models.networks.parts.window_merge import evidence, may_hold, merge_windows
from models.networks.parts.windows import HIGH, SIDE, TAPER, THERE, Windows, squared

RAW_PLANES = 4  # of a mosaic
CLIPPED = 0.98  # of the white level: from here on a measured value may be cut off
EXCESS_STEPS = 1024  # entries per standard deviation of the table of what clipping at black adds
SUPPORT = SIDE + REACH + 2  # px around a px on which its result depends, besides motion

QUIET_WINDOWS = 0.1  # share of the windows that are taken to show noise and nothing else
QUIET_POWER = 0.63  # their largest power in the high frequencies of white noise, relative to its variance
FEWEST_WINDOWS = 20  # from which noise is measured
MOST_WINDOWS = 4000
NOISE_RANGE = (1 / 64, 64.0)  # measured noise against `shot_noise` and `read_noise`


def _excess_table() -> torch.Tensor:
    """Excess over x of the mean m of max(x + n, 0), n standard normal, for m = 0, 1 / EXCESS_STEPS, ... 4.

    m is x P(x) + p(x) with the normal law's P and p, solved for x >= 0 by Newton's method, which comes from
    above and so converges.
    """
    seen = torch.arange(4 * EXCESS_STEPS + 1, dtype=torch.float64) / EXCESS_STEPS
    x = seen
    for _ in range(6):
        below = torch.special.ndtr(x)
        density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        x = (x - (x * below + density - seen) / below).clamp(min=0)
    return (seen - x).float()


EXCESS = _excess_table()


class ExposureMerge(nn.Module):
    """Merges any number of frames of any number of planes, in the place of the reference.

    Args:
        scale: 1, or a factor by which the merged image is enlarged (bicubic).
        reference: number of the frame that the result shows; 0 is the shortest. Where the reference is
            clipped, shorter frames fill it.
        shot_noise, read_noise: a measured value y has the variance shot_noise * y + read_noise, times a
            factor that is measured on each frame. The defaults are those of a phone near ISO 1600, the
            middle of BracketIRE's law (specification, 9.4).
        mosaic: whether four planes are those of an RGGB mosaic.

    Raises:
        ValueError: no read noise: values at black would be known exactly; no such frame as the reference.
    """

    trained = False

    def __init__(
        self,
        scale: int = 1,
        reference: int = 0,
        shot_noise: float = 0.0024,
        read_noise: float = 1.8e-5,
        mosaic: bool = True,
    ) -> None:
        super().__init__()
        if read_noise <= 0:
            raise ValueError("read_noise must be above 0")
        if reference < 0:
            raise ValueError(f"frame {reference} cannot be the reference")
        self.scale, self.reference, self.mosaic = scale, reference, mosaic
        self.shot_noise, self.read_noise = shot_noise, read_noise

    def whole_frame(
        self, frames: torch.Tensor, exposure: torch.Tensor, tell: Callable[[float], None] | None = None
    ) -> dict[str, torch.Tensor]:
        """What tiles are given of frames (N, T, C, H, W) with exposures (N, T).

        `tell` is told which part of each sample's frames is done.

        "flow" (N, T-1, 2, H, W): from the reference to the others, in px. One value for each frame,
        (N, T, H, W): "noise", the factor by which its variance is larger than stated, and "black", 1 if its
        noise was clipped at black, 0 if not.
        """
        if self.reference >= frames.shape[1]:
            raise ValueError(f"the reference, frame {self.reference}, is not among {frames.shape[1]} frames")
        flows, factors = [], []
        black = (frames.amin((-3, -2, -1)) >= 0).float()  # (N, T)
        on_cpu = frames.float().cpu(), exposure.float().cpu(), black.cpu()
        for sample, *facts in zip(*on_cpu, strict=True):
            with full_precision(sample):
                noise = self.noise_factors(sample, facts[0])
                facts.insert(1, noise)
                light = torch.stack([self._gray(*frame) for frame in zip(sample, *facts, strict=True)])
                shot, read = (noise * level / sample.shape[1] for level in (self.shot_noise, self.read_noise))
                flows.append(chained_flow(light, facts[0], shot, read, self.reference, tell))
            factors.append(noise)
        whole = frames.shape[-2:]
        return {
            "flow": torch.stack(flows).to(frames.device),
            "noise": torch.stack(factors).to(frames.device)[..., None, None].expand(-1, -1, *whole),
            "black": black[..., None, None].expand(-1, -1, *whole),
        }

    @staticmethod
    def halo(flow: torch.Tensor, **facts: torch.Tensor) -> int:
        """Px around a tile that merging it asks for, from the flow (..., 2, h, w) inside it."""
        motion = float(flow.abs().amax()) if flow.numel() else 0.0
        return math.ceil(motion) + SUPPORT

    def forward(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor,
        window: tuple[int, int, int, int] | None = None,
        **known: torch.Tensor,
    ) -> torch.Tensor:
        """Frames (N, T, C, H, W), divided by their exposures (N, T) -> (N, C, sH, sW) on the same scale.

        Args:
            window: (top, left, height, width) if `frames` is a tile of larger frames, all in px of `frames`.
            known: `whole_frame(frames, exposure)`, if it is already known.
        """
        frames, exposure = frames.float(), exposure.to(frames.device, torch.float32)
        known = known or self.whole_frame(frames, exposure)
        facts = (exposure, *(known[key][..., 0, 0] for key in ("noise", "black")))  # (N, T) each
        with full_precision(frames):
            grid = Windows(frames.shape[-2:], window[:2] if window else (0, 0), frames.device)
            samples = zip(frames, known["flow"], *facts, strict=True)
            merged = torch.stack([self.merged(grid, self.observed(*sample)) for sample in samples])
        if self.scale > 1:
            merged = F.interpolate(merged, scale_factor=self.scale, mode="bicubic", align_corners=False)
        return merged.clamp(min=0)

    def observed(
        self, frames: torch.Tensor, flow: torch.Tensor, *facts: torch.Tensor
    ) -> Iterator["Observed"]:
        """One sample, frames (T, C, H, W) with flow (T-1, 2, H, W) and facts (T,): exposure, noise and black.

        The reference comes first, then the others in their order.
        """
        others = list(zip(frames, *facts, strict=True))
        yield self._observed(*others.pop(self.reference))
        for frame, motion in zip(others, flow, strict=True):
            yield self._observed(*frame, motion)

    def merged(self, grid: Windows, observed: Iterator["Observed"]) -> torch.Tensor:
        """The merge (C, H, W) of what `observed` gives, one after the other."""
        seen = next(observed)
        shorter = list(itertools.islice(observed, self.reference))
        for i in reversed(range(self.reference)):
            seen, shorter[i] = _filled(seen, shorter[i])
        known = [evidence(grid, *each[:4]) for each in itertools.chain([seen], shorter, observed)]
        return merge_windows(grid, *known)

    def _observed(
        self,
        frame: torch.Tensor,
        exposure: torch.Tensor,
        noise: torch.Tensor,
        black: torch.Tensor,
        flow: torch.Tensor | None = None,
    ) -> "Observed":
        """A frame (C, H, W), sampled along a flow (2, H, W), and what is known of its errors."""
        own = frame * exposure >= CLIPPED
        clipped = widened(own.any(0, keepdim=True))
        valid = frame.new_ones(1, 1, 1).expand(clipped.shape)
        if may_hold(clipped):
            valid = clipped.float()
            valid = valid if flow is None else warp(valid[None], flow[None], "border")[0]
            valid = (1 - 4 * valid).clamp_(min=0)
        if flow is not None:
            frame = self._sampled(frame, flow, exposure, noise)
        measured, level, excess = self._levels(frame, exposure, noise, black)
        offset = (math.sqrt(self.read_noise) - level / 4).clamp_(min=0)  # near black
        read = self.read_noise * noise.clamp(min=1)  # what developed pictures hide at black is no precision
        return Observed(
            light=measured.sub_(excess).div_(exposure),
            variance=level.mul_(self.shot_noise * noise).add_(read).div_(exposure**2),
            offset=torch.maximum(excess, offset).div_(exposure),
            valid=valid,
            clipped=own,
        )

    def _sampled(
        self, frame: torch.Tensor, flow: torch.Tensor, exposure: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """A frame (C, H, W) along a flow (2, H, W)."""
        if len(frame) != RAW_PLANES or not self.mosaic:
            return warp(frame[None], flow[None], "border", mode="bicubic")[0]
        level = local_mean(frame).clamp_(min=0)
        variance = level.mul_(self.shot_noise * noise / exposure).add_(self.read_noise * noise / exposure**2)
        return warp_mosaic(frame, flow, variance)

    def _levels(
        self, frame: torch.Tensor, exposure: torch.Tensor, noise: torch.Tensor, black: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of a frame (C, H, W): measured values, their level around, and what clipping at black added.

        The latter is in the values, but no more in the level.
        """
        measured = frame * exposure
        level = local_mean(local_mean(measured)).clamp_(min=0)
        excess = black * _black_excess(level, noise * (self.shot_noise * level + self.read_noise))
        return measured, level.sub_(excess), excess

    def _gray(self, frame: torch.Tensor, *facts: torch.Tensor) -> torch.Tensor:
        """The mean light (H, W) of the planes of a frame (C, H, W); facts are those of `_levels`."""
        total = torch.zeros_like(frame[0])
        for plane in frame.split(1):  # one by one: whole frames are large
            measured, _, excess = self._levels(plane, *facts)
            total += (measured - excess)[0]
        return total / (len(frame) * facts[0])

    def noise_factors(self, frames: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
        """By how much the variance of frames (T, C, H, W) with exposures (T,) is larger than stated: (T,).

        A frame on which it cannot be measured is taken to be as noisy as the others.
        """
        factors = [self._noise_factor(frame * own) for frame, own in zip(frames, exposure, strict=True)]
        factors = torch.tensor(factors)
        return factors.nan_to_num(float(factors.nanmedian())).nan_to_num(1.0).clamp(*NOISE_RANGE)

    def _noise_factor(self, measured: torch.Tensor) -> float:
        """The factor of one frame (C, H, W); NaN where too few windows are neither black nor clipped.

        Most pictures have windows with nothing but noise in the high frequencies: those of least power.
        """
        if min(measured.shape[-2:]) < SIDE:
            return math.nan
        step = SIDE * max(1, math.isqrt(measured[0].numel() // (MOST_WINDOWS * SIDE**2)))
        windows = measured.unfold(1, SIDE, step).unfold(2, SIDE, step).reshape(-1, SIDE**2)
        level = windows.mean(-1)
        used = (level > 4 * math.sqrt(self.read_noise)) & (windows.amax(-1) < CLIPPED)
        if used.sum() < FEWEST_WINDOWS:
            return math.nan
        windows, stated = windows[used] * TAPER.flatten(), self.shot_noise * level[used] + self.read_noise
        power = squared(torch.bmm(windows.expand(2, -1, -1), THERE[..., HIGH])).mean(-1)
        return float(torch.quantile(power / stated, QUIET_WINDOWS)) / (TAPER.square().sum() * QUIET_POWER)


class Observed(NamedTuple):
    """A frame in the place of the reference, on the common scale."""

    light: torch.Tensor  # (C, H, W)
    variance: torch.Tensor  # of its noise
    offset: torch.Tensor  # by which it may be wrong as a whole: levels and tone curves are uncertain at black
    valid: torch.Tensor  # (1, H, W), 1 = not clipped
    clipped: torch.Tensor  # (C, H, W), in the place of the frame itself


def _filled(seen: Observed, shorter: Observed) -> tuple[Observed, Observed]:
    """The reference with the light of a shorter frame where it is clipped, at least its own.

    What is returned as clipped is so in both. The shorter frame is returned without what was taken from it,
    which is not to be merged again.
    """
    around = widened(seen.clipped)
    light = torch.where(seen.clipped, torch.maximum(seen.light, shorter.light), shorter.light)
    filled = Observed(
        light=torch.where(around, light, seen.light),
        variance=torch.where(around, shorter.variance, seen.variance),
        offset=torch.where(around, shorter.offset, seen.offset),
        valid=seen.valid,
        clipped=around & (shorter.valid == 0),
    )
    rest = shorter._replace(valid=shorter.valid * ~around.any(0, keepdim=True))
    return filled, rest


def _black_excess(level: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """By how much clipping at 0 raises the mean of normal noise of this `variance`, seen as mean `level`."""
    deviation = variance.sqrt()
    entry = (level / deviation * EXCESS_STEPS).clamp(max=len(EXCESS) - 1)
    return deviation * EXCESS.to(level.device).index_select(0, entry.int().flatten()).view(entry.shape)
