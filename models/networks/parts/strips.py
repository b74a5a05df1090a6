"""Maps (N, H, W, C) worked off by strips of rows, so that what lies between takes little memory."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

CHUNK_BYTES = 8 << 20  # of tokens on a CPU: it should lie in the cache
STRIP_BYTES = 128 << 20  # of a convolution on a CPU, where the rows around a strip cost extra
DEVICE_BYTES = 1 << 30  # of both on a GPU


def rows_at_once(maps: torch.Tensor, channels: int, halo: int = 0) -> int:
    """Rows of `maps` (N, H, W, ...) to work on together, 1 or more; with gradients all of them.

    Args:
        channels: float32 numbers per px that exist at the same time.
        halo: rows around a strip that it needs.
    """
    height = maps.shape[1]
    if torch.is_grad_enabled():
        return height
    limit = DEVICE_BYTES if maps.device.type != "cpu" else STRIP_BYTES if halo else CHUNK_BYTES
    return min(height, max(1, limit // (4 * maps.shape[0] * maps.shape[2] * channels)))


def strips(height: int, rows: int, halo: int) -> Iterator[tuple[slice, slice, slice]]:
    """Strips of `rows` of `height` rows: their own rows, these with the halo, their own among the latter."""
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        top = max(start - halo, 0)
        yield slice(start, stop), slice(top, min(stop + halo, height)), slice(start - top, stop - top)


def by_strips(
    function: Callable[..., torch.Tensor],
    *maps: torch.Tensor,
    channels: int,
    halo: int = 0,
    step: int = 1,
    into: torch.Tensor | None = None,
) -> torch.Tensor:
    """`function(*maps)` of maps (N, H, W, ...) -> (N, sH, sW, C), strip by strip where there are several.

    A row of the result may depend on `halo` rows of the first map around it. Other maps, and the result, may
    have a part or a multiple of its rows. See `rows_at_once`.

    Args:
        step: rows of the first map whose multiple each strip has, as `halo` must be: for what is pooled.
        into: the result is written there, which may be one of the maps where there is no halo.
    """
    height, rows = maps[0].shape[1], rows_at_once(maps[0], channels, halo)
    rows = max(step, rows // step * step)
    if rows >= height:
        return function(*maps)
    for own, around, inside in strips(height, rows, halo):
        part = function(*(each[:, _scaled(around, each.shape[1], height)] for each in maps))
        ratio = part.shape[1], around.stop - around.start
        if into is None:
            into = part.new_empty(part.shape[0], height * ratio[0] // ratio[1], *part.shape[2:])
        into[:, _scaled(own, *ratio)] = part[:, _scaled(inside, *ratio)]
    return into


def _scaled(rows: slice, to: int, of: int) -> slice:
    """Rows of a map that has `to` rows where another has `of`."""
    return slice(rows.start * to // of, rows.stop * to // of)


def convolved(convolution: nn.Module, maps: torch.Tensor) -> torch.Tensor:
    """A convolution, or several, of maps (N, H, W, C) -> (N, sH, sW, C')."""
    images = maps.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return convolution(images).permute(0, 2, 3, 1)
