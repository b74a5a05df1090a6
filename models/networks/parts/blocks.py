"""Building blocks of the networks: residual bodies, sub-pixel and bilinear upsampling, recomputed parts."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


def run_part(network: nn.Module, part: Callable[..., Any], *inputs: torch.Tensor) -> Any:
    """A part of a network in training: kept for the backward pass, or computed again for it.

    The latter where the network's attribute `gradient_checkpointing` says so.
    """
    if network.gradient_checkpointing and network.training:
        return checkpoint(part, *inputs, use_reentrant=False)
    return part(*inputs)


class ResBlock(nn.Module):
    """x + conv(relu(conv(x))), 3x3; Kaiming weights times 0.1, so that a deep stack starts near identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight)
            conv.weight.data.mul_(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.added(x, in_place=False)

    def added(self, x: torch.Tensor, in_place: bool) -> torch.Tensor:
        """The result, in the place of x where that is allowed and the convolutions keep but a copy of it.

        Under autocast the residual is half precision; the stream x stays float32 (4 dB nearer to float32).
        """
        residual = self.conv2(F.relu(self.conv1(x), inplace=True))
        if residual.dtype == x.dtype:
            return residual.add_(x)
        return x.add_(residual) if in_place else x + residual


class Body(nn.Module):
    """3x3 convolution of all inputs together to `channels`, leaky ReLU, then residual blocks; float32."""

    def __init__(self, in_channels: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Sequential(*(ResBlock(channels) for _ in range(blocks))),
        )

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        x = self.main[0](joined(*inputs))  # here, so that what is joined is freed before the blocks run
        x = self.main[1](x).float()
        for block in self.main[2]:
            x = block.added(x, in_place=True)
        return x


def joined(*inputs: torch.Tensor) -> torch.Tensor:
    """Inputs (N, C, H, W) of a convolution, one above the other, in the precision in which it takes them."""
    device = inputs[0].device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        inputs = tuple(each.to(dtype) for each in inputs)
    return torch.cat(inputs, dim=1)


class PixelShufflePack(nn.Module):
    """3x3 convolution to scale^2 times the channels, then pixel shuffle: sub-pixel upsampling by `scale`."""

    def __init__(self, in_channels: int, channels: int, scale: int) -> None:
        super().__init__()
        self.upsample_conv = nn.Conv2d(in_channels, channels * scale**2, 3, padding=1)
        nn.init.kaiming_normal_(self.upsample_conv.weight)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(self.upsample_conv(x), self.scale)


def upsample(x: torch.Tensor, scale: int, window: tuple[int, int, int, int] | None = None) -> torch.Tensor:
    """Bilinear upsampling with aligned corners, (N, C, h, w) -> (N, C, scale h, scale w).

    With aligned corners the positions depend on the size of the whole image. `window` = (top, left, H, W)
    says that `x` is the tile at (top, left) of an image of H x W: it is then sampled where the whole image
    would be.
    """
    if window is None:
        return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=True)
    for dim, start, whole in ((-2, window[0], window[2]), (-1, window[1], window[3])):
        size = x.shape[dim]
        place = torch.arange(start * scale, (start + size) * scale, device=x.device, dtype=torch.float64)
        place = (place * ((whole - 1) / (whole * scale - 1)) - start).clamp(0, size - 1)
        low = place.floor().long()
        fraction = (place - low).to(x.dtype)
        fraction = fraction[:, None] if dim == -2 else fraction
        x = torch.lerp(x.index_select(dim, low), x.index_select(dim, (low + 1).clamp(max=size - 1)), fraction)
    return x
