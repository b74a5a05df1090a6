"""What both networks of deep reparametrization share: a burst becomes one image in the space of features.

Bhat et al., "Deep Reparametrization of Multi-Frame Super-Resolution and Denoising", ICCV 2021; specification
of Deep-Rep, sections 1 and 2.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.blocks import run_part
from models.networks.parts.burst_blocks import ConvBlock, res_blocks
from models.networks.parts.burst_network import BurstNetwork
from models.networks.parts.descent import Evidence, Powers, SteepestDescent
from models.networks.parts.motion import Motion
from models.networks.parts.precision import full_precision

WINDOW, WINDOWS = 48, 64  # px of sides, and number, of windows in which steps for large frames are found
FARTHEST = 64  # px around such a window that are looked at

Part = tuple[slice, slice]  # rows and columns


class Encoder(nn.Module):
    """E: a frame (N, C, h, w) to features."""

    def __init__(self, planes: int, width: int, blocks: int, features: int) -> None:
        super().__init__()
        self.init_layer = ConvBlock(planes, width)
        self.res_layers = res_blocks(blocks, width)
        self.out_layer = ConvBlock(width, features)

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return self.out_layer(self.res_layers(self.init_layer(frame)))


class DeepRepNetwork(BurstNetwork):
    """Minimises the error of a latent image z in the space of features, then decodes z.

    A subclass makes `lr_encoder`, `hr_initializer`, `optimizer`, `hr_decoder` and `alignment_net`, and has
    `encoder_input` and `decode`.
    """

    settable: ClassVar[tuple[str, ...]] = ("descent_steps",)  # on which no weights depend
    stride = 1  # of the latent image against the frames
    descent_steps = 3
    optimizer: SteepestDescent

    def encoder_input(self, frames: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        """What the encoder is given of frames (N, T, C, H, W)."""
        return frames

    def decode(self, z: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Image (N, C', sH, sW) of the latent image and the base (N, C, H, W)."""
        raise NotImplementedError

    def whole_frame(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor | None = None,
        noise_map: torch.Tensor | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> dict[str, torch.Tensor]:
        """What tiles are given: "flow" (N, T-1, 2, H, W) in px, and "lengths" (N, K, H, W), all alike.

        The lengths of the steps are those of the whole frame; in large ones they are found in windows that
        are spread over it.
        """
        noise = self.noise_of(frames, exposure, noise_map)
        told = self.told(frames, exposure, noise)
        known = [self.ordered(one) if one is not None else None for one in (frames, noise, told)]
        flow = self.flow_of(known[0], tell)
        lengths: list[torch.Tensor] = []
        for _ in range(self.descent_steps):
            powers = [self._powers([*known, flow], window, lengths) for window in _windows(frames.shape[-2:])]
            lengths.append(Powers(*(sum(part) for part in zip(*powers, strict=True))).step)
        kept = torch.stack(lengths, dim=1) if lengths else frames.new_zeros(len(frames), 0)
        return {"flow": flow, "lengths": kept[..., None, None].expand(-1, -1, *frames.shape[-2:])}

    def forward(
        self,
        frames: torch.Tensor,
        exposure: torch.Tensor | None = None,
        noise_map: torch.Tensor | None = None,
        flow: torch.Tensor | None = None,
        lengths: torch.Tensor | None = None,
        window: tuple[int, int, int, int] | None = None,
    ) -> torch.Tensor:
        """Frames (N, T, C, H, W), divided by their exposures (N, T) -> (N, C', sH, sW) on the same scale.

        Args:
            noise_map: deviation of the noise of each value, (N, T, C, H, W).
            flow, lengths: `whole_frame(frames)`, if it is already known. window: of a tile; not used.
        """
        noise = self.noise_of(frames, exposure, noise_map)
        told = self.told(frames, exposure, noise)
        frames, noise, told = (
            self.ordered(one) if one is not None else None for one in (frames, noise, told)
        )
        if flow is None:
            flow = self.flow_of(frames)
        known = [] if lengths is None else list(lengths[..., 0, 0].unbind(1))
        z, _ = self.latent(frames, noise, told, flow, known)
        return run_part(self, self.decode, z, frames[:, 0]).float()

    def latent(
        self,
        frames: torch.Tensor,
        noise: torch.Tensor | None,
        told: torch.Tensor | None,
        flow: torch.Tensor,
        lengths: list[torch.Tensor],
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """z (N, C, s H, s W) of frames with the base first, and the lengths of all steps."""
        z0, evidence = self.evidence(frames, noise, told, flow)
        with full_precision(frames):
            run = partial(run_part, self)
            return self.optimizer(z0, evidence, self.descent_steps, lengths, run)

    def evidence(
        self,
        frames: torch.Tensor,
        noise: torch.Tensor | None,
        told: torch.Tensor | None,
        flow: torch.Tensor,
    ) -> tuple[torch.Tensor, list[Evidence]]:
        """z0, and what each frame says, for frames with the base first."""
        certainty, given = self.optimizer.weight_predictor, self.encoder_input(frames, noise)
        z0, base, evidence = None, None, []
        for number in range(frames.shape[1]):
            features = run_part(self, self.lr_encoder, given[:, number]).float()
            own = certainty.project(features)
            motion, moved, way = None, own, None
            if number == 0:
                z0, base = self.hr_initializer(features).float(), own
            else:
                way = flow[:, number - 1]
                motion, moved = self._motion(way), Motion(way).warp(base)
            extra = () if told is None else (told[:, number],)
            weights = run_part(self, certainty, own, moved, way, *extra).float()
            squares = weights.square() if torch.is_grad_enabled() else weights.square_()
            evidence.append(Evidence(features, squares, motion))
        return z0, evidence

    def _motion(self, flow: torch.Tensor) -> Motion:
        """Of the latent image, `stride` times as large (specification, 1.3)."""
        if self.stride > 1:
            flow = self.stride * F.interpolate(flow, scale_factor=self.stride, mode="nearest")
        return Motion(flow)

    def _powers(self, known: list[torch.Tensor | None], window: Part, lengths: list[torch.Tensor]) -> Powers:
        """What the next step's length follows from, as a window tells of frames, noise, told and flow.

        Its surroundings are looked at, but do not count.
        """
        reach = min(self.halo(flow=known[-1][..., *window]), FARTHEST)
        wide = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in window)
        z0, evidence = self.evidence(*(one[..., *wide] if one is not None else None for one in known))
        state = self.optimizer.begin(z0, evidence)
        for length in lengths:
            state, _ = self.optimizer.step(z0, state, evidence, length)
        direction = self.optimizer.gradient(z0, state, evidence)
        rises = [self.optimizer.seen(direction, frame) for frame in evidence]
        inner = tuple(
            slice(side.start - around.start, side.stop - around.start)
            for side, around in zip(window, wide, strict=True)
        )
        return self.optimizer.powers(direction, rises, evidence, inner)


def _windows(size: torch.Size) -> Iterator[Part]:
    """Parts of an image of `size`: all of it, or about WINDOWS that are spread evenly over a large one."""
    counts = [-(-length // WINDOW) for length in size]
    apart = max(1.0, math.sqrt(counts[0] * counts[1] / WINDOWS))
    sides = []
    for length, count in zip(size, counts, strict=True):
        some = max(1, int(count / apart))
        chosen = range(count) if apart == 1 else (int((n + 0.5) * count / some) for n in range(some))
        sides.append([slice(n * length // count, (n + 1) * length // count) for n in chosen])
    yield from product(*sides)
