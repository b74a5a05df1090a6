"""Blocks of the networks for bursts, by the names of their published weights (Deep-Rep specification, 2)."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class ConvBlock(nn.Sequential):
    """Convolution, 3x3 unless told otherwise, with ReLU unless told otherwise: one element, or two."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int = 3,
        stride: int = 1,
        bias: bool = True,
        relu: bool = True,
    ) -> None:
        super().__init__(nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=bias))
        if relu:
            self.append(nn.ReLU(inplace=True))


class ReluResBlock(nn.Module):
    """relu(x + conv(relu(conv(x)))), 3x3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvBlock(channels, channels)
        self.conv2 = ConvBlock(channels, channels, relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.conv2(self.conv1(x)).add_(x), inplace=True)


def start_from_frames(network: nn.Module, flow: str | None = None) -> None:
    """Weights with which a network that adds the base to its result learns from the first step on.

    Kaiming's, without biases: PyTorch's biases are larger than what frames say, and ReLUs die first. What
    finds flow, the submodule `flow` if there is one, and convolutions that have no biases stay as they are.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None and not (flow and name.startswith(flow)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


def res_blocks(number: int, channels: int) -> nn.Sequential:
    """So many residual blocks, one after the other."""
    return nn.Sequential(*(ReluResBlock(channels) for _ in range(number)))


class SubpixelUpsampler(nn.Module):
    """1x1 convolution without bias, ReLU, pixel shuffle by `factor`, and a blur by a Gaussian of 3x3 px.

    The convolution begins with all sub-pixels alike (ICNR, Aitken et al. 2017).
    """

    def __init__(self, before: int, after: int, factor: int, blur: bool) -> None:
        super().__init__()
        self.factor, self.blur = factor, blur
        self.conv_layer = ConvBlock(before, after * factor**2, kernel=1, bias=False)
        own = torch.empty(after, before, 1, 1)
        nn.init.kaiming_normal_(own)
        self.conv_layer[0].weight.data.copy_(own.repeat_interleave(factor**2, dim=0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) -> (N, C', factor h, factor w)."""
        x = F.pixel_shuffle(self.conv_layer(x), self.factor)
        return gaussian_blur(x) if self.blur else x


def gaussian_blur(images: torch.Tensor) -> torch.Tensor:
    """Each plane of (N, C, H, W) under a Gaussian of deviation 1 px, cut to 3x3 px, with zeros outside."""
    beside = math.exp(-0.5) / (1 + 2 * math.exp(-0.5))
    middle = 1 - 2 * beside
    padded = F.pad(images, (1, 1, 1, 1))
    rows = beside * (padded[..., :-2] + padded[..., 2:]) + middle * padded[..., 1:-1]
    return beside * (rows[..., :-2, :] + rows[..., 2:, :]) + middle * rows[..., 1:-1, :]
