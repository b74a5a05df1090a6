"""AHDRNet: attention-guided network for ghost-free HDR imaging (Yan et al., CVPR 2019)."""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.exposure_pairs import PairNetwork, conv_of_parts, start_dark, upsampling

SLOPE = 0.01  # of the leaky ReLU
DILATION = 2  # px, of the dense layers


class DenseLayer(nn.Module):
    """Dilated 3x3 convolution, ReLU."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, growth, 3, padding=DILATION, dilation=DILATION)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.conv(x), inplace=True)


class DilatedDenseBlock(nn.Module):
    """x + conv1x1 of x and of what each layer makes of all before it."""

    def __init__(self, channels: int, growth: int, layers: int) -> None:
        super().__init__()
        self.dense_layers = nn.ModuleList(DenseLayer(channels + k * growth, growth) for k in range(layers))
        self.conv_1x1 = nn.Conv2d(channels + layers * growth, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self._concatenated(x) if torch.is_grad_enabled() else self._filled(x)
        return x + self.conv_1x1(features)

    def _concatenated(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.dense_layers:
            new = layer(x)
            x = torch.cat((x.to(new.dtype), new), dim=1)
        return x

    def _filled(self, x: torch.Tensor) -> torch.Tensor:
        """The same in one buffer: nothing is kept for a backward pass, so nothing need be copied."""
        number, end, *size = x.shape
        new = self.dense_layers[0](x)
        features = new.new_empty(number, self.conv_1x1.in_channels, *size)
        features[:, :end] = x
        for layer in self.dense_layers:
            new = new if layer is self.dense_layers[0] else layer(features[:, :end])
            features[:, end : end + new.shape[1]] = new
            end += new.shape[1]
        return features


class AHDRNet(PairNetwork):
    """Attention to the reference weighs the other frames; dilated dense blocks merge them.

    As in the SelfHDR specification, 7.1; its frames need not be aligned.

    Args:
        num_frames, in_channels, out_channels, scale, reference, bgr: see `PairNetwork`.
        mid_channels: width of the features (64).
        growth: channels that each dense layer adds (32). dense_layers: of a dense block (5).
        blocks: dense blocks (3).
    """

    optional_keys = ("upsample",)
    sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "full": {},
        "small": {"mid_channels": 24, "growth": 8},
        "tiny": {"mid_channels": 8, "growth": 4, "dense_layers": 2, "blocks": 2},
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
        growth: int = 32,
        dense_layers: int = 5,
        blocks: int = 3,
    ) -> None:
        super().__init__(num_frames, in_channels, out_channels, scale, reference, bgr)
        width = mid_channels
        if dense_layers < 1 or blocks < 1:
            raise ValueError("it has 1 dense block or more, of 1 layer or more")
        self.conv1 = nn.Conv2d(2 * in_channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(num_frames * width, width, 3, padding=1)
        for i in self._others():
            self.add_module(f"att{i + 1}1", nn.Conv2d(2 * width, 2 * width, 3, padding=1))
            self.add_module(f"att{i + 1}2", nn.Conv2d(2 * width, width, 3, padding=1))
        self.blocks = [f"RDB{k + 1}" for k in range(blocks)]
        for name in self.blocks:
            self.add_module(name, DilatedDenseBlock(width, growth, dense_layers))
        self.GFF_1x1 = nn.Conv2d(blocks * width, width, 1)
        self.GFF_3x3 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_up = nn.Conv2d(width, width, 3, padding=1)
        self.upsample = upsampling(width, width, scale)
        self.conv3 = nn.Conv2d(width, out_channels, 3, padding=1)
        start_dark(self.conv3)
        self.radius = 7 + blocks * dense_layers * DILATION + int(scale > 1)

    def halo(self) -> int:
        """Px around a px on which its result depends."""
        return self.radius

    def restore_pairs(self, pairs: torch.Tensor) -> torch.Tensor:
        """Pairs (N, T, 2C, H, W) of `exposure_pairs` -> (N, C', sH, sW) in (0, 1).

        Frame by frame: without gradients, memory does not depend on their number.
        """
        base = self._features(pairs[:, self.reference])
        weighed = (
            base if i == self.reference else self.run(partial(self._weighed, i), pairs[:, i], base)
            for i in range(self.max_frames)
        )
        merged = conv_of_parts(self.conv2, weighed)
        merged = conv_of_parts(self.GFF_1x1, self._dense(merged))
        return self.run(self._image, merged, base)

    def _others(self) -> list[int]:
        """Numbers of the frames that are not the reference."""
        return [i for i in range(self.max_frames) if i != self.reference]

    def _features(self, pair: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(self.conv1(pair), SLOPE, inplace=True)

    def _weighed(self, i: int, pair: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Features (N, width, H, W) of frame i, times its attention to those of the reference."""
        own = self._features(pair)
        inner, outer = (self.get_submodule(f"att{i + 1}{k}") for k in (1, 2))
        hidden = F.leaky_relu(inner(torch.cat((own, base), dim=1)), SLOPE, inplace=True)
        return own * torch.sigmoid(outer(hidden))

    def _dense(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        """What each dense block makes of what the one before it made."""
        for name in self.blocks:
            x = self.run(self.get_submodule(name), x)
            yield x

    def _image(self, merged: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        features = self.conv_up(self.GFF_3x3(merged).float() + base)
        return torch.sigmoid(self.conv3(self.upsample(features)).float())
