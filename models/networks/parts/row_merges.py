"""HDR from one shot with rows exposed in turn, without a network (SVEHDRI specification, 8).

Frames are (N, 2, 1, H, W), short and long rows, divided by their exposures; `trust` (N, 1, H, W) says how far
each value is trusted; `order` which rows come first. Results are camera RGB (N, 3, H, W).
"""

import torch
import torch.nn.functional as F

from models.networks.parts.row_frames import (
    SITES,
    along_row,
    between_rows,
    by_rows,
    first_rows,
    interpolated,
    places_of,
)
from util.errors import UserError
from util.imaging.demosaic import menon

LEAST_TRUST = 1e-6  # below it neither exposure tells anything
HALF = 0.5  # of white, from which on an untrusted value is taken to be clipped, not dark

# Edges are looked for, and colours compared, in a power of light: errors there are about as visible in the
# dark as in the light, and differences of colours stay small beside edges.
POWER, OFFSET = 0.25, 2e-4

SLOPES = range(-4, 5)  # px along a row, between the rows on both sides of a gap
WINDOW = 5  # px along a row over which a slope must fit
CONTINUED = 0.5  # weight of how it goes on in the rows beyond
STEEPER = 0.01  # what each px of slope must gain
SHARPNESS = 0.06  # difference at which one slope fits e times worse than another
LEAST_WIDTH = 4  # px
ESTIMATED = 0.3  # weight of an interpolated value beside a measured one


def bilinear_merge(
    frames: torch.Tensor, exposure: torch.Tensor, trust: torch.Tensor, order: str
) -> torch.Tensor:
    """Both exposures interpolated colour by colour, and their mean, weighted by the interpolated trust.

    Where none is trusted, it is the short exposure in the light and the long one in the dark. `exposure` is
    (N, 2).
    """
    exposures = interpolated(frames, order)
    is_bright = exposures[:, 1] >= HALF / _ratio(exposure)
    return _merged(exposures, interpolated(by_rows(trust, order), order), is_bright)


def edge_aware_merge(
    frames: torch.Tensor, exposure: torch.Tensor, trust: torch.Tensor, order: str
) -> torch.Tensor:
    """As `bilinear_merge`, but along edges.

    Of each exposure green is found along its rows (Hamilton and Adams, US patent 5,629,734) and taken across
    the rows between along the slope on which both sides agree; red and blue follow by their differences from
    it. Both exposures are merged into one Bayer mosaic, which Menon's method demosaics.

    Raises:
        UserError: W is less than 4.
    """
    height, width = frames.shape[-2:]
    if width < LEAST_WIDTH:
        raise UserError(f"a merge along edges needs {LEAST_WIDTH} px or more across, got {width}x{height}")
    coded = (frames.clamp(min=0) + OFFSET) ** POWER
    pairs = zip(coded[:, :, 0].unbind(1), first_rows(order), strict=True)
    mosaics = torch.stack([_mosaic_along_edges(plane, first) for plane, first in pairs], dim=1)
    is_own = by_rows(torch.ones_like(trust), order)
    weights = _mosaicked(interpolated(by_rows(trust, order), order))[:, :, None]
    weights = weights * torch.where(is_own > 0, 1.0, ESTIMATED)
    is_bright = mosaics[:, 1:] >= (HALF / _ratio(exposure) + OFFSET) ** POWER
    mosaic = _merged(mosaics[:, :, None], weights, is_bright)
    rgb = [torch.from_numpy(menon(plane.numpy(), "RGGB")).permute(2, 0, 1) for plane in mosaic[:, 0].cpu()]
    return torch.stack(rgb).to(frames).clamp(min=OFFSET**POWER) ** (1 / POWER) - OFFSET


def _ratio(exposure: torch.Tensor) -> torch.Tensor:
    return (exposure[:, 1] / exposure[:, 0]).view(-1, 1, 1, 1)


def _merged(exposures: torch.Tensor, weights: torch.Tensor, is_bright: torch.Tensor) -> torch.Tensor:
    """Weighted mean of two exposures (N, 2, C, H, W) -> (N, C, H, W); one of them where no weight is left."""
    total = weights.sum(1)
    mean = (weights * exposures).sum(1) / total.clamp(min=LEAST_TRUST)
    short, long = exposures.unbind(1)
    return torch.where(total > LEAST_TRUST, mean, torch.where(is_bright, short, long))


def _mosaicked(colours: torch.Tensor) -> torch.Tensor:
    """The RGGB mosaic (..., H, W) of colours (..., 3, H, W)."""
    red, green, blue = colours.unbind(-3)
    mosaic = green.clone()
    mosaic[..., 0::2, 0::2] = red[..., 0::2, 0::2]
    mosaic[..., 1::2, 1::2] = blue[..., 1::2, 1::2]
    return mosaic


def _mosaic_along_edges(plane: torch.Tensor, first: int) -> torch.Tensor:
    """The whole Bayer mosaic (N, H, W) from one exposure's rows of it, `first` and the next of every four."""
    height = plane.shape[-2]
    own = places_of(first, (0, 1), height, plane.device)
    rows = [plane[:, first + row :: 4] for row in (0, 1)]
    greens = [_green(part, SITES[1][row]) for row, part in enumerate(rows)]
    measured = torch.stack(greens, dim=2).flatten(1, 2)
    green = between_rows(measured, own, height)
    inner = slice(first + 2, height - 2 + first)  # of every four rows, two between others of this exposure
    for number, row in enumerate(_across_gaps(measured).unbind(2)):
        green[:, inner][:, number::4] = row
    red, blue = (
        green + between_rows(along_row(rows[row] - greens[row], row), own[row::2], height) for row in (0, 1)
    )
    return _mosaicked(torch.stack((red, green, blue), dim=1))


def _green(rows: torch.Tensor, column: int) -> torch.Tensor:
    """Green at all px of rows (N, h, W) that hold it at every second px from `column`."""
    around = F.pad(rows, (2, 2), mode="reflect")
    neighbours = (around[..., 1:-3] + around[..., 3:-1]) / 2
    curvature = (2 * rows - around[..., :-4] - around[..., 4:]) / 4
    is_green = torch.arange(rows.shape[-1], device=rows.device) % 2 == column
    return torch.where(is_green, rows, (neighbours + curvature).clamp(min=0))


def _across_gaps(rows: torch.Tensor) -> torch.Tensor:
    """What lies between pairs of rows (N, 2K, W), the pairs 3 px apart, along edges: (N, K - 1, 2, W)."""
    sides = rows[:, 1:-1:2], rows[:, 2::2]
    beyond = rows[:, 0:-2:2], rows[:, 3::2]
    estimates = []
    for share in (1 / 3, 2 / 3):
        values, misfits = [], []
        for slope in SLOPES:
            above, below = _shifted(sides[0], -slope * share), _shifted(sides[1], slope * (1 - share))
            misfit = (above - below).abs()
            misfit += CONTINUED * (_shifted(beyond[0], -slope * (share + 1 / 3)) - above).abs()
            misfit += CONTINUED * (_shifted(beyond[1], slope * (4 / 3 - share)) - below).abs()
            misfits.append(_smoothed(misfit) + STEEPER * abs(slope))
            values.append((1 - share) * above + share * below)
        weights = torch.softmax(-torch.stack(misfits) / SHARPNESS, dim=0)
        estimates.append((weights * torch.stack(values)).sum(0))
    return torch.stack(estimates, dim=2)


def _smoothed(rows: torch.Tensor) -> torch.Tensor:
    """Mean over WINDOW px along rows (N, h, W)."""
    half = WINDOW // 2
    return sum(_shifted(rows, offset) for offset in range(-half, half + 1)) / WINDOW


def _shifted(rows: torch.Tensor, offset: float) -> torch.Tensor:
    """Rows (N, h, W) at places `offset` px further on, linearly; the last px are repeated."""
    last = rows.shape[-1] - 1
    places = (torch.arange(last + 1, device=rows.device) + offset).clamp(0, last)
    left = places.floor().long()
    share = (places - left).to(rows.dtype)
    return rows[..., left] * (1 - share) + rows[..., (left + 1).clamp(max=last)] * share
