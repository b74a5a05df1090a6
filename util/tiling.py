"""Restoring large frames tile by tile: a network's memory is that of a tile, not of the image."""

import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median_low
from typing import NamedTuple

import torch
from torch import nn

from util.device import release_memory
from util.task import CARRIED

USUAL_TILE = 384  # px
SMALLEST_TILE = 16  # px, side of a tile with surroundings and something of its own
LEAST_OWN = 4  # a tile keeps a fourth of its side for itself, however far its surroundings reach


WHOLE_FRAME, TILES = "whole frame", "tiles"  # the two parts of the work
Tell = Callable[[str, float], None]


def tell_part(tell: Tell, done: int, number: int, part: str, share: float) -> None:
    """Tell how much of all evaluations is done; what of the whole frame each begins with counts as none."""
    if part == TILES:
        tell(TILES, (done + share) / number)


class Part(NamedTuple):
    """The px of a frame of `size` (H, W) that a tile is restored for.

    Attributes:
        period: rows and columns whose multiples the tile begins at.
    """

    rows: range
    columns: range
    size: tuple[int, int]
    period: tuple[int, int] = (1, 1)

    def around(self, reach: int) -> tuple[slice, slice]:
        """Rows and columns of the part and up to `reach` px around it, or a few more by the period."""
        sides = zip((self.rows, self.columns), self.size, self.period, strict=True)
        rows, columns = (
            slice(max(own.start - reach, 0) // step * step, min(own.stop + reach, side))
            for own, side, step in sides
        )
        return rows, columns

    def weight(self, ramp: int) -> torch.Tensor:
        """Weight of each px (h, w): it falls towards the neighbours over 2 `ramp` px (raised cosine)."""
        rows, columns = (
            _weight(own, side, ramp) for own, side in zip((self.rows, self.columns), self.size, strict=True)
        )
        return rows[:, None] * columns


@torch.inference_mode()
def restore(
    network: nn.Module,
    frames: torch.Tensor,
    tile: int,
    overlap: int,
    period: tuple[int, int] = (1, 1),
    tell: Tell | None = None,
    **given: torch.Tensor,
) -> torch.Tensor:
    """`network(frames, **given)` for frames (N, T, C, H, W), in tiles if they have more px than one.

    One that works by strips is given the whole frame all the same. What another needs of the whole frame
    (`whole_frame`, see models.networks) is computed once. A tile is restored with `overlap` px around it, or
    more (`halo`), and neighbours are blended over half of that.

    Args:
        tile: largest side of a tile with its surroundings, but for motion over 3/8 of it, SMALLEST_TILE or
            more; 0 = the whole frame at once.
        period: of the arrangement of a plane's px, `Task.period`: tiles begin at multiples of it.
        tell: is told which part of what is done, WHOLE_FRAME or TILES, where there are tiles.
        given: keywords of `forward`; of those that belong to px (util.task.CARRIED) a tile gets its part.

    Returns:
        (N, C', sH, sW), on the CPU if the frames have more px than a tile, else where they are.
    """
    size, ramp = tuple(frames.shape[-2:]), overlap // 4
    if tile == 0 or size[0] * size[1] <= tile**2:
        return network(frames, **given)
    if getattr(network, "works_by_strips", False):
        return network(frames, **given).float().cpu()
    maps = {name: given.pop(name) for name in list(given) if CARRIED.get(name, (False,))[0]}
    context = _whole_frame(network, frames, tell, **given, **maps)
    release_memory()
    reach = partial(_reach, network, context, overlap)
    parts = list(_parts(size, tile, ramp, reach, period))
    canvas = _Canvas(size, ramp, parts)
    for part in parts:
        rows, columns = part.around(reach(part))
        extra = {key: value[..., rows, columns] for key, value in (context | maps).items()}
        extra |= {"window": (rows.start, columns.start, *size)} if context else {}
        canvas.add(network(frames[..., rows, columns], **given, **extra).float(), part, rows, columns)
        if tell:
            tell(TILES, canvas.done())
    return canvas.image()


class _Canvas:
    """The blended tiles of a frame of `size`, for `parts` of it, on the CPU."""

    def __init__(self, size: tuple[int, int], ramp: int, parts: Sequence[Part]) -> None:
        self.size, self.ramp, self.covered = size, ramp, 0
        self.sum: torch.Tensor | None = None  # of weighted tiles, as large as the result
        self.weight = torch.zeros(size)  # of all parts at each px of the frame: results may be far larger
        for part in parts:
            self.weight[_slices(part)] += part.weight(ramp)

    def add(self, restored: torch.Tensor, part: Part, rows: slice, columns: slice) -> None:
        """Add a tile (N, C', s h, s w), which was restored from these rows and columns, as its part."""
        scale = restored.shape[-1] // (columns.stop - columns.start)
        if self.sum is None:
            self.sum = torch.zeros(*restored.shape[:2], *(scale * side for side in self.size))
        weight = part.weight(self.ramp) / self.weight[_slices(part)]
        weight = weight.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
        place = _scaled(part.rows, 0, scale), _scaled(part.columns, 0, scale)
        own = _scaled(part.rows, rows.start, scale), _scaled(part.columns, columns.start, scale)
        self.sum[..., *place] += restored[..., *own].cpu() * weight
        self.covered += len(part.rows) * len(part.columns)

    def done(self) -> float:
        """Which part of the frame there is, about: parts overlap."""
        return min(self.covered / (self.size[0] * self.size[1]), 1.0)

    def image(self) -> torch.Tensor:
        """The whole result, once all parts are there."""
        return self.sum


def _reach(network: nn.Module, context: dict[str, torch.Tensor], overlap: int, part: Part) -> int:
    """Px around a part that restoring it asks for."""
    inside = {key: value[..., *part.around(overlap)] for key, value in context.items()}
    return max(overlap, network.halo(**inside)) if hasattr(network, "halo") else overlap


def _whole_frame(
    network: nn.Module, frames: torch.Tensor, tell: Tell | None, **given: torch.Tensor
) -> dict[str, torch.Tensor]:
    """What tiles are given of the whole frame."""
    if not hasattr(network, "whole_frame"):
        return {}
    if tell and "tell" in inspect.signature(network.whole_frame).parameters:
        given["tell"] = partial(tell, WHOLE_FRAME)
    return network.whole_frame(frames, **given)


def _parts(
    size: tuple[int, int],
    tile: int,
    ramp: int,
    reach: Callable[[Part], int],
    period: tuple[int, int] = (1, 1),
) -> Iterator[Part]:
    """Parts that cover a frame: a grid for the usual reach, halved where surroundings reach farther."""
    least = max(tile // LEAST_OWN, 4 * ramp)
    usual = median_low(reach(part) for part in _grid(size, tile // 2, 0, 0))
    waiting = _grid(size, max(tile - max(period) + 1, least + 2 * (ramp + usual)), ramp, usual)
    waiting = [part._replace(period=period) for part in waiting]
    while waiting:
        part = waiting.pop(0)
        sides = [side.stop - side.start for side in part.around(reach(part))]
        axis = int(sides[1] > sides[0])
        if sides[axis] <= tile or len(part[axis]) <= least:
            yield part
        else:
            waiting[:0] = [part._replace(**{part._fields[axis]: half}) for half in _halves(part[axis], ramp)]


def _grid(size: tuple[int, int], tile: int, ramp: int, reach: int) -> list[Part]:
    """Parts whose tiles are of one size, at most `tile` px on a side with `reach` px around them."""
    margin, spans = ramp + reach, []
    for side in size:
        count = max(1, -(-(side - 2 * margin) // (tile - 2 * margin)))
        step = (side - 2 * margin) / count  # from one tile to the next
        cuts = [0, *(round(i * step) + margin for i in range(1, count)), side]
        ranges = [
            range(max(start - ramp, 0), min(stop + ramp, side)) for start, stop in itertools.pairwise(cuts)
        ]
        spans.append(ranges)
    return [Part(rows, columns, size) for rows in spans[0] for columns in spans[1]]


def _halves(own: range, ramp: int) -> tuple[range, range]:
    middle = (own.start + own.stop) // 2
    return range(own.start, middle + ramp), range(middle - ramp, own.stop)


def _weight(own: range, side: int, ramp: int) -> torch.Tensor:
    """Weights of the px of one side of a part; the frame's own edge takes nothing off."""
    ramp = min(ramp, len(own) // 4)
    rise = torch.sin((torch.arange(2 * ramp) + 0.5) * (torch.pi / (4 * max(ramp, 1)))) ** 2
    weight = torch.ones(len(own))
    if own.start > 0:
        weight[: 2 * ramp] *= rise
    if own.stop < side:
        weight[len(own) - 2 * ramp :] *= rise.flip(0)
    return weight


def _slices(part: Part) -> tuple[slice, slice]:
    """Rows and columns of a part."""
    return slice(part.rows.start, part.rows.stop), slice(part.columns.start, part.columns.stop)


def _scaled(own: range, start: int, scale: int) -> slice:
    """Px of the result that belong to `own` px, counted from the px `start`."""
    return slice((own.start - start) * scale, (own.stop - start) * scale)
