"""HDR-Transformer: context-aware vision transformer for HDR without ghosts (Liu et al., ECCV 2022)."""

from collections import OrderedDict
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.exposure_pairs import start_dark, upsampling
from models.networks.parts.padding import PaddedPairNetwork
from models.networks.parts.strips import by_strips, convolved, rows_at_once, strips
from models.networks.parts.window_attention import initialise, swin_groups

SQUEEZE = 8  # the local branch has so many times fewer channels


class LocalContext(nn.Module):
    """A narrow convolution, each channel times a gate that follows from its mean over the whole image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // SQUEEZE)
        self.conv = nn.Sequential(
            nn.Conv2d(channels, narrow, 1),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.Conv2d(narrow, channels, 1),
        )
        self.fc = nn.Sequential(
            nn.Linear(channels, narrow, bias=False), nn.ReLU(), nn.Linear(narrow, channels, bias=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, H, W, C) -> the same shape."""
        local = self._local(convolved(self.conv[1], self.squeeze(x)))
        return local * self._gate(local.mean((1, 2), dtype=torch.float32))

    def squeeze(self, x: torch.Tensor) -> torch.Tensor:
        """The first convolution, of each px alone: maps (N, H, W, C) -> (N, H, W, c)."""
        return F.linear(x, self.conv[0].weight.flatten(1), self.conv[0].bias)

    def add_to(self, x: torch.Tensor, squeezed: torch.Tensor) -> torch.Tensor:
        """x (N, H, W, C), in place, plus the result for the image whose `squeeze` this is."""
        narrow = convolved(self.conv[1], squeezed)
        height, width = x.shape[1:3]
        rows = [own for own, _, _ in strips(height, rows_at_once(x, x.shape[-1]), 0)]
        total = sum(self._local(narrow[:, own]).sum((1, 2), dtype=torch.float32) for own in rows)
        gate = self._gate(total / (height * width))
        for own in rows:
            x[:, own] += self._local(narrow[:, own]) * gate
        return x

    def _local(self, narrow: torch.Tensor) -> torch.Tensor:
        wide = F.linear(narrow, self.conv[2].weight.flatten(1), self.conv[2].bias)
        return F.leaky_relu(wide, 0.2)

    def _gate(self, mean: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.fc(mean))[:, None, None]


class SpatialAttention(nn.Module):
    """Weights (N, C, H, W) in (0, 1) of a frame's features beside those of the reference."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.att1 = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1)
        self.att2 = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, feature: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        hidden = self.att1(torch.cat((feature, base), dim=1))
        return torch.sigmoid(self.att2(F.leaky_relu(hidden, 0.01, inplace=True)))


class HDRTransformer(PaddedPairNetwork):
    """Frames weighed by attention to the reference; window attention with local context merges them.

    As in the SelfHDR specification, 7.3; its frames need not be aligned.

    Args:
        num_frames, in_channels, out_channels, scale, reference, bgr: see `PairNetwork`.
        embed_dim: width of the features (60). groups: groups of blocks (3). depth: blocks of a group (6).
        heads: of the attention (6). mlp_ratio: hidden width of the MLPs, in widths (2).
        drop_path: rate of stochastic depth of the last block; it rises from 0 (0.1).
    """

    sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "full": {},
        "small": {"embed_dim": 30, "depth": 4, "heads": 3},
        "tiny": {"embed_dim": 16, "groups": 2, "depth": 2, "heads": 2, "drop_path": 0.0},
    }

    def __init__(
        self,
        num_frames: int = 3,
        in_channels: int = 3,
        out_channels: int = 3,
        scale: int = 1,
        reference: int = 1,
        bgr: bool = False,
        embed_dim: int = 60,
        groups: int = 3,
        depth: int = 6,
        heads: int = 6,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__(num_frames, in_channels, out_channels, scale, reference, bgr)
        if embed_dim % heads:
            raise ValueError(f"an embed_dim of {embed_dim} cannot be divided among {heads} heads")
        for i in range(num_frames):
            self.add_module(f"conv_f{i + 1}", nn.Conv2d(2 * in_channels, embed_dim, 3, padding=1))
        for i in reversed(range(num_frames)):
            if i != reference:
                self.add_module(self._attention_name(i), SpatialAttention(embed_dim))
        self.conv_first = nn.Conv2d(num_frames * embed_dim, embed_dim, 3, padding=1)
        self.patch_embed = nn.Sequential(OrderedDict(norm=nn.LayerNorm(embed_dim)))
        self.layers = swin_groups(
            groups,
            depth,
            drop_path,
            channels=embed_dim,
            heads=heads,
            window=self.window,
            mlp_ratio=mlp_ratio,
            dilation=2,
            local=LocalContext,
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.conv_after_body = nn.Conv2d(embed_dim, embed_dim, 3, padding=1)
        self.upsampling = upsampling(embed_dim, embed_dim, scale)
        self.conv_last = nn.Conv2d(embed_dim, out_channels, 3, padding=1)
        self.apply(initialise)
        start_dark(self.conv_last)

    def restore_pairs(self, pairs: torch.Tensor) -> torch.Tensor:
        """Pairs (N, T, 2C, H, W), sides multiples of 8 -> (N, C', sH, sW) in (0, 1)."""
        frames, width = pairs.permute(0, 3, 4, 1, 2), self.conv_last.in_channels
        merge = partial(by_strips, self._merged, channels=6 * width, halo=4)
        first = self.run(merge, frames)
        y = by_strips(self.patch_embed, first, channels=width)
        for group in self.layers:
            y = group(y, self.run)
        image = partial(by_strips, self._image, channels=4 * width * self.scale**2, halo=4)
        return self.run(image, y, first, frames).permute(0, 3, 1, 2)

    def _attention_name(self, i: int) -> str:
        """The published one for the frames around the reference in the middle of three."""
        published = self.max_frames == 3 and self.reference == 1
        return f"att_module_{'hrl'[i] if published else i + 1}"

    def _features(self, i: int, frames: torch.Tensor) -> torch.Tensor:
        """Features (N, C, H, W) of frame i of (N, H, W, T, 2C)."""
        return convolved(self.get_submodule(f"conv_f{i + 1}"), frames[..., i, :]).permute(0, 3, 1, 2)

    def _merged(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, H, W, T, 2C) -> features (N, H, W, C) of all."""
        base, weighed = self._features(self.reference, frames), []
        for i in range(self.max_frames):
            own = base if i == self.reference else self._features(i, frames)
            if i != self.reference:
                own = own * self.get_submodule(self._attention_name(i))(own, base)
            weighed.append(own)
        return self.conv_first(torch.cat(weighed, dim=1)).permute(0, 2, 3, 1).float()

    def _image(self, y: torch.Tensor, first: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """The image (N, sH, sW, C') of the groups' features, with what they were made from."""
        body = convolved(self.conv_after_body, self.norm(y) + first).permute(0, 3, 1, 2)
        body = self.upsampling(body + self._features(self.reference, frames))
        return torch.sigmoid(self.conv_last(body).float()).permute(0, 2, 3, 1)
