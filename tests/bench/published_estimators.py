"""Plain transcriptions of the networks of exposure diffusion, as their specification (5) states them.

For comparisons of speed and memory: whole maps, every step written out, nothing fused or in place.
"""

import torch
import torch.nn.functional as F
from torch import nn


def leaky(v: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of slope 0.2."""
    return torch.max(0.2 * v, v)


def adaptive_head(maps: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Nine maps and the first four planes of the input -> the estimate (5.3)."""
    mask, direct, residual = torch.sigmoid(maps[:, :1]), maps[:, 1:5], maps[:, 5:]
    by_residual = torch.clamp(z + residual, 0, 1)
    return mask * torch.clamp(direct, 0, 1) + (1 - mask) * by_residual


class PlainUNet(nn.Module):
    """5.1 with an adaptive head, on sides that are multiples of 16."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        widths = [32, 64, 128, 256, 512]
        for level, (before, width) in enumerate(zip([planes, *widths], widths, strict=False), 1):
            self.add(level, before, width)
        for level, width in enumerate(widths[-2::-1], 6):
            self.add_module(f"upv{level}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add(level, 2 * width, width)
        self.conv10_1 = nn.Conv2d(32, 9, 1)
        self.pool = nn.MaxPool2d(2)

    def add(self, level: int, before: int, width: int) -> None:
        self.add_module(f"conv{level}_1", nn.Conv2d(before, width, 3, padding=1))
        self.add_module(f"conv{level}_2", nn.Conv2d(width, width, 3, padding=1))

    def level(self, number: int, x: torch.Tensor) -> torch.Tensor:
        x = leaky(self.get_submodule(f"conv{number}_1")(x))
        return leaky(self.get_submodule(f"conv{number}_2")(x))

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Planes (N, C, h, w) -> (N, 4, h, w)."""
        skips, x = [], planes
        for number in range(1, 6):
            x = self.level(number, x)
            skips.append(x)
            x = self.pool(x) if number < 5 else x
        skips.pop()
        for number in range(6, 10):
            up = self.get_submodule(f"upv{number}")(x)
            x = self.level(number, torch.cat((up, skips.pop()), dim=1))
        return adaptive_head(self.conv10_1(x), planes[:, :4])


class PlainNorm(nn.Module):
    """Layer norm over the channels of maps (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        y = (x - mean) / (variance + 1e-6).sqrt()
        return self.weight.view(1, -1, 1, 1) * y + self.bias.view(1, -1, 1, 1)


class PlainBlock(nn.Module):
    """A block of 5.2."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.conv3 = nn.Conv2d(c, 2 * c, 1), nn.Conv2d(c, c, 1)
        self.conv2 = nn.Conv2d(2 * c, 2 * c, 3, padding=1, groups=2 * c)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c, 1))
        self.conv4, self.conv5 = nn.Conv2d(c, 2 * c, 1), nn.Conv2d(c, c, 1)
        self.norm1, self.norm2 = PlainNorm(c), PlainNorm(c)
        self.beta, self.gamma = (nn.Parameter(torch.zeros(1, c, 1, 1)) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u = self.conv2(self.conv1(self.norm1(x)))
        a, b = u.chunk(2, dim=1)
        u = a * b
        u = u * self.sca(u)
        y = x + self.conv3(u) * self.beta
        v = self.conv4(self.norm2(y))
        a, b = v.chunk(2, dim=1)
        return y + self.conv5(a * b) * self.gamma


def plain_blocks(number: int, width: int) -> nn.Sequential:
    """So many blocks, one after the other."""
    return nn.Sequential(*(PlainBlock(width) for _ in range(number)))


class PlainNAFNet(nn.Module):
    """5.2 (NAFNet-2) with an adaptive head."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        widths = [16, 32, 64, 128]
        self.intro, self.ending = nn.Conv2d(planes, 16, 3, padding=1), nn.Conv2d(16, 9, 3, padding=1)
        pairs = zip((2, 2, 4, 4), widths, strict=True)
        self.encoders = nn.ModuleList(plain_blocks(number, width) for number, width in pairs)
        self.downs = nn.ModuleList(nn.Conv2d(width, 2 * width, 2, 2) for width in widths)
        self.middle_blks = plain_blocks(12, 256)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * width, 4 * width, 1, bias=False), nn.PixelShuffle(2))
            for width in reversed(widths)
        )
        self.decoders = nn.ModuleList(plain_blocks(2, width) for width in reversed(widths))

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Planes (N, C, h, w) -> (N, 4, h, w)."""
        height, width = planes.shape[-2:]
        padded = F.pad(planes, (0, -width % 16, 0, -height % 16))
        x, skips = self.intro(padded), []
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.middle_blks(x)
        for up, blocks in zip(self.ups, self.decoders, strict=True):
            x = blocks(up(x) + skips.pop())
        image = adaptive_head(self.ending(x), padded[:, :4])
        return torch.clamp(image[..., :height, :width], 0, 1)
