"""The small flow network that is trained together with a denoiser (Deep-Rep specification, 2.5)."""

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.flow.pair_flow import UNIT, Features, PairFlow
from models.networks.parts.burst_blocks import ConvBlock, ReluResBlock
from models.networks.parts.correlation import patch_correlation
from models.networks.parts.warp import warp

RADII = (2, 3)  # px of the search at 1/4 and 1/8 of the size
FINEST = 4  # of which the finest level is the fraction


class PyramidFlow(PairFlow):
    """Flow by cost volumes of 3x3 patches at 1/8 and 1/4 of the size.

    Args:
        in_channels: planes of the images.
        published: as the published weights ask for: volumes lie on the grid of the source, not of the target
            on whose grid the flow is used; and the finer level is warped by a twentieth of the flow.
        width: of the trunk (32); features have twice as many channels, predictors four times.
    """

    def __init__(self, in_channels: int = 3, published: bool = False, width: int = 32) -> None:
        super().__init__()
        self.published = published
        self.init_layer = ConvBlock(in_channels, width)
        blocks = [ReluResBlock(width) for _ in range(6)]
        strided = [ConvBlock(width, width, stride=2) for _ in range(2)]
        self.offset_res_layers = nn.Sequential(blocks[0], strided[0], blocks[1], strided[1], *blocks[2:])
        self.offsetfeat_layers = nn.ModuleList(
            (ConvBlock(width, 2 * width), ConvBlock(2 * width, 2 * width, stride=2))
        )
        self.offset_predictors = nn.ModuleList(
            nn.Sequential(
                ConvBlock((2 * radius + 1) ** 2 + 2 * width, 4 * width),
                ConvBlock(4 * width, 2 * width),
                ConvBlock(2 * width, 2, relu=False),
            )
            for radius in RADII
        )

    def view(self, images: torch.Tensor) -> torch.Tensor:
        """Images (..., C, H, W) as they are."""
        return images

    def features(self, images: torch.Tensor) -> Features:
        trunk = self.offset_res_layers(self.init_layer(images))
        fine = self.offsetfeat_layers[0](trunk)
        return [fine, self.offsetfeat_layers[1](fine)]

    def between(self, target: Features, source: Features) -> torch.Tensor:
        own, other = (source, target) if self.published else (target, source)
        unit = 1.0 if self.published else UNIT / FINEST  # px of the finer level that the flow counts as one
        coarse = self._predicted(1, own[1], other[1])
        flow = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        if self.published:
            flow = 2 * flow  # else in UNIT px of the images at every level
        flow = flow + self._predicted(0, own[0], warp(other[0], unit * flow))
        flow = F.interpolate(flow, scale_factor=FINEST, mode="bilinear", align_corners=False)
        return FINEST * flow if self.published else flow

    def _predicted(self, level: int, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """What a level adds to the flow, (N, 2, h, w), from features (N, C, h, w) of both images."""
        volume = patch_correlation(own, other, RADII[level])
        return self.offset_predictors[level](torch.cat((volume, own), dim=1))
