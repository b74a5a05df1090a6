"""SCTNet: attention within windows, and between the channels of frames (Tel et al., ICCV 2023)."""

from collections import OrderedDict
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.exposure_pairs import start_dark, upsampling
from models.networks.parts.padding import PaddedPairNetwork
from models.networks.parts.precision import full_precision
from models.networks.parts.strips import by_strips, convolved, rows_at_once, strips
from models.networks.parts.window_attention import MLP, initialise, swin_groups

HEADS = 4  # of the attention between channels
HEADS_PER_FRAME = 2  # of the attention within windows


def channel_norm(channels: int) -> nn.Sequential:
    """Layer norm under its published name."""
    return nn.Sequential(OrderedDict(body=nn.LayerNorm(channels)))


class ChannelAttention(nn.Module):
    """Weights of the attention of the channels of one map to those of another, whatever their size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.q, self.k, self.v, self.project_out = (
            nn.Conv2d(channels, channels, 1, bias=False) for _ in range(4)
        )

    def moments(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Of maps (N, H, W, C): products of queries and keys, and their squares, summed over all px.

        (N, C, C + 2): the products, then the squares of the queries and of the keys.
        """
        query = F.linear(a, self.q.weight.flatten(1)).flatten(1, 2).float()
        key = F.linear(b, self.k.weight.flatten(1)).flatten(1, 2).float()
        with full_precision(a):
            products = query.mT @ key
        return torch.cat((products, query.square().sum(1)[..., None], key.square().sum(1)[..., None]), dim=2)

    def mixture(self, moments: torch.Tensor) -> torch.Tensor:
        """Matrix (N, C, C) that takes a px of `b` to the projected result, from the moments of all px."""
        with full_precision(moments):
            products, query, key = moments.split((moments.shape[1], 1, 1), dim=2)
            length = query.clamp(min=1e-24).sqrt() * key.clamp(min=1e-24).sqrt().mT
            heads = (products / length).unflatten(2, (HEADS, -1)).unflatten(1, (HEADS, -1))
            heads = heads.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)  # (N, heads, d, d)
            weights = torch.softmax(heads * self.temperature, dim=-1)
            blocks = torch.stack([torch.block_diag(*sample) for sample in weights])
            return self.project_out.weight.flatten(1) @ blocks @ self.v.weight.flatten(1)


class CrossAttentionBlock(nn.Module):
    """Queries of a reference, keys and values of another frame, between channels; then an MLP."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1_x, self.norm1_y = channel_norm(channels), channel_norm(channels)
        self.attn = ChannelAttention(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.ffn = MLP(channels, 4 * channels)

    def moments(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """What `forward` needs of all px: a sum over those of reference a and frame b (N, H, W, C)."""
        return self.attn.moments(self.norm1_x(a), self.norm1_y(b))

    def forward(self, a: torch.Tensor, b: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
        """Maps (N, H, W, C) -> the same shape; `mixture` (N, C, C) from the moments."""
        values = self.norm1_y(b)
        x = a + (values.flatten(1, 2) @ mixture.mT).unflatten(1, values.shape[1:3])
        return x + self.ffn(self.norm2(x))


class SCTNet(PaddedPairNetwork):
    """Stages of window attention over the features of all frames, and of attention between frames.

    As in the SelfHDR specification, 7.4; its frames need not be aligned.

    Args:
        num_frames, in_channels, out_channels, scale, reference, bgr: see `PairNetwork`.
        frame_dim: features of a frame (20). stages: stages (4). depth: blocks of a stage (6).
        mlp_ratio: hidden width of the blocks' MLPs, in widths (2).
        drop_path: rate of stochastic depth of the last block; it rises from 0 (0.1).
    """

    sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "full": {},
        "small": {"frame_dim": 12, "depth": 4},
        "tiny": {"frame_dim": 8, "stages": 2, "depth": 2, "drop_path": 0.0},
    }

    def __init__(
        self,
        num_frames: int = 3,
        in_channels: int = 3,
        out_channels: int = 3,
        scale: int = 1,
        reference: int = 1,
        bgr: bool = False,
        frame_dim: int = 20,
        stages: int = 4,
        depth: int = 6,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__(num_frames, in_channels, out_channels, scale, reference, bgr)
        if frame_dim % HEADS:
            raise ValueError(f"a frame_dim of {frame_dim} cannot be divided among {HEADS} heads")
        width = num_frames * frame_dim
        for i in range(num_frames):
            self.add_module(f"conv{i + 1}", nn.Conv2d(2 * in_channels, frame_dim, 3, padding=1))
        self.conv_end = nn.Conv2d(frame_dim, width, 3, padding=1)
        self.conv_first = MLP(width, width)
        self.patch_embed = nn.Sequential(OrderedDict(norm=nn.LayerNorm(width)))
        self.layers = swin_groups(
            stages,
            depth,
            drop_path,
            channels=width,
            heads=HEADS_PER_FRAME * num_frames,
            window=self.window,
            mlp_ratio=mlp_ratio,
        )
        for i in self._others():
            blocks = nn.ModuleList(CrossAttentionBlock(frame_dim) for _ in range(stages))
            self.add_module(self._attention_name(i), blocks)
        self.mlps = nn.ModuleList(MLP(width, width) for _ in range(stages))
        self.norm = nn.LayerNorm(width)
        self.conv_after_body = nn.Conv2d(width, width, 3, padding=1)
        self.upsampling = upsampling(width, width, scale)
        self.upsample = nn.Sequential(nn.Conv2d(width, out_channels, 3, padding=1))  # its published name
        self.apply(initialise)
        start_dark(self.upsample[0])

    def restore_pairs(self, pairs: torch.Tensor) -> torch.Tensor:
        """Pairs (N, T, 2C, H, W), sides multiples of 8 -> (N, C', sH, sW) in (0, 1)."""
        frames, width = pairs.permute(0, 3, 4, 1, 2), self.conv_after_body.in_channels
        x = by_strips(self._embedded, frames, channels=4 * width, halo=1)
        z = by_strips(self.conv_first, x, channels=2 * width).float()
        for stage, group in enumerate(self.layers):
            z = self.run(partial(self._exchanged, stage), group(z, self.run), x)
        image = partial(by_strips, self._image, channels=4 * width * self.scale**2, halo=4)
        return self.run(image, z, frames).permute(0, 3, 1, 2)

    def _others(self) -> list[int]:
        """Numbers of the frames that are not the reference."""
        return [i for i in range(self.max_frames) if i != self.reference]

    def _attention_name(self, i: int) -> str:
        """The published one for the frames around the reference in the middle of three."""
        published = self.max_frames == 3 and self.reference == 1
        return f"channel_layers_{('lm', '', 'rm')[i] if published else i + 1}"

    def _attention(self, i: int, stage: int) -> CrossAttentionBlock:
        return self.get_submodule(self._attention_name(i))[stage]

    def _feature(self, i: int, frames: torch.Tensor) -> torch.Tensor:
        """Features (N, H, W, c) of frame i of (N, H, W, T, 2C)."""
        return convolved(self.get_submodule(f"conv{i + 1}"), frames[..., i, :])

    def _embedded(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, H, W, T, 2C) -> normalised features (N, H, W, C) of all."""
        return self.patch_embed(torch.cat([self._feature(i, frames) for i in range(self.max_frames)], dim=-1))

    def _exchanged(self, stage: int, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Features z (N, H, W, C) after attention between the frames; x are those of the start."""
        mixtures = self._mixtures(stage, z, x)

        def exchange(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            parts = (z + x).chunk(self.max_frames, dim=-1)
            base = parts[self.reference]
            mixed = [
                base if i == self.reference else self._attention(i, stage)(base, parts[i], mixtures[i])
                for i in range(self.max_frames)
            ]
            return self.mlps[stage](torch.cat(mixed, dim=-1)).float()

        return by_strips(exchange, z, x, channels=3 * z.shape[-1])

    def _mixtures(self, stage: int, z: torch.Tensor, x: torch.Tensor) -> dict[int, torch.Tensor]:
        """Number of a frame -> what `CrossAttentionBlock.forward` needs of the whole image."""
        moments = dict.fromkeys(self._others(), 0)
        for own, _, _ in strips(z.shape[1], rows_at_once(z, 3 * z.shape[-1]), 0):
            parts = (z[:, own] + x[:, own]).chunk(self.max_frames, dim=-1)
            for i in moments:
                more = self._attention(i, stage).moments(parts[self.reference], parts[i])
                moments[i] = moments[i] + more
        return {i: self._attention(i, stage).attn.mixture(total) for i, total in moments.items()}

    def _image(self, z: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """The image (N, sH, sW, C') of the stages' features and of the reference's own."""
        body = convolved(self.conv_after_body, self.norm(z)) + convolved(
            self.conv_end, self._feature(self.reference, frames)
        )
        image = self.upsample(self.upsampling(body.permute(0, 3, 1, 2)))
        return torch.sigmoid(image.float()).permute(0, 2, 3, 1)
