"""Swin transformer blocks on maps (N, H, W, C): attention within windows, shifted in every other block.

Without gradients a block works on its input in place, a band of windows after the other, which is exact: the
windows of a block do not overlap. As in the SelfHDR specification, 7.3.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from timm.layers import DropPath, trunc_normal_
from torch import nn

from models.networks.parts.strips import convolved, rows_at_once, strips

MASKED = -100.0  # added to the logits of px that are no neighbours


def initialise(module: nn.Module) -> None:
    """Initial values of a layer of tokens, to be applied to each module of a network."""
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class MLP(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


def relative_positions(window: int) -> torch.Tensor:
    """Number of the difference of place of each pair of px of a window, (window^2, window^2)."""
    rows, columns = (side.flatten() for side in torch.meshgrid(*[torch.arange(window)] * 2, indexing="ij"))
    rows, columns = (side[:, None] - side + window - 1 for side in (rows, columns))
    return rows * (2 * window - 1) + columns


def edges(count: int, at_end: bool) -> list[tuple[slice, bool]]:
    """`count` windows in a row: those that lie together in the image, and the last if it is cut in two."""
    parts = [(slice(0, count - 1), False), (slice(count - 1, count), True)] if at_end else []
    return [part for part in parts if part[0].stop > part[0].start] or [(slice(0, count), False)]


class WindowAttention(nn.Module):
    """Self-attention of the px of each window, with a bias for each difference of place and head."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("positions", relative_positions(window), persistent=False)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor, shift: int, at_end: bool) -> torch.Tensor:
        """Maps (N, H, W, C), sides multiples of the window -> the same shape.

        `shift`: px by which the image of W columns was rolled to the left, and its rows upwards; `at_end`:
        the last row of windows is that of the image, where what was rolled over meets the rest.
        """
        size = (x.shape[1] // self.window, self.window, x.shape[2] // self.window, self.window)
        windows = x.unflatten(2, size[2:]).unflatten(1, size[:2]).transpose(2, 3).flatten(3, 4)
        qkv = self.qkv(windows).unflatten(-1, (3, self.heads, -1))  # (N, rows, columns, px, 3, heads, d)
        bias = self.relative_position_bias_table[self.positions].permute(2, 0, 1)
        rows, columns = edges(size[0], at_end and shift > 0), edges(size[2], shift > 0)
        bands = []
        for row, cut_row in rows:
            parts = [
                self._attend(qkv[:, row, column], bias + self._mask(shift, cut_row, cut_column))
                for column, cut_column in columns
            ]
            bands.append(torch.cat(parts, dim=2) if len(parts) > 1 else parts[0])
        windows = self.proj(torch.cat(bands, dim=1) if len(bands) > 1 else bands[0])
        return windows.unflatten(3, (self.window, self.window)).transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def _attend(self, qkv: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Queries, keys, values (N, rows, columns, px, 3, heads, d), bias (heads, px, px) -> (..., px, C)."""
        q, k, v = qkv.flatten(0, 2).permute(2, 0, 3, 1, 4)
        result = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None].to(q.dtype))
        return result.transpose(1, 2).flatten(2).unflatten(0, qkv.shape[:3])

    def _mask(self, shift: int, cut_row: bool, cut_column: bool) -> torch.Tensor:
        """What is added to the logits (px, px) of windows in which two sides of the image meet."""
        side = torch.arange(self.window, device=self.positions.device) >= self.window - shift
        part = (2 * (side & cut_row)[:, None] + (side & cut_column)).flatten()
        return MASKED * (part[:, None] != part)


class SwinBlock(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)), and a `local` branch from the normalised input if any.

    Args:
        shift: px by which the windows are shifted. drop_path: rate of stochastic depth.
        local: a module like `hdr_transformer.LocalContext`.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        window: int,
        shift: int,
        mlp_ratio: float,
        drop_path: float,
        local: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, window)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLP(channels, int(channels * mlp_ratio))
        self.drop_path = DropPath(drop_path)
        self.lce = local

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, H, W, C), float32, sides multiples of the window; without gradients `x` may be changed."""
        height, window = x.shape[1], self.attn.window
        rows = max(window, rows_at_once(x, 3 * x.shape[-1]) // window * window)
        if rows >= height:
            x, normal = self._update(x, (self.shift, self.shift), at_end=True)
            return x if self.lce is None else x + self.lce(normal)
        order = torch.arange(height, device=x.device).roll(-self.shift)
        squeezed = None
        for start in range(0, height, rows):
            band = order[start : start + rows]
            part, normal = self._update(x.index_select(1, band), (0, self.shift), start + rows >= height)
            x.index_copy_(1, band, part)
            if self.lce is not None:
                narrow = self.lce.squeeze(normal)
                squeezed = narrow.new_empty(*x.shape[:3], narrow.shape[-1]) if squeezed is None else squeezed
                squeezed.index_copy_(1, band, narrow)
        return x if self.lce is None else self.lce.add_to(x, squeezed)

    def _update(
        self, x: torch.Tensor, roll: tuple[int, int], at_end: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Bands of windows after attention and MLP, and what they were after the first norm.

        `roll`: by how many rows and columns they have yet to be rolled.
        """
        normal = self.norm1(x)
        rolled = normal.roll((-roll[0], -roll[1]), (1, 2)) if self.shift else normal
        attended = self.attn(rolled, self.shift, at_end)
        x = x + self.drop_path(attended.roll(roll, (1, 2)) if self.shift else attended)
        return x + self.drop_path(self.mlp(self.norm2(x))), normal


class SwinGroup(nn.Module):
    """x + convolution(blocks(x)), the convolution 3x3; every other block has its windows shifted.

    Args:
        rates: of stochastic depth, one for each block. dilation: of the convolution.
        local: makes the local branch of a block.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        window: int,
        mlp_ratio: float,
        rates: Sequence[float],
        dilation: int = 1,
        local: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        blocks = [
            SwinBlock(channels, heads, window, shift, mlp_ratio, rate, local(channels) if local else None)
            for rate, shift in zip(rates, [0, window // 2] * len(rates), strict=False)
        ]
        self.residual_group = nn.ModuleDict({"blocks": nn.ModuleList(blocks)})
        self.convolution = "conv" if dilation == 1 else "dilated_conv"
        self.add_module(
            self.convolution, nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        )

    def forward(self, x: torch.Tensor, run: Callable[..., torch.Tensor]) -> torch.Tensor:
        """Maps (N, H, W, C) -> the same shape; `run(block, x)` runs a block; see `SwinBlock.forward`."""
        y = x if torch.is_grad_enabled() else x.clone()
        for block in self.residual_group["blocks"]:
            y = run(block, y)
        convolution = self.get_submodule(self.convolution)
        halo = convolution.dilation[0]
        rows = rows_at_once(x, 4 * x.shape[-1], halo)
        if rows >= x.shape[1]:
            return x + convolved(convolution, y)
        for own, around, inside in strips(x.shape[1], rows, halo):
            x[:, own] += convolved(convolution, y[:, around])[:, inside]
        return x


def swin_groups(groups: int, depth: int, drop_path: float, **arguments) -> nn.ModuleList:
    """Groups of `depth` blocks; the rate of stochastic depth rises from 0 to `drop_path` over all of them."""
    last = max(1, groups * depth - 1)
    rates = [drop_path * k / last for k in range(groups * depth)]
    return nn.ModuleList(
        SwinGroup(rates=rates[start : start + depth], **arguments)
        for start in range(0, groups * depth, depth)
    )
