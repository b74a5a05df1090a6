"""FSHDR's merging network: a stream of each frame, bridged to the reference's (Prabhakar et al. 2021)."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.exposure_pairs import PairNetwork, conv_of_parts, start_dark, upsampling

SLOPE = 0.2  # of the leaky ReLU after the convolutions of streams and bridges
SPREAD_SLOPE = 0.3  # and after the dilated ones
ROUNDS = 3  # of convolutions of all streams, then of all bridges
DILATIONS = (1, 2, 3)  # px


def activated(conv: nn.Conv2d, parts: Sequence[torch.Tensor], slope: float) -> torch.Tensor:
    """Leaky ReLU of the convolution of all parts together."""
    result = conv(*parts) if len(parts) == 1 else conv_of_parts(conv, parts).to(parts[0].dtype)
    return F.leaky_relu(result, slope, inplace=True)


class SpreadConvolutions(nn.Module):
    """Dilated 3x3 convolutions side by side, each to `channels` (SDC)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        for dilation in DILATIONS:
            conv = nn.Conv2d(in_channels, channels, 3, padding=dilation, dilation=dilation)
            self.add_module(f"conv{dilation}", conv)

    def forward(self, parts: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Parts, together (N, in_channels, H, W) -> for each dilation (N, channels, H, W)."""
        return (activated(conv, parts, SPREAD_SLOPE) for conv in self.children())


class FSHDR(PairNetwork):
    """Convolutions of each frame's stream and of bridges between the reference's and each other.

    As in the SelfHDR specification, 7.2; its frames should be aligned. The convolutions are numbered through:
    in each round those of the T streams, then those of the T-1 bridges, and then the last. For a larger
    result, that of the last is enlarged before the sigmoid and `upsample` adds what it learns, at first 0; so
    such a network can start from one of scale 1.

    Args:
        num_frames, in_channels, out_channels, scale, reference, bgr: see `PairNetwork`.
        mid_channels: width of each stream, bridge and dilated convolution (64).
    """

    optional_keys = ("upsample",)
    sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "full": {},
        "small": {"mid_channels": 24},
        "tiny": {"mid_channels": 8},
    }

    def __init__(
        self,
        num_frames: int = 3,
        in_channels: int = 3,
        out_channels: int = 3,
        scale: int = 1,
        reference: int = 1,
        bgr: bool = False,
        mid_channels: int = 64,
    ) -> None:
        super().__init__(num_frames, in_channels, out_channels, scale, reference, bgr)
        width, bridges = mid_channels, num_frames - 1
        inputs = []
        for round_ in range(ROUNDS):
            inputs += num_frames * [width if round_ else 2 * in_channels]
            inputs += bridges * [3 * width if round_ else 2 * width]
        for number, channels in enumerate(inputs, 1):
            self.add_module(f"conv{number}", nn.Conv2d(channels, width, 3, padding=1))
        together = num_frames * width  # the reference's stream and the bridges
        spread = len(DILATIONS) * width
        self.sdc1 = SpreadConvolutions(together, width)
        self.sdc2 = SpreadConvolutions(together + spread, width)
        self.last = f"conv{len(inputs) + 1}"
        self.add_module(self.last, nn.Conv2d(together + 2 * spread, out_channels, 3, padding=1))
        start_dark(self.get_submodule(self.last))
        self.upsample = upsampling(together + 2 * spread, width, scale)
        if scale > 1:
            self.upsample.append(nn.Conv2d(width, out_channels, 3, padding=1))
            for parameter in self.upsample[-1].parameters():
                nn.init.zeros_(parameter)
        self.radius = 2 * ROUNDS - 2 + 2 * max(DILATIONS) + 1 + int(scale > 1)

    def halo(self) -> int:
        """Px around a px on which its result depends."""
        return self.radius

    def restore_pairs(self, pairs: torch.Tensor) -> torch.Tensor:
        """Pairs (N, T, 2C, H, W) of `exposure_pairs` -> (N, C', sH, sW) in (0, 1)."""
        return self.run(self._image, *self.run(self._bridged, pairs))

    def _bridged(self, pairs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The reference's stream and the bridges after all rounds, (N, mid_channels, H, W) each."""
        streams, base = list(pairs.unbind(1)), self.reference
        ends = [(min(i, base), max(i, base)) for i in range(self.max_frames) if i != base]
        bridges: list[tuple[torch.Tensor, ...]] = [() for _ in ends]
        convs = (self.get_submodule(f"conv{number}") for number in itertools.count(1))
        for _ in range(ROUNDS):
            for i, stream in enumerate(streams):
                streams[i] = activated(next(convs), (stream,), SLOPE)
            for j, (first, second) in enumerate(ends):
                parts = (streams[first], streams[second], *bridges[j])
                bridges[j] = (activated(next(convs), parts, SLOPE),)
        return streams[base], *(bridge for (bridge,) in bridges)

    def _image(self, *parts: torch.Tensor) -> torch.Tensor:
        """The result (N, C', sH, sW) from what `_bridged` gives."""
        parts = (*parts, *self.sdc1(parts))
        together = itertools.chain(parts, self.sdc2(parts))
        last = self.get_submodule(self.last)
        if self.scale == 1:
            return torch.sigmoid(conv_of_parts(last, together))
        together = torch.cat(list(together), dim=1)
        enlarged = F.interpolate(last(together).float(), scale_factor=self.scale, mode="bilinear")
        return torch.sigmoid(enlarged + self.upsample(together).float())
