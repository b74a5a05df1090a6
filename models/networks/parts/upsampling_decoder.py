"""The decoder of networks for burst super-resolution (Deep-Rep specification, 2.1 and 2.6)."""

from typing import NamedTuple

import torch
from torch import nn

from models.networks.parts.burst_blocks import ConvBlock, SubpixelUpsampler, res_blocks
from models.networks.parts.strips import by_strips

MAPS = 16  # of full size that strips are made for: more than there are, so that strips stay small
GRAY = 0.25  # of an image before training: what a ReLU cuts off everywhere, often a colour, would never learn


class Widths(NamedTuple):
    """Channels of the decoder: what it is given, before and after it enlarges, and of the image."""

    given: int
    pre: int
    post: int
    image: int


class UpsamplingDecoder(nn.Module):
    """Features (N, C, h, w) to an image (N, C', factor h, factor w).

    Args:
        blocks: residual blocks before and after it enlarges. residual: whether the image is added to
            something, so that negative values are left; else it ends in a ReLU.
    """

    def __init__(self, widths: Widths, blocks: tuple[int, int], factor: int, residual: bool) -> None:
        super().__init__()
        self.init_layer = ConvBlock(widths.given, widths.pre)
        self.pre_res_layers = res_blocks(blocks[0], widths.pre)
        self.upsample_layer = SubpixelUpsampler(widths.pre, widths.post, factor, blur=True)
        self.post_res_layers = res_blocks(blocks[1], widths.post)
        self.predictor = ConvBlock(widths.post, widths.image, kernel=1, relu=not residual)
        if not residual:
            nn.init.constant_(self.predictor[0].bias, GRAY)
        self.channels = MAPS * widths.post * factor**2  # numbers per px of the features
        self.halo = -(-(2 * blocks[1] + 1) // factor)  # rows of the features that a row of the image asks for

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        features = self.pre_res_layers(self.init_layer(features)).permute(0, 2, 3, 1)
        image = by_strips(self._enlarged, features, channels=self.channels, halo=self.halo)
        return image.permute(0, 3, 1, 2)

    def _enlarged(self, features: torch.Tensor) -> torch.Tensor:
        """(N, h, w, C) -> (N, factor h, factor w, C')."""
        fine = self.upsample_layer(features.permute(0, 3, 1, 2))
        return self.predictor(self.post_res_layers(fine)).permute(0, 2, 3, 1)
