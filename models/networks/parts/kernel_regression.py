"""Colours of a mosaic on a finer grid, from the samples of several frames by local Gaussian kernels.

After Wronski et al., "Handheld multi-frame super-resolution", SIGGRAPH 2019, section 5: normalised
convolution with a kernel that each place has of its own, colour by colour, without demosaicing before.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

SITES = ((0, 0), (0, 1), (1, 0), (1, 1))  # row and column of planes R, G, G, B in their cell
COLOURS = (0, 1, 1, 2)
TAPS = (-1, 0, 1)  # samples of a plane around the nearest, each way
REACH = 3  # packed px around a px, besides motion, on which its result depends
STRIP = 1 << 17  # px of the result that are worked on at once
FALLBACK = 0.003  # weight of a wide kernel on the first frame: it counts where no other sample is near
FALLBACK_WIDTH = 1.0  # px of the mosaic, its standard deviation
LARGEST_RATIO = 4.0  # of a colour to green, by which detail of green is handed on
TINY = 1e-12


class Aligned(NamedTuple):
    """A burst (T frames, the first is shown) and what is known of it, on the grid of packed px (h, w)."""

    frames: torch.Tensor  # (T, 4, h, w)
    flow: torch.Tensor  # (T, 2, h, w) from the first frame to each, packed px, x first
    trust: torch.Tensor  # (T, h, w) weight of each frame at the first one's px
    kernel: torch.Tensor  # (3, h, w) xx, xy, yy of the inverse covariance, per squared px of the mosaic


def regressed(burst: Aligned, scale: int) -> torch.Tensor:
    """Camera RGB (3, scale h, scale w) of a burst; px i of the result lies at i * 2 / scale of the mosaic.

    Green is taken with the kernel, red and blue, whose samples are half as dense, with one of twice the area;
    they are then given the detail that green has beyond the same wide kernel.
    """
    height, width = burst.frames.shape[-2:]
    rows = max(1, STRIP // (scale * scale * width))
    strips = (range(top, min(top + rows, height)) for top in range(0, height, rows))
    return torch.cat([_strip(burst, scale, strip) for strip in strips], dim=1)


def _strip(burst: Aligned, scale: int, strip: range) -> torch.Tensor:
    """The result for these packed rows, (3, scale rows, scale w)."""
    device, width = burst.frames.device, burst.frames.shape[-1]
    y = torch.arange(scale * strip.start, scale * strip.stop, device=device)[:, None] * (2 / scale)
    x = torch.arange(scale * width, device=device)[None] * (2 / scale)
    y, x = (part.expand(y.shape[0], x.shape[1]) for part in (y, x))
    kernel = _at(burst.kernel, y, x)
    sums = torch.zeros(4, 2, *y.shape, device=device)  # R, G, B by the wide kernel, G by the narrow one
    for number, frame in enumerate(burst.frames):
        known = _at(torch.cat((burst.flow[number], burst.trust[number][None])), y, x)
        place = y + 2 * known[1], x + 2 * known[0]
        for plane, site, colour in zip(frame, SITES, COLOURS, strict=True):
            _add(sums, plane, site, colour, place, kernel, known[2], number == 0)
    wide_red, wide_green, wide_blue, green = sums[:, 0] / sums[:, 1].clamp(min=TINY)
    detail = green - wide_green
    floor = wide_green.abs().clamp(min=1e-3)
    red, blue = (wide + detail * (wide / floor).clamp(0, LARGEST_RATIO) for wide in (wide_red, wide_blue))
    return torch.stack((red, green, blue))


def _add(
    sums: torch.Tensor,
    plane: torch.Tensor,
    site: tuple[int, int],
    colour: int,
    place: tuple[torch.Tensor, torch.Tensor],
    kernel: torch.Tensor,
    trust: torch.Tensor,
    is_first: bool,
) -> None:
    """Add the samples of one plane (h, w) around `place`, rows and columns (H, W) of the mosaic."""
    (rows, down), (columns, across) = (
        _taps(part, offset, side) for part, offset, side in zip(place, site, plane.shape, strict=True)
    )
    values = plane.flatten()[rows[:, None] * plane.shape[1] + columns[None]]  # (3, 3, H, W)
    along_y, along_x = down[:, None], across[None]
    power = kernel[0] * along_x**2 + 2 * kernel[1] * along_x * along_y + kernel[2] * along_y**2
    wide = torch.exp(-power / 4)  # twice the kernel's covariance: its square is the kernel
    weights = {colour: wide, **({3: wide * wide} if colour == 1 else {})}
    floor = FALLBACK * torch.exp((along_x**2 + along_y**2) * (-0.5 / FALLBACK_WIDTH**2)) if is_first else 0.0
    for index, own in weights.items():
        weight = own * trust + floor
        sums[index, 0] += (weight * values).sum((0, 1))
        sums[index, 1] += weight.sum((0, 1))


def _taps(place: torch.Tensor, offset: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices (3, H, W) of the nearest samples along an axis, and how far they are in px of the mosaic.

    Samples lie at offset + 2 k; those beyond the border are the nearest inside, at their own distance.
    """
    nearest = ((place - offset + 1) / 2).floor()  # halves go up in every tile
    index = torch.stack([nearest + tap for tap in TAPS]).clamp(0, side - 1)
    return index.long(), 2 * index + offset - place


def _at(maps: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Maps (C, h, w) of packed px at places (H, W) of the mosaic, between px bilinearly: (C, H, W)."""
    height, width = maps.shape[-2:]
    grid = torch.stack((((x - 0.5) / max(width - 1, 1)) - 1, ((y - 0.5) / max(height - 1, 1)) - 1), dim=-1)
    return F.grid_sample(maps[None], grid[None], padding_mode="border", align_corners=True)[0]
