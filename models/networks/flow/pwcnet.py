"""PWC-Net: optical flow by pyramid, warping and cost volume (Sun et al., CVPR 2018).

As published networks for bursts use it (Deep-Rep specification, 2.4): frozen, with weights that exist.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.flow.pair_flow import Features, PairFlow
from models.networks.parts.correlation import correlation
from models.networks.parts.warp import warp

NUMBERS = ("One", "Two", "Thr", "Fou", "Fiv", "Six")  # in names of weights
WIDTHS = (16, 32, 64, 96, 128, 196)  # of the features of 1/2 .. 1/64 of the size
DENSE = (128, 128, 96, 64, 32)  # channels that a level adds to its stack
SCALES = (5.0, 2.5, 1.25, 0.625)  # px of levels 2 .. 5 that flow counts as one
RADIUS = 4
KEPT = 0.999  # share of what is sampled that must lie inside the image

leaky = partial(F.leaky_relu, negative_slope=0.1, inplace=True)


def conv(before: int, after: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """3x3 convolution that keeps the size, but for its stride."""
    return nn.Conv2d(before, after, 3, stride, dilation, dilation)


class Extractor(nn.Module):
    """Images (N, 3, H, W) -> features of 1/2, 1/4, ... 1/64 of their size."""

    def __init__(self) -> None:
        super().__init__()
        for number, before, width in zip(NUMBERS, (3, *WIDTHS), WIDTHS, strict=False):
            layers = [conv(before, width, 2), conv(width, width), conv(width, width)]
            self.add_module(f"net{number}", nn.Sequential(*_between_leaky(layers), nn.LeakyReLU(0.1, True)))

    def forward(self, images: torch.Tensor) -> Features:
        levels = []
        for stage in self.children():
            images = stage(images)
            levels.append(images)
        return levels


class Level(nn.Module):
    """Flow of a level, from the features of both images and what the level before knows."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.scale, width = None, (2 * RADIUS + 1) ** 2
        if level < len(WIDTHS):
            self.scale = SCALES[level - 2]
            self.netUpflow = nn.ConvTranspose2d(2, 2, 4, 2, 1)
            self.netUpfeat = nn.ConvTranspose2d(stack_width(level + 1), 2, 4, 2, 1)
            width += WIDTHS[level - 1] + 4
        for number, added in zip(NUMBERS, DENSE, strict=False):
            layer = conv(width, added)
            self.add_module(f"net{number}", nn.Sequential(layer, nn.LeakyReLU(0.1, True)))
            width += added
        self.netSix = nn.Sequential(conv(width, 2))

    def forward(
        self, first: torch.Tensor, second: torch.Tensor, before: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (N, C, h, w) of both images, flow and stack of the coarser level -> flow and stack."""
        extra = []
        if before is not None:
            up_flow, up_features = self.netUpflow(before[0]), self.netUpfeat(before[1])
            second = warped_inside(second, up_flow * self.scale)
            extra = [first, up_flow, up_features]
        volume = leaky(correlation(first, second, RADIUS) / first.shape[1])
        stack = torch.cat((volume, *extra), dim=1)
        for number in NUMBERS[: len(DENSE)]:
            stack = torch.cat((self.get_submodule(f"net{number}")(stack), stack), dim=1)
        return self.netSix(stack), stack


class Refiner(nn.Module):
    """What is added to the finest flow, by dilated convolutions of the finest stack."""

    def __init__(self) -> None:
        super().__init__()
        widths = (stack_width(2), 128, 128, 128, 96, 64, 32, 2)
        layers = [
            conv(before, after, dilation=dilation)
            for before, after, dilation in zip(widths, widths[1:], (1, 2, 4, 8, 16, 1, 1), strict=False)
        ]
        self.netMain = nn.Sequential(*_between_leaky(layers))

    def forward(self, stack: torch.Tensor) -> torch.Tensor:
        return self.netMain(stack)


class PWCNetwork(nn.Module):
    """The network itself, by the names of its published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.netExtractor = Extractor()
        for level in range(2, 7):
            self.add_module(f"net{NUMBERS[level - 1]}", Level(level))
        self.netRefiner = Refiner()

    def forward(self, first: Features, second: Features) -> torch.Tensor:
        """Features of both images -> flow (N, 2, H/4, W/4) of the first into the second, in UNIT px."""
        found = None
        for level in range(6, 1, -1):
            decoder = self.get_submodule(f"net{NUMBERS[level - 1]}")
            found = decoder(first[level - 1], second[level - 1], found)
        flow, stack = found
        return flow + self.netRefiner(stack)


class PWCNet(PairFlow):
    """Flow between pictures by PWC-Net, without gradients: its weights stay as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.net = PWCNetwork().requires_grad_(False)

    @staticmethod
    def published_name(name: str) -> str:
        """`moduleExtractor.moduleOne.0.weight` of the published file -> ours."""
        return "net." + name.replace("module", "net")

    @torch.no_grad()
    def features(self, images: torch.Tensor) -> Features:
        return self.net.netExtractor(images)

    @torch.no_grad()
    def between(self, target: Features, source: Features) -> torch.Tensor:
        return self.net(target, source)


def stack_width(level: int) -> int:
    """Channels of the stack of a level."""
    width = (2 * RADIUS + 1) ** 2 + sum(DENSE)
    return width if level == len(WIDTHS) else width + WIDTHS[level - 1] + 4


def warped_inside(features: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Features (N, C, h, w) along a flow (N, 2, h, w); 0 where a sample touches what lies outside.

    The published network moves by W / (W - 1) of the flow, from the centres of px.
    """
    height, width = features.shape[-2:]
    across, down = (side / max(side - 1, 1) for side in (width, height))
    flow = torch.cat((across * flow[:, :1], down * flow[:, 1:]), dim=1)
    ones = features.new_ones(len(features), 1, height, width)
    moved = warp(torch.cat((features, ones), dim=1), flow)
    return moved[:, :-1] * (moved[:, -1:] > KEPT)


def _between_leaky(layers: list[nn.Conv2d]) -> list[nn.Module]:
    """The layers with a leaky ReLU between each two."""
    joined: list[nn.Module] = [layers[0]]
    for layer in layers[1:]:
        joined += [nn.LeakyReLU(0.1, inplace=True), layer]
    return joined
