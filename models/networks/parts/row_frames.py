"""The two exposures of a shot whose row pairs are exposed in turn, each as a whole frame.

The shot is an RGGB mosaic that begins with a whole pattern of four rows (SVEHDRI specification, 2); H is a
multiple of 4 and W of 2. Frames are (N, 2, 1, H, W), the short rows and the long rows with 0 elsewhere, as
samples have them.
"""

import torch
import torch.nn.functional as F

SITES = ({0: 0}, {0: 1, 1: 0}, {1: 1})  # of R, G and B: row within a cell -> column
INTERPOLATED_TRUST = 0.5  # of a cell between two rows of trusted cells


def first_rows(order: str) -> tuple[int, int]:
    """Where, of every four rows, those of the short and those of the long exposure begin."""
    return (0, 2) if order == "short_first" else (2, 0)


def interpolated(frames: torch.Tensor, order: str) -> torch.Tensor:
    """Each exposure at full resolution, colour by colour: frames (N, 2, 1, H, W) -> (N, 2, 3, H, W).

    Linear along rows that hold the colour, then linear from one such row to the next: bilinear for red and
    blue, and exact on ramps for all. Beyond the outermost samples these are repeated. Values of any unit: of
    masks, this gives the trust in interpolated values.
    """
    exposures = [
        torch.stack([_colour(plane, first, sites) for sites in SITES], dim=1)
        for plane, first in zip(frames[:, :, 0].unbind(1), first_rows(order), strict=True)
    ]
    return torch.stack(exposures, dim=1)


def by_rows(mosaic: torch.Tensor, order: str) -> torch.Tensor:
    """What belongs to the short and to the long rows of (N, 1, H, W), 0 elsewhere: (N, 2, 1, H, W)."""
    parts = mosaic.new_zeros(len(mosaic), 2, *mosaic.shape[1:])
    for number, first in enumerate(first_rows(order)):
        for row in (first, first + 1):
            parts[:, number, :, row::4] = mosaic[..., row::4, :]
    return parts


def packed(frames: torch.Tensor, mask: torch.Tensor, order: str) -> torch.Tensor:
    """Each exposure as planes R, G, G, B and trust, at half resolution, for networks that take frames.

    Args:
        frames: (N, 2, 1, H, W). mask: guidance (N, 1, H, W), 1 = trusted.

    Returns (N, 2, 5, H/2, W/2). Every second row of cells is of the other exposure: there values are the mean
    of the cells above and below, or a repeated border. The trust is the mean of a cell's four, and half of
    that of the cells it comes from where a cell is interpolated.
    """
    cells = F.pixel_unshuffle(torch.cat((frames, by_rows(mask, order)), dim=2), 2)  # (N, 2, 8, h, w)
    cells = torch.cat((cells[:, :, :4], cells[:, :, 4:].mean(2, keepdim=True)), dim=2)
    for number, first in enumerate(first_rows(order)):
        own, missing = first // 2, 1 - first // 2
        rows = cells[:, number, :, own::2]
        shifted = (rows[..., :1, :], rows[..., :-1, :]) if own else (rows[..., 1:, :], rows[..., -1:, :])
        other = torch.cat(shifted, dim=-2)
        between = (rows + other) / 2
        between[:, 4] *= INTERPOLATED_TRUST
        cells[:, number, :, missing::2] = between
    return cells


def _colour(plane: torch.Tensor, first: int, sites: dict[int, int]) -> torch.Tensor:
    """A colour at all px, of one exposure (N, H, W) whose rows are `first` and the next of every four."""
    height = plane.shape[-2]
    rows = torch.stack(
        [along_row(plane[:, first + row :: 4], column) for row, column in sites.items()], dim=2
    )
    measured = places_of(first, tuple(sites), height, plane.device)
    return between_rows(rows.flatten(1, 2), measured, height)


def places_of(first: int, rows: tuple[int, ...], height: int, device: torch.device) -> torch.Tensor:
    """Which of `height` rows are those of an exposure, `first` and so many `rows` on of every four."""
    tops = torch.arange(first, first + height, 4, device=device)
    return torch.stack([tops + row for row in rows], dim=1).flatten()


def along_row(rows: torch.Tensor, column: int) -> torch.Tensor:
    """Rows (N, h, W) that hold a colour at every second px from `column`, filled linearly."""
    samples = rows[..., column::2]
    middles = (samples[..., :-1] + samples[..., 1:]) / 2
    others = (middles, samples[..., -1:]) if column == 0 else (samples[..., :1], middles)
    pair = (samples, torch.cat(others, dim=-1))
    return torch.stack(pair if column == 0 else pair[::-1], dim=-1).flatten(-2)


def between_rows(rows: torch.Tensor, places: torch.Tensor, height: int) -> torch.Tensor:
    """Rows (N, h, W) that lie at rising `places`, interpolated to all of `height`: (N, H, W)."""
    places, every = places.contiguous(), torch.arange(height, device=rows.device)
    below = torch.searchsorted(places, every).clamp(max=len(places) - 1)
    above = (torch.searchsorted(places, every, right=True) - 1).clamp(min=0)
    span = (places[below] - places[above]).clamp(min=1)
    share = ((every - places[above]) / span).clamp(0, 1).to(rows.dtype)[:, None]
    return rows[:, above] * (1 - share) + rows[:, below] * share
