"""A light network that starts from the classical merge: it learns what the merge leaves undone.

The frames are aligned and merged as ExposureMerge does. A U-shaped network sees, for each aligned frame, how
it differs from the merge, by how many standard deviations of its noise, and where it tells nothing; what it
makes of that is added to the merge in the mu-law domain. Its last layer starts at zero: training starts from
the merge.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.exposure_merge import ExposureMerge
from models.networks.parts.blocks import ResBlock
from models.networks.parts.padding import Margins, cut, fill_margins
from models.networks.parts.precision import full_precision
from models.networks.parts.windows import Windows

MU = 5000.0
RGGB = (0, 1, 1, 2)  # RGB frames are shown as planes R, G, G, B
OF_MERGE = 4 + 4  # maps of the merge: see `MergeUNet.maps`
DETAIL = 5  # px, side of the mean that is taken off the merge to show its detail
OF_FRAME = 4 + 4 + 1 + 1  # maps of an aligned frame: see `MergeUNet.maps`
DEVIATIONS = 8.0  # of noise: beyond, a difference is no noise, however large it is
ERROR = 0.03  # coded: of the merge, about, and so the unit of what is learnt of it and added to it
LARGEST = 4.0  # difference in this unit that is shown
UNKNOWN = 1e4  # variance of a frame that is not there, on a scale where 1 is white
BRIGHTEST = 1.1  # coded
CALM = (-3.0, 1.0)  # range of the logarithm (to the base e, divided by 4) of a coded deviation


class Aligned(NamedTuple):
    """Frames in the place of the reference, and the merge of them, on the scale of the result.

    Attributes:
        frames: (N, S, 4, H, W). trust: (N, S, 1, H, W), 1 where a frame tells of the scene, 0 where it is
            clipped. merge: (N, 4, H, W). noise_law: (N, S, 2), the variance of frames of light x is
            noise_law[0] x + noise_law[1].
    """

    frames: torch.Tensor
    trust: torch.Tensor
    merge: torch.Tensor
    noise_law: torch.Tensor


class MergeUNet(nn.Module):
    """Adds what a U of three levels finds to the merge of any number of raw or RGB frames.

    Frames are shown in `slots`, from short to long: more frames than slots are averaged in groups of
    neighbours, and slots that are left over hold nothing.

    Args:
        scale: 1, or a factor by which the result is enlarged.
        reference: number of the frame that the result shows; see ExposureMerge.
        mid_channels: width of the first level; each level is twice as wide.
        slots: frames that the network is shown.
        shot_noise, read_noise, mosaic: as of ExposureMerge.

    Raises:
        ValueError: as ExposureMerge.
    """

    compiled_parts = (nn.Sequential,)
    planes = (3, 4)
    usual_tile = 1024  # px: of smaller ones too much is halo
    settable = ("shot_noise", "read_noise")
    sizes: ClassVar[dict[str, dict[str, Any]]] = {"full": {}, "tiny": {"mid_channels": 8}}
    BLOCKS = ((1, 1), (2, 2), (4, 0))  # residual blocks of each level on the way down, and on the way up
    MULTIPLE = 2 ** (len(BLOCKS) - 1)  # px of the sides
    REACH = 64  # px around a px on which the result depends, given the aligned frames

    def __init__(
        self,
        scale: int = 1,
        reference: int = 0,
        mid_channels: int = 32,
        slots: int = 5,
        shot_noise: float = 0.0024,
        read_noise: float = 1.8e-5,
        mosaic: bool = True,
    ) -> None:
        super().__init__()
        self.merge = ExposureMerge(1, reference, shot_noise, read_noise, mosaic)
        self.scale, self.slots = scale, slots
        widths = [mid_channels * 2**level for level in range(len(self.BLOCKS))]
        self.first = nn.Conv2d(OF_MERGE + OF_FRAME * slots, mid_channels, 3, padding=1)
        self.levels_down, self.levels_up, self.down, self.up = (nn.ModuleList() for _ in range(4))
        for level, width in enumerate(widths):
            descending, ascending = self.BLOCKS[level]
            self.levels_down.append(nn.Sequential(*(ResBlock(width) for _ in range(descending))))
            if level + 1 < len(widths):
                self.levels_up.append(nn.Sequential(*(ResBlock(width) for _ in range(ascending))))
                self.down.append(nn.Conv2d(width, 2 * width, 2, 2))
                self.up.append(nn.Conv2d(2 * width, 4 * width, 1))
        self.last = nn.Conv2d(mid_channels, 4 * scale**2, 3, padding=1)
        for block in self.modules():
            if isinstance(block, ResBlock):  # whose calm beginning, for deep stacks, is a slow one here
                block.conv1.reset_parameters()
                block.conv2.reset_parameters()
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def whole_frame(
        self, frames: torch.Tensor, exposure: torch.Tensor, tell: Callable[[float], None] | None = None
    ) -> dict[str, torch.Tensor]:
        """As of ExposureMerge."""
        return self.merge.whole_frame(frames, exposure, tell)

    def halo(self, flow: torch.Tensor, **facts: torch.Tensor) -> int:
        """Px around a tile that restoring it asks for, from the flow (..., 2, h, w) inside it."""
        return self.REACH + self.merge.halo(flow, **facts)

    def forward(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor,
        window: tuple[int, int, int, int] | None = None,
        trust: torch.Tensor | None = None,
        merge: torch.Tensor | None = None,
        noise_law: torch.Tensor | None = None,
        **known: torch.Tensor,
    ) -> torch.Tensor:
        """Frames (N, T, C, H, W), divided by their exposures (N, T) -> (N, C, sH, sW) on the same scale.

        Args:
            window: (top, left, height, width) if `frames` is a tile of larger frames, all in px of `frames`.
            trust, merge, noise_law: if they are given, `frames` and these are what `aligned` made.
            known: `whole_frame(frames, exposure)`, if it is already known.
        """
        unit = exposure.amin(1).to(frames).view(-1, 1, 1, 1)  # 1 is the white of the shortest frame
        if merge is None:
            parts = self.aligned(frames, exposure, window, **known)
        else:
            parts = Aligned(frames, trust, merge, noise_law)
        merged, margins = parts.merge, self._margins(frames.shape[-2:], window)
        features = self.first(self.maps(parts, unit, margins))  # maps are many: they go at once
        del parts
        added = cut(self._added(features), margins, self.scale)
        if self.scale > 1:
            merged = F.interpolate(merged, scale_factor=self.scale, mode="bicubic", align_corners=False)
        restored = decoded(coded(merged * unit) + added.float()) / unit
        if frames.shape[2] == 3:
            restored = torch.stack((restored[:, 0], restored[:, 1:3].mean(1), restored[:, 3]), dim=1)
        return restored

    @torch.no_grad()
    def aligned(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor,
        window: tuple[int, int, int, int] | None = None,
        **known: torch.Tensor,
    ) -> Aligned:
        """What frames (N, T, C, H, W), divided by their exposures (N, T), are shown as; see `forward`."""
        if frames.is_meta:  # costs are counted so: flow takes no multiply-adds that a network would
            slots = frames.new_empty(len(frames), self.slots, 4, *frames.shape[-2:])
            return Aligned(slots, slots[:, :, :1], slots[:, 0], slots[:, :, :2, 0, 0])
        frames, exposure = frames.float(), exposure.to(frames.device, torch.float32)
        with full_precision(frames):
            known = known or self.whole_frame(frames, exposure)
            facts = (exposure, *(known[key][..., 0, 0] for key in ("noise", "black")))  # (N, T) each
            grid = Windows(frames.shape[-2:], window[:2] if window else (0, 0), frames.device)
            samples = zip(frames, known["flow"], *facts, strict=True)
            slots = [self._slots(grid, *sample) for sample in samples]
        frames, trust, merged, law = (torch.stack(part) for part in zip(*slots, strict=True))
        if frames.shape[2] == 3:
            frames, merged = frames[:, :, RGGB], merged[:, RGGB]
        return Aligned(frames, trust, merged, law)

    def _slots(
        self, grid: Windows, frames: torch.Tensor, flow: torch.Tensor, *facts: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """One sample, as of ExposureMerge.observed -> light (S, C, H, W) and trust (S, 1, H, W) of the slots,
        the merge (C, H, W), and the law of noise of the slots (S, 2).
        """
        seen = list(self.merge.observed(frames, flow, *facts))
        merged = self.merge.merged(grid, iter(seen)).clamp(min=0)
        seen.insert(self.merge.reference, seen.pop(0))  # from short to long again
        exposure, noise, _ = facts
        law = torch.stack(
            (self.merge.shot_noise * noise / exposure, self.merge.read_noise * noise / exposure**2)
        )
        light, trust, laws = [], [], []
        for group in self._groups(len(frames)):
            own, total = seen[group], exposure[group].sum()
            shares = [share * one.valid for share, one in zip(exposure[group], own, strict=True)]
            trusted = sum(shares)  # as photons are counted
            mean = sum(share * one.light for share, one in zip(shares, own, strict=True))
            light.append(torch.where(trusted > 0, mean / trusted.clamp(min=1e-12), own[0].light))
            trust.append(trusted / total)
            laws.append((law[:, group] * (exposure[group] / total).square()).sum(1))
        lacking = self.slots - len(light)
        light += [merged] * lacking
        trust += [torch.zeros_like(trust[0])] * lacking
        laws += [torch.stack((torch.zeros_like(law[0, 0]), UNKNOWN / exposure.amin() ** 2))] * lacking
        return torch.stack(light), torch.stack(trust), merged, torch.stack(laws)

    def _groups(self, count: int) -> list[slice]:
        """The frames, of so many, that each slot shows."""
        used = min(count, self.slots)
        each, more = divmod(count, used)  # the first, which see least light, show one more
        ends = list(itertools.accumulate(each + (slot < more) for slot in range(used)))
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def exposures_of(self, exposure: torch.Tensor) -> torch.Tensor:
        """The exposure of each slot, (S,), of frames with exposures (T,)."""
        means = torch.stack([exposure[group].mean() for group in self._groups(len(exposure))])
        return torch.cat((means, means[-1:].expand(self.slots - len(means))))

    def maps(self, parts: Aligned, unit: torch.Tensor, margins: Margins = ((0, 0), (0, 0))) -> torch.Tensor:
        """What the network sees, (N, OF_MERGE + OF_FRAME slots, H, W), with mirrored margins around.

        The merge in the mu-law domain, and its detail; and of each slot, against the merge: the difference in
        that domain and in deviations of noise, where it is trusted, the trust, and how large the noise is.

        Args:
            unit: (N, 1, 1, 1), by which light is multiplied so that 1 is the white of the shortest frame.
        """
        base = coded(parts.merge * unit)
        slope = MU / math.log1p(MU) / (1 + MU * (parts.merge * unit).clamp(min=0))
        around = F.avg_pool2d(F.pad(base, (DETAIL // 2,) * 4, mode="replicate"), DETAIL, 1)
        sides = [side + sum(margin) for side, margin in zip(base.shape[-2:], margins, strict=True)]
        canvas = base.new_empty(len(base), self.first.in_channels, *sides)
        maps = cut(canvas, margins)
        maps[:, :4], maps[:, 4:OF_MERGE] = base, shown(base - around)
        slots = maps[:, OF_MERGE:].unflatten(1, (self.slots, OF_FRAME)).unbind(1)
        shown_in = (part.unbind(1) for part in (parts.frames, parts.trust, parts.noise_law))
        for slot, frame, trust, law in zip(slots, *shown_in, strict=True):
            shot, read = law[:, 0].view(-1, 1, 1, 1), law[:, 1].view(-1, 1, 1, 1)
            deviation = (shot * parts.merge.clamp(min=0) + read).sqrt()
            relative = ((frame - parts.merge) / deviation).clamp(-DEVIATIONS, DEVIATIONS) / 4
            noise = (deviation * unit * slope).mean(1, keepdim=True).log() / 4
            slot[:, :4] = shown(trust * (coded(frame * unit) - base))
            slot[:, 4:8], slot[:, 8:9], slot[:, 9:] = trust * relative, trust, noise.clamp(*CALM)
        fill_margins(canvas, margins)
        return canvas

    def _added(self, features: torch.Tensor) -> torch.Tensor:
        """What is added to the merge in the mu-law domain; sides are multiples of MULTIPLE."""
        x, skips = self.levels_down[0](features), []
        for down, level in zip(self.down, self.levels_down[1:], strict=True):
            skips.append(x)
            x = level(down(x))
        for up, level in zip(reversed(self.up), reversed(self.levels_up), strict=True):
            x = level(F.pixel_shuffle(up(x), 2) + skips.pop())
        return ERROR * F.pixel_shuffle(self.last(x), self.scale)

    def _margins(self, size: tuple[int, int], window: tuple[int, int, int, int] | None) -> Margins:
        """Px to add before and after rows and columns, so that tiles have the cells of the whole frame."""
        rows, columns = (
            (start % self.MULTIPLE, -(start + side) % self.MULTIPLE)
            for start, side in zip(window[:2] if window else (0, 0), size, strict=True)
        )
        return rows, columns


def coded(light: torch.Tensor) -> torch.Tensor:
    """Light in the mu-law domain, ln(1 + 5000 x) / ln(5001), odd: noise may be negative."""
    return torch.log1p(MU * light.abs()) / math.log1p(MU) * light.sign()


def shown(difference: torch.Tensor) -> torch.Tensor:
    """A coded difference in units of ERROR: what is learnt from must not be tiny beside the rest."""
    return (difference / ERROR).clamp(-LARGEST, LARGEST)


def decoded(code: torch.Tensor) -> torch.Tensor:
    """The light of a code, from 0 to about twice the white of the shortest frame.

    Codes outside have the gradient of the code too: else a px that was made too dark would stay so.
    """
    limited = code + (code.clamp(0, BRIGHTEST) - code).detach()
    return torch.expm1(limited * math.log1p(MU)) / MU
