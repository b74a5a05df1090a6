"""Restoring large frames tile by tile: a network's memory is that of a tile, not of the image."""

import itertools
from collections.abc import Iterator

import torch
from torch import nn

from util.device import release_memory


@torch.inference_mode()
def restore(
    network: nn.Module, frames: torch.Tensor, tile: int, overlap: int, **given: torch.Tensor
) -> torch.Tensor:
    """`network(frames, **given)` for frames (N, T, C, H, W), in tiles where a side is longer than `tile` px.

    What the network says it needs of the whole frame (`whole_frame`, see models.networks) is computed once;
    each tile gets its part. A tile is restored with `overlap` px around it, or more where the network asks
    for that (`halo`), and neighbours are blended over half of the overlap, where both are far from their
    edges.

    Args:
        tile: side of a tile without its surroundings; 0 = the whole frame at once.

    Returns:
        (N, C', sH, sW) on the CPU where tiles were used, else where the frames are.
    """
    height, width = frames.shape[-2:]
    if tile == 0 or max(height, width) <= tile:
        return network(frames, **given)
    knows_frame = hasattr(network, "whole_frame")
    context = network.whole_frame(frames, **given) if knows_frame else {}
    result = None
    release_memory()
    for rows, row_weight in _spans(height, tile, overlap // 4):
        for columns, column_weight in _spans(width, tile, overlap // 4):
            reach = overlap
            if context:
                inside = {key: _cut(value, rows, columns, overlap) for key, value in context.items()}
                reach = max(overlap, network.halo(**inside))
            extra = {key: _cut(value, rows, columns, reach) for key, value in context.items()}
            top, left = max(rows.start - reach, 0), max(columns.start - reach, 0)
            if knows_frame:
                extra["window"] = (top, left, height, width)
            restored = network(_cut(frames, rows, columns, reach), **given, **extra).float()
            scale = restored.shape[-1] // _cut(frames, rows, columns, reach).shape[-1]
            if result is None:
                result = torch.zeros(*restored.shape[:2], height * scale, width * scale)
            weight = _stretch(row_weight, scale)[:, None] * _stretch(column_weight, scale)
            y, x = (rows.start - top) * scale, (columns.start - left) * scale
            part = restored[..., y : y + len(rows) * scale, x : x + len(columns) * scale]
            place = result[
                ..., rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale
            ]
            place += part.cpu() * weight
    return result


def _cut(image: torch.Tensor, rows: range, columns: range, reach: int) -> torch.Tensor:
    """The part of `image` (..., H, W) at these rows and columns and up to `reach` px around them."""
    top, left = max(rows.start - reach, 0), max(columns.start - reach, 0)
    return image[..., top : rows.stop + reach, left : columns.stop + reach]


def _spans(size: int, tile: int, ramp: int) -> Iterator[tuple[range, torch.Tensor]]:
    """Equal spans that cover 0..size, each at most `tile` long, and the weight of each of their px.

    Neighbours overlap by 2 `ramp`, where one's weight falls as the other's rises (raised cosine): the
    weights of all spans add up to one everywhere.
    """
    count = -(-size // tile)
    edges = [round(i * size / count) for i in range(count + 1)]
    ramp = min(ramp, (size // count) // 2)
    rise = torch.sin((torch.arange(2 * ramp) + 0.5) * (torch.pi / (4 * max(ramp, 1)))) ** 2
    for start, stop in itertools.pairwise(edges):
        first, last = max(start - ramp, 0), min(stop + ramp, size)
        weight = torch.ones(last - first)
        if start > 0:
            weight[: 2 * ramp] *= rise
        if stop < size:
            weight[last - first - 2 * ramp :] *= rise.flip(0)
        yield range(first, last), weight


def _stretch(weight: torch.Tensor, scale: int) -> torch.Tensor:
    return weight.repeat_interleave(scale)
