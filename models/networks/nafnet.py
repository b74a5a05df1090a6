"""NAFNet (Chen et al., ECCV 2022), told of exposures (Wang et al., ICCV 2023)."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm2d
from torch import nn

from models.networks.parts.estimator import Estimator, arguments_of_published, convolved_by_strips
from models.networks.parts.strips import by_strips, convolved


def pointwise(conv: nn.Conv2d, x: torch.Tensor, factor: torch.Tensor | float = 1.0) -> torch.Tensor:
    """A 1x1 convolution of maps (N, H, W, C), its results times a factor (1, C', 1, 1)."""
    if not isinstance(factor, torch.Tensor):
        return F.linear(x, conv.weight.flatten(1), conv.bias)
    factor = factor.flatten()
    return F.linear(x, conv.weight.flatten(1) * factor[:, None], conv.bias * factor)


def gated(x: torch.Tensor) -> torch.Tensor:
    """The product of the two halves of the channels of maps (N, H, W, 2C)."""
    a, b = x.chunk(2, dim=-1)
    return a * b


class NAFBlock(nn.Module):
    """Norm, convolutions, gate and channel attention, then norm and a gated MLP, each added to its input.

    The attention follows from the mean of the whole map. Without gradients the block works by strips, on its
    input in place, which is exact: it keeps the gated features until their mean is known.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = LayerNorm2d(channels), LayerNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.conv4 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, H, W, C), float32 -> the same shape; without gradients `x` is changed."""
        channels = 8 * x.shape[-1]
        features = by_strips(self._features, x, channels=channels, halo=1)
        mean = features.mean((1, 2), keepdim=True, dtype=torch.float32)
        weights = pointwise(self.sca[1], mean)
        into = None if torch.is_grad_enabled() else x
        return by_strips(partial(self._merged, weights), x, features, channels=channels, into=into)

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        normal = convolved(self.norm1, x)
        return gated(convolved(self.conv2, pointwise(self.conv1, normal)))

    def _merged(self, weights: torch.Tensor, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        y = x + pointwise(self.conv3, features * weights, self.beta)
        hidden = pointwise(self.conv4, convolved(self.norm2, y))
        return y + pointwise(self.conv5, gated(hidden), self.gamma)


def counts(text: str) -> list[int]:
    """Numbers of blocks, "2,2,4,4" -> [2, 2, 4, 4]; "" are none."""
    try:
        return [int(part) for part in text.split(",") if part]
    except ValueError:
        raise ValueError(f"blocks are numbers such as 2,2,4,4, not '{text}'") from None


class NAFNet(Estimator):
    """Blocks at each of several sizes of maps, down and up again; skips are added.

    As in the ExposureDiffusion specification, 5.2. Sides that are no multiple of 2^levels are filled with 0.

    Args:
        num_frames, in_channels, out_channels, scale, reference: see `Estimator`.
        with_photon, concat_origin, adaptive_res_and_x0, rgbg: see `Estimator`.
        mid_channels: width of the first level (16).
        encoder, decoder: numbers of blocks of the levels in their order, as "2,2,4,4"; "" = no levels.
        middle: blocks at the smallest size (12).
    """

    sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "full": {},
        "naf": {"encoder": "", "middle": 1, "decoder": ""},
        "naf3": {"encoder": "1,1,1,1", "middle": 1, "decoder": "1,1,1,1"},
        "naf4": {"encoder": "", "middle": 8, "decoder": ""},
        "small": {"encoder": "1,1,2", "middle": 4, "decoder": "1,1,1"},
        "tiny": {"mid_channels": 4, "encoder": "1,1", "middle": 1, "decoder": "1,1"},
    }

    def __init__(
        self,
        num_frames: int = 1,
        in_channels: int = 4,
        out_channels: int = 4,
        scale: int = 1,
        reference: int = 0,
        with_photon: bool = False,
        concat_origin: bool = False,
        adaptive_res_and_x0: bool = False,
        rgbg: bool = False,
        mid_channels: int = 16,
        encoder: str = "2,2,4,4",
        middle: int = 12,
        decoder: str = "2,2,2,2",
    ) -> None:
        self.check_residual(in_channels, out_channels)
        task = num_frames, in_channels, out_channels, scale, reference
        super().__init__(*task, with_photon, concat_origin, adaptive_res_and_x0, rgbg)
        down, up, width = counts(encoder), counts(decoder), mid_channels
        if len(down) != len(up):
            raise ValueError(f"encoder {encoder} and decoder {decoder} have different numbers of levels")
        self.multiple = 2 ** len(down)
        self.intro = nn.Conv2d(self.planes_in, width, 3, padding=1)
        self.ending = nn.Conv2d(width, self.maps_out, 3, padding=1)
        self.encoders, self.decoders, self.middle_blks, self.ups, self.downs = (
            nn.ModuleList() for _ in range(5)
        )
        for blocks in down:
            self.encoders.append(nn.Sequential(*(NAFBlock(width) for _ in range(blocks))))
            self.downs.append(nn.Conv2d(width, 2 * width, 2, 2))
            width *= 2
        self.middle_blks = nn.Sequential(*(NAFBlock(width) for _ in range(middle)))
        for blocks in up:
            self.ups.append(nn.Sequential(nn.Conv2d(width, 2 * width, 1, bias=False), nn.PixelShuffle(2)))
            width //= 2
            self.decoders.append(nn.Sequential(*(NAFBlock(width) for _ in range(blocks))))
        self.upsample = self.upsampling(width)

    @staticmethod
    def arguments_of(state: dict[str, torch.Tensor]) -> dict[str, Any]:
        """What the names and shapes of a published state dict tell; nothing of another network's."""
        if not {"intro.weight", "ending.weight"} <= set(state):
            return {}

        def blocks(part: str) -> list[int]:
            found = [re.match(rf"{part}\.(\d+)\.(?:(\d+)\.)?beta", name) for name in state]
            return [int(match[1]) for match in found if match]

        first, last = state["intro.weight"], state["ending.weight"]
        levels = range(sum(name.startswith("downs.") and name.endswith(".bias") for name in state))
        known = {
            key: ",".join(str(blocks(f"{key}s").count(level)) for level in levels)
            for key in ("encoder", "decoder")
        }
        known |= {"middle": len(blocks("middle_blks")), "mid_channels": first.shape[0]}
        return known | arguments_of_published(first.shape[1], last.shape[0])

    def plain_head(self, raw: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """The estimate without an adaptive head, not clipped."""
        return base + raw

    def raw_maps(
        self, planes: Callable[..., torch.Tensor], sources: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Maps (N, h, w, planes_in), `planes(*sources)` of each strip of rows -> (N, sh, sw, maps_out)."""

        def intro(*sources: torch.Tensor) -> torch.Tensor:
            return convolved(self.intro, planes(*sources)).float()

        width, skips = self.intro.out_channels, []
        x = by_strips(intro, *sources, channels=2 * width, halo=1)
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            skips.append(self._run(blocks, x))
            x = convolved_by_strips(down, skips[-1], channels=2 * x.shape[-1], step=2)
        x = self._run(self.middle_blks, x)
        for up, blocks in zip(self.ups, self.decoders, strict=True):
            x = self._enlarged(up, skips.pop(), x)  # the maps before are freed before the blocks work
            x = self._run(blocks, x)
        last = nn.Sequential(*self.upsample, self.ending)
        halo, large = (1, 1) if self.scale == 1 else (2, 4 * self.scale**2)
        return convolved_by_strips(last, x, channels=2 * width * large, halo=halo)

    def _run(self, blocks: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        for block in blocks:
            x = self.run(block, x)
        return x

    @staticmethod
    def _enlarged(up: nn.Sequential, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The skip plus maps half as large; without gradients in place of the skip."""

        def added(skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return skip + convolved(up, x)

        into = None if torch.is_grad_enabled() else skip
        return by_strips(added, skip, x, channels=2 * skip.shape[-1], step=2, into=into)
