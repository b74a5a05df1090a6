"""Demosaicing without learned weights: the published bilinear views, and Menon 2007.

A demosaicer is a callable `(mosaic (H, W), pattern) -> rgb (H, W, 3)`, float32, with an attribute `support`:
the distance in mosaic pixels (rounded up to whole 2x2 cells) over which one sample can change the result. A
strip that is cut with that margin gives the same values as the whole mosaic.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from util.errors import UserError
from util.imaging.bayer import PLANES, pack

Site = tuple[int, int]
Planes = tuple[np.ndarray, ...]


class Demosaicer(Protocol):
    """What a renderer asks of a demosaicer."""

    support: int

    def __call__(self, mosaic: np.ndarray, pattern: str) -> np.ndarray: ...


def _with_support(pixels: int) -> Callable[[Callable], Demosaicer]:
    def mark(demosaicer: Callable) -> Demosaicer:
        demosaicer.support = pixels
        return demosaicer

    return mark


@_with_support(2)
def bilinear(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """Mosaic (H, W) with even H and W -> RGB (H, W, 3): the `bilinear` of the published training-time views.

    Every packed plane is enlarged twice as if its samples sat at the centres of their 2x2 cells, half a pixel
    off in each direction: for comparison with published logs, not for pictures.
    """
    red, green_of_red_row, green_of_blue_row, blue = (
        _enlarge_rows(_enlarge_rows(plane).T).T for plane in pack(np.asarray(mosaic, np.float32), pattern)
    )
    rgb = np.stack([red, (green_of_red_row + green_of_blue_row) / 2, blue], axis=-1)
    for (row, column), green in zip(PLANES[pattern][1:3], (green_of_red_row, green_of_blue_row), strict=True):
        rgb[row::2, column::2, 1] = green[row::2, column::2]
    return rgb


def _enlarge_rows(plane: np.ndarray) -> np.ndarray:
    """(h, w) -> (2h, w), linear with half-pixel centres: weights 1/4 and 3/4, border rows repeated."""
    bordered = np.pad(plane, ((1, 1), (0, 0)), mode="edge")
    enlarged = np.empty((2 * plane.shape[0], plane.shape[1]), plane.dtype)
    enlarged[0::2] = 0.25 * bordered[:-2] + 0.75 * plane
    enlarged[1::2] = 0.75 * plane + 0.25 * bordered[2:]
    return enlarged


@_with_support(8)
def menon(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """Mosaic (H, W) with even H and W -> RGB (H, W, 3); measured samples are kept, values are not clipped.

    Menon, Andriani, Calvagno: "Demosaicing with directional filtering and a posteriori decision", IEEE
    Transactions on Image Processing 16(1), 2007, with the refining step. Everything is computed on the packed
    planes, so no operation meets a pixel that it does not concern.
    """
    if min(mosaic.shape) < 4:
        raise UserError(f"Menon demosaicing needs a mosaic of 4x4 pixels or more, got {mosaic.shape}")
    red, green_r, green_b, blue = pack(np.asarray(mosaic, np.float32), pattern)
    red_site, blue_site = PLANES[pattern][0], PLANES[pattern][3]
    # green_r shares its rows with red, green_b with blue
    # of each colour: its samples, the greens of its rows, the greens of its columns
    of_red, of_blue = (red, green_r, green_b), (blue, green_b, green_r)
    (red_rows, red_green), (blue_rows, blue_green) = _choose_direction(of_red, of_blue, red_site, blue_site)

    # R - G and B - G at all green sites, then R - B at the red and the blue sites
    red_at_r, red_at_b = _to_greens(red_green, red_site)
    blue_at_b, blue_at_r = _to_greens(blue_green, blue_site)
    red_blue_at_r, red_blue_at_b = red_at_r - blue_at_r, red_at_b - blue_at_b
    red_blue_at_red = _from_greens(red_blue_at_r, red_blue_at_b, red_site, red_rows) / 2
    red_blue_at_blue = _from_greens(red_blue_at_b, red_blue_at_r, blue_site, blue_rows) / 2

    # refining: each difference becomes the mean of three neighbours along the chosen direction
    red_green = (red_green + _from_greens(red_at_r, red_at_b, red_site, red_rows)) / 3
    blue_green = (blue_green + _from_greens(blue_at_b, blue_at_r, blue_site, blue_rows)) / 3
    red_at_r, red_at_b = _to_greens(red_green, red_site)
    blue_at_b, blue_at_r = _to_greens(blue_green, blue_site)
    red_blue_at_r, red_blue_at_b = red_at_r - blue_at_r, red_at_b - blue_at_b
    red_blue_at_red += _from_greens(red_blue_at_r, red_blue_at_b, red_site, red_rows)
    red_blue_at_blue += _from_greens(red_blue_at_b, red_blue_at_r, blue_site, blue_rows)

    reds = [red, green_r + red_at_r, green_b + red_at_b, blue + red_blue_at_blue / 3]
    greens = [red - red_green, green_r, green_b, blue - blue_green]
    blues = [red - red_blue_at_red / 3, green_r + blue_at_r, green_b + blue_at_b, blue]
    rgb = np.empty((*mosaic.shape, 3), np.float32)
    for index, (row, column) in enumerate(PLANES[pattern]):
        for channel, planes in enumerate((reds, greens, blues)):
            rgb[row::2, column::2, channel] = planes[index]
    return rgb


def _choose_direction(of_red: Planes, of_blue: Planes, red_site: Site, blue_site: Site) -> list[Planes]:
    """For red and for blue: where the row is the better direction (bool); colour minus green in the better.

    The better direction is the one in which the colour differences around a site vary less (section III-B).
    """
    by_row = [
        _minus_green(of_red[0], of_red[1], red_site[1]),
        _minus_green(of_blue[0], of_blue[1], blue_site[1]),
    ]
    by_column = [
        _minus_green(of_red[0].T, of_red[2].T, red_site[0]),
        _minus_green(of_blue[0].T, of_blue[2].T, blue_site[0]),
    ]
    chosen = []
    for colour, (row, column) in enumerate((red_site, blue_site)):
        along_row = _variation(by_row[colour], by_row[1 - colour], row, column)
        along_column = _variation(by_column[colour], by_column[1 - colour], column, row).T
        row_is_better = along_column >= along_row
        chosen.append((row_is_better, np.where(row_is_better, by_row[colour], by_column[colour].T)))
    return chosen


def _minus_green(colour: np.ndarray, greens: np.ndarray, parity: int) -> np.ndarray:
    """Colour minus green at the colour's sites, green by the five-tap filter along the row (section III-A).

    Beyond the border the mosaic is mirrored.
    """
    second = np.empty_like(colour)  # sum of the samples two pixels before and after
    second[:, 1:-1] = colour[:, :-2] + colour[:, 2:]
    second[:, 0] = colour[:, 1] + colour[:, 1 if parity == 0 else 0]
    second[:, -1] = colour[:, -2] + colour[:, -1 if parity == 0 else -2]
    return 0.5 * colour - 0.5 * _row_neighbours(greens, parity) + 0.25 * second


def _row_neighbours(plane: np.ndarray, parity: int) -> np.ndarray:
    """Sum of the samples of `plane` left and right of sites whose column has `parity`; border mirrored."""
    total = plane.copy(order="K")
    if parity == 0:
        total[:, 1:] += plane[:, :-1]
        total[:, 0] += plane[:, 0]
    else:
        total[:, :-1] += plane[:, 1:]
        total[:, -1] += plane[:, -1]
    return total


def _to_greens(difference: np.ndarray, site: Site) -> Planes:
    """A difference at the sites of one colour -> at the greens of its rows, at the greens of its columns."""
    row, column = site
    return _row_neighbours(difference, 1 - column) / 2, _row_neighbours(difference.T, 1 - row).T / 2


def _from_greens(
    of_rows: np.ndarray, of_columns: np.ndarray, site: Site, along_row: np.ndarray
) -> np.ndarray:
    """Sum of the two greens beside a colour's site: left and right if `along_row`, else above and below."""
    row, column = site
    return np.where(along_row, _row_neighbours(of_rows, column), _row_neighbours(of_columns.T, row).T)


def _variation(own: np.ndarray, other: np.ndarray, row: int, column: int) -> np.ndarray:
    """Weighted sum of the steps |C(x) - C(x+2)| around the sites (row, column) of the plane `own`.

    Weights: 3 for the two steps that begin or end at the site, 1 for those two rows above and below, 1 for
    the steps of the `other` colour across the site one row above and below. Steps outside count as zero.
    """
    steps = _steps(own, column)
    steps[:, 1:] += steps[:, :-1].copy()
    total = 3 * steps
    total[1:] += steps[:-1]
    total[:-1] += steps[1:]
    across = _steps(other, 1 - column)
    if column == 0:
        across[:, 1:] = across[:, :-1].copy()
        across[:, 0] = 0
    total += across
    if row == 0:
        total[1:] += across[:-1]
    else:
        total[:-1] += across[1:]
    return total


def _steps(difference: np.ndarray, parity: int) -> np.ndarray:
    """|C(x) - C(x+2)| along the rows; the last one meets the mirrored border."""
    steps = np.empty_like(difference)
    np.abs(difference[:, :-1] - difference[:, 1:], out=steps[:, :-1])
    steps[:, -1] = 0 if parity == 0 else steps[:, -2]
    return steps
