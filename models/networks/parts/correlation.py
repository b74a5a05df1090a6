"""Correlation volumes: how alike the features of two images are, displaced by a few px against each other."""

import torch
import torch.nn.functional as F

BLOCK = (
    8  # px, side of the blocks of which all products are made at once: more than are asked for, but by BLAS
)


def correlation(first: torch.Tensor, second: torch.Tensor, radius: int) -> torch.Tensor:
    """vol(p, d) = sum over channels of first(p) second(p + d), zero outside (Deep-Rep specification, 2.4).

    Args:
        first, second: (N, C, H, W). radius: px that d reaches in both directions.

    Returns:
        (N, (2 radius + 1)^2, H, W); the channel is (2 radius + 1) (dy + radius) + (dx + radius).
    """
    number, channels, height, width = first.shape
    side, reach = min(BLOCK, max(height, width)), 2 * radius + 1
    span, below, right = side + 2 * radius, -height % side, -width % side
    first = F.pad(first, (0, right, 0, below))
    second = F.pad(second, (radius, radius + right, radius, radius + below))
    rows, columns = first.shape[-2] // side, first.shape[-1] // side
    # (N, rows, columns, side^2, C) x (N, rows, columns, C, span^2)
    own = first.view(number, channels, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
    around = second.unfold(2, span, side).unfold(3, span, side).permute(0, 2, 3, 1, 4, 5)
    own = own.reshape(-1, side * side, channels)
    products = torch.bmm(own, around.reshape(-1, channels, span * span)).contiguous()
    # Of the products of px (i, j) of a block those with px (i + dy, j + dx) of its surroundings.
    blocks = products.as_strided(
        (len(products), side, side, reach, reach),
        (side**2 * span**2, side * span**2 + span, span**2 + 1, span, 1),
    )
    blocks = blocks.reshape(number, rows, columns, side, side, reach * reach)
    volume = blocks.permute(0, 5, 1, 3, 2, 4).reshape(number, reach * reach, rows * side, columns * side)
    return volume[..., :height, :width]


def patch_correlation(first: torch.Tensor, second: torch.Tensor, radius: int) -> torch.Tensor:
    """The same of patches of 3x3 px: vol(p, d) summed over the px around p (specification, 2.5)."""
    return 9 * F.avg_pool2d(correlation(first, second, radius), 3, 1, 1)
