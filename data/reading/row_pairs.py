"""Rows of a raw file that are exposed, or amplified, two by two in turn: which, by how much, and from where.

Such are sensors with spatially varying exposure (SVEHDRI specification, section 2) and Magic Lantern's Dual
ISO: of every four rows two are brighter by one factor, whatever their colours.
"""

import dataclasses
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.raw import RawImage, normalise
from data.row_exposure import ORDERS
from util.errors import UserError
from util.imaging.bayer import PLANES, unpack

BLOCK = (4, 8)  # row pairs and columns of a plane that are compared with one another
CLIPPED, DARK = 0.9, 0.02  # peak of blocks that count, 1 = white, and mean of their brighter rows
FEWEST_BLOCKS = 24  # of the even rows, and of the odd ones
LEAST_RATIO = 1.5
ALIKE = math.log(1.25)  # to which a block agrees with the ratio
LEAST_AGREEMENT = 0.7  # share of the light in blocks
FLOOR = 1e-6  # mean of a block that noise made negative
# Clipped px are at least this share of all, all but equal, and above this value; of so many px.
SPIKE, EQUAL, LOWEST, LOOKED_AT = 0.01, 0.998, 0.5, 200_000
TRUSTED = 0.98  # of the level at which rows clip: from here on they may be clipped
# EXIF orientation of a picture whose rows are turned round, by that of the picture.
UPSIDE_DOWN = {1: 4, 4: 1, 2: 3, 3: 2, 5: 6, 6: 5, 7: 8, 8: 7}


class RowPairs(NamedTuple):
    """How the rows of a mosaic differ.

    Attributes:
        first: row, 0..3, at which the brighter two of every four begin.
        ratio: of the brighter rows to the others, 1 or above.
        agreement: share of the blocks, by their light, that say so, of the even or the odd rows: the smaller.
        blocks: that are neither dark nor clipped, of the even or the odd rows: the fewer.
    """

    first: int
    ratio: float
    agreement: float
    blocks: int

    @property
    def is_clear(self) -> bool:
        """Whether the rows do alternate."""
        return (
            self.blocks >= FEWEST_BLOCKS and self.ratio >= LEAST_RATIO and self.agreement >= LEAST_AGREEMENT
        )


def row_pairs(planes: np.ndarray, cfa: str) -> RowPairs:
    """How the rows of a mosaic differ, from px of one colour that are two rows apart.

    Args:
        planes: packed by colour (4, h, w), 0 = black, 1 = white; not clipped at black, where the mean of
            noise must stay 0.
        cfa: the mosaic's pattern, to which the planes go back.

    The logarithms of the ratios of small blocks are compared; their median, weighted by the light in the
    brighter rows, is biased neither by noise in the darker rows nor by edges.
    """
    by_row: tuple[list, list] = ([], [])
    for plane, (row, _) in zip(planes, PLANES[cfa], strict=True):
        by_row[row].append(_contrasts(plane))
    even, odd = (np.concatenate(parts, axis=1) for parts in by_row)
    fewest = min(even.shape[1], odd.shape[1])
    if not fewest:
        return RowPairs(0, 1.0, 0.0, 0)
    signs = [1 if _weighted_median(*part) >= 0 else -1 for part in (even, odd)]
    first = {(1, 1): 0, (-1, 1): 1, (-1, -1): 2, (1, -1): 3}[signs[0], signs[1]]
    for part, sign in zip((even, odd), signs, strict=True):
        part[0] *= sign
    ratio = _weighted_median(*np.concatenate([even, odd], axis=1))
    agreement = min(
        float(np.average(np.abs(logs - ratio) < ALIKE, weights=light)) for logs, light in (even, odd)
    )
    return RowPairs(first, math.exp(ratio), agreement, fewest)


def _contrasts(plane: np.ndarray) -> np.ndarray:
    """Of the blocks of a plane that count: logarithm of even over odd rows, and mean of the brighter (2, n).

    Each odd row is compared with the mean of those above and below, so that gradients cancel.
    """
    even, odd = plane[0::2], plane[1::2]
    count = min(len(even) - 1, len(odd)) // BLOCK[0] * BLOCK[0]
    width = plane.shape[1] // BLOCK[1] * BLOCK[1]
    above, below, odd = (rows[:count, :width] for rows in (even, even[1:], odd))
    levels = clipping_level(above), clipping_level(odd)
    peak = np.maximum(np.maximum(above, below) / levels[0], odd / levels[1])
    peak = _blocks(peak).max(axis=(1, 3), initial=0)
    means = [_blocks(rows).mean(axis=(1, 3)) for rows in ((above + below) / 2, odd)]
    brighter = np.maximum(*means)
    used = (peak < CLIPPED) & (brighter > DARK)
    low = [np.log(np.maximum(mean[used], FLOOR)) for mean in means]
    return np.stack([low[0] - low[1], brighter[used]]).astype(np.float64)


def clipping_level(values: np.ndarray) -> float:
    """At which value px clip, 1 or below: cameras with a raised gain saturate below the white of their files.

    Known by many px that are all but equal, and the brightest; 1 where there are none.
    """
    values = values.ravel()[:: max(values.size // LOOKED_AT, 1)]
    if not values.size:
        return 1.0
    top = float(np.quantile(values, 1 - SPIKE / 10))  # hot px are above it
    is_spike = top > LOWEST and np.mean(values > EQUAL * top) > SPIKE
    return min(top, 1.0) if is_spike else 1.0


def _blocks(rows: np.ndarray) -> np.ndarray:
    """Whole blocks as (rows of blocks, rows, columns of blocks, columns)."""
    height, width = rows.shape
    return rows.reshape(height // BLOCK[0], BLOCK[0], width // BLOCK[1], BLOCK[1])


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(sums, sums[-1] / 2)]])


def checked_row_pairs(path: Path, planes: np.ndarray, cfa: str) -> RowPairs:
    """As `row_pairs`, of a file that is said to have such rows.

    Raises:
        UserError: its rows do not alternate; with what was measured.
    """
    found = row_pairs(planes, cfa)
    if found.is_clear:
        return found
    if found.blocks < FEWEST_BLOCKS:
        height, width = planes.shape[1] * 2, planes.shape[2] * 2
        exposed = f"{found.blocks} blocks of its {width} x {height} px are neither dark nor clipped"
        raise UserError(f"{path}: whether its rows alternate in exposure cannot be told: {exposed}")
    brighter, darker = (f"{(found.first + step) % 4}, {(found.first + step + 1) % 4}" for step in (0, 2))
    measured = f"rows {brighter} of each four are {found.ratio:.2f} times as bright as rows {darker}"
    share = f"{found.agreement:.0%} of the blocks agree"
    raise UserError(f"{path}: its rows do not alternate in exposure: {measured} ({share})")


def check_rows_alike(path: Path, planes: np.ndarray) -> None:
    """Raise a UserError if the rows of an RGGB mosaic, packed (4, h, w), alternate in exposure."""
    found = row_pairs(planes, "RGGB")
    if found.is_clear:
        alternate = f"its rows alternate in exposure (ratio {found.ratio:.1f})"
        advice = "--sve True restores such a shot, --sve False takes it as it is"
        raise UserError(f"{path}: {alternate}: {advice}")


class RowShot(NamedTuple):
    """A shot whose rows alternate, where the pattern begins.

    Attributes:
        values: its RGGB mosaic (H, W) float32, 0 = black, 1 = white, clipped at neither; H is a multiple of
            4, W of 2. Px that clip below white are 1.
        ratio: of the long rows to the short ones, as measured.
        meta: what rendering needs; by its orientation, rows that were turned round are turned back.
    """

    values: np.ndarray
    ratio: float
    meta: dict


def row_shot(path: Path, image: RawImage, order: str) -> RowShot:
    """The shot in a raw file, of which `image` is read, from where its rows are of an `order` of ORDERS.

    Where every pair of rows of one exposure has its blue row first, the mosaic is turned upside down: no
    window of it begins with red and with a whole pair.

    Raises:
        UserError: its rows do not alternate.
    """
    planes = normalise(image.planes, image.black, image.white).transpose(2, 0, 1)
    pairs = checked_row_pairs(path, planes, image.cfa)
    values, is_turned = begun(unpack(planes, image.cfa), image.cfa, pairs.first, order)
    for first in (0, 2):
        _whiten_clipped(values.reshape(-1, 4, values.shape[1])[:, first : first + 2])
    image = dataclasses.replace(image, cfa="RGGB")
    if is_turned:
        shading = None if image.shading is None else np.ascontiguousarray(image.shading[:, ::-1])
        orientation = UPSIDE_DOWN[image.orientation]
        image = dataclasses.replace(image, shading=shading, orientation=orientation)
    return RowShot(values, pairs.ratio, image.meta())


def _whiten_clipped(rows: np.ndarray) -> None:
    """Set px of rows of one exposure to white, in place, where they clip below it."""
    level = clipping_level(rows)
    if level < TRUSTED:
        rows[rows > TRUSTED * level] = 1


def begun(mosaic: np.ndarray, cfa: str, first_bright: int, order: str) -> tuple[np.ndarray, bool]:
    """The part of a mosaic (H, W), H even, that begins with red and with the first pair of `order`.

    Args:
        first_bright: row at which the brighter two of every four begin.

    Returns its largest part of whole periods of 4 x 2 px, and whether its rows were turned round.
    """
    red_row, red_column = PLANES[cfa][0]
    is_turned = red_row != first_bright % 2
    if is_turned:
        mosaic, first_bright = mosaic[::-1], len(mosaic) - 2 - first_bright
    top = (first_bright + (2 if order == ORDERS[0] else 0)) % 4
    height, width = (len(mosaic) - top) // 4 * 4, (mosaic.shape[1] - red_column) // 2 * 2
    part = mosaic[top : top + height, red_column : red_column + width]
    return np.ascontiguousarray(part), is_turned
