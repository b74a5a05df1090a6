"""Sampling of images at displaced positions: backward warping and modulated deformable convolution."""

import torch
import torch.nn.functional as F

STRIP_PIXELS = (
    2048  # deformable sampling works on about this many px at once: what it gathers then stays in cache
)


def warp(
    image: torch.Tensor,
    flow: torch.Tensor,
    padding_mode: str = "zeros",
    top: int = 0,
    mode: str = "bilinear",
) -> torch.Tensor:
    """Sample `image` (N, C, H, W) at pixel index + `flow` (N, 2, h, W), by default bilinearly: (N, C, h, W).

    Channel 0 of the flow is x, 1 is y, in px. `top` is the row of `image` at which row 0 of the flow lies, so
    that a strip of rows can be warped by itself. Outside lies zero or, with "border", the nearest pixel.
    """
    grid = sampling_grid(flow, image.shape[-2:], top)
    return F.grid_sample(image.float(), grid, mode=mode, padding_mode=padding_mode, align_corners=True)


def sampling_grid(flow: torch.Tensor, size: tuple[int, int], top: int = 0) -> torch.Tensor:
    """Where `warp` samples an image of `size`, as PyTorch counts with aligned corners: (N, h, W, 2)."""
    height, width = size
    rows, columns = _indices(flow, top)
    x = (flow[:, 0] + columns) * (2 / max(width - 1, 1)) - 1
    y = (flow[:, 1] + rows) * (2 / max(height - 1, 1)) - 1
    return torch.stack((x, y), dim=-1)


def _indices(like: torch.Tensor, top: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Row indices (h, 1), from `top` on, and column indices (w,) for a tensor (..., h, w), as float32."""
    rows = torch.arange(top, top + like.shape[-2], device=like.device, dtype=torch.float32)
    columns = torch.arange(like.shape[-1], device=like.device, dtype=torch.float32)
    return rows[:, None], columns


def strip_rows(image: torch.Tensor) -> int:
    """Rows of an image (N, C, H, W) that deformable sampling should work on at once; on a GPU all of them."""
    return image.shape[-2] if image.is_cuda else max(1, STRIP_PIXELS // image.shape[-1])


def modulated_deform_conv(
    x: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    top: int = 0,
) -> torch.Tensor:
    """3x3 modulated deformable convolution, stride 1, padding 1 (Zhu et al. 2019, DCNv2).

    Args:
        x: (N, C, H, W).
        offset: (N, 18 G, h, W) in px for G offset groups; per group and tap dy, then dx.
        mask: (N, 9 G, h, W), factor per group and tap.
        weight: (C', C / weight groups, 3, 3). bias: (C',).
        top: `offset` and `mask` are of rows top .. top + h; on a GPU they must be of all rows.

    Returns:
        these rows of the result, (N, C', h, W) float32.

    On the GPU this is torchvision's operator. On the CPU that one is slow (single-threaded, and it holds all
    samples of all rows), so the same sum is taken from `grid_sample`; call it for `strip_rows` at a time.
    """
    x, offset, mask = x.float(), offset.float(), mask.float()
    if x.is_cuda:
        with torch.autocast("cuda", enabled=False):
            from torchvision.ops import deform_conv2d  # not above: it takes seconds

            return deform_conv2d(x, offset, weight, bias, padding=1, mask=mask)
    source = x.contiguous().view(mask.shape[0] * (mask.shape[1] // 9), -1, *x.shape[-2:])  # (N G, C/G, H, W)
    return _deform_strip(source, offset, mask, weight, top) + bias.view(1, -1, 1, 1)


def _deform_strip(
    source: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor, top: int
) -> torch.Tensor:
    """Rows top .. top+h of the deformable convolution without bias: (N, C', h, W)."""
    batch, _, rows, width = offset.shape
    groups_all, channels = source.shape[:2]  # N G, C/G
    offset = offset.reshape(groups_all, 9, 2, rows, width)
    y, x = _indices(offset, top - 1)
    taps = torch.arange(3, device=offset.device, dtype=torch.float32)
    y = offset[:, :, 0] + y + taps.repeat_interleave(3).view(9, 1, 1)
    x = offset[:, :, 1] + x - 1 + taps.repeat(3).view(9, 1, 1)
    height_scale, width_scale = (2 / max(size - 1, 1) for size in source.shape[-2:])
    grid = torch.stack((x * width_scale - 1, y * height_scale - 1), dim=-1)  # (N G, 9, h, W, 2)
    samples = F.grid_sample(source, grid.view(groups_all, 9 * rows, width, 2), align_corners=True)
    samples = samples.view(groups_all, channels, 9, rows * width) * mask.reshape(
        groups_all, 1, 9, rows * width
    )
    out_channels, in_channels = weight.shape[:2]
    samples = samples.view(batch, -1, in_channels * 9, rows * width)  # (N, weight groups, C/Wg 9, hW)
    kernel = weight.view(samples.shape[1], -1, in_channels * 9)  # (Wg, C'/Wg, C/Wg 9)
    return torch.matmul(kernel, samples).view(batch, out_channels, rows, width)
