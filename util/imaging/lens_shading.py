"""Lens shading: the gain maps of a DNG's opcode lists (DNG specification 1.6, chapter 7, GainMap)."""

import struct
from dataclasses import dataclass

import numpy as np

from util.errors import UserError
from util.imaging.bayer import PLANES

GAIN_MAP = 9  # the opcode's number
OPCODE = struct.Struct(">4I")  # number, DNG version, flags, bytes of parameters
PARAMETERS = struct.Struct(">10I4dI")
OVERSAMPLING = 4  # samples of a plane's gains per interval of its map


@dataclass(frozen=True)
class GainMap:
    """Gains on a regular grid, for every `row_pitch`-th row and `column_pitch`-th column of a rectangle.

    Attributes:
        top, left, bottom, right: the rectangle in pixels of the active area.
        row_pitch, column_pitch: steps from the rectangle's first row and column.
        spacing, origin: of the grid's points (down, across), relative to the height and width of the image.
        gains: factors (rows, columns) float32.
    """

    top: int
    left: int
    bottom: int
    right: int
    row_pitch: int
    column_pitch: int
    spacing: tuple[float, float]
    origin: tuple[float, float]
    gains: np.ndarray

    def covers(self, row: int, column: int) -> bool:
        """Whether it is for the pixels of every second row and column from (row, column) on."""
        return (row - self.top) % self.row_pitch == 0 and (column - self.left) % self.column_pitch == 0

    def at(self, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Gains at pixels (float indices) of an image of `shape`, (rows, columns); outside of it 1."""
        gains = self.gains.astype(np.float64)
        for axis, pixels in enumerate((rows, columns)):
            relative = (pixels + 0.5) / shape[axis]  # of the pixel's centre
            places = (relative - self.origin[axis]) / (self.spacing[axis] or 1.0)
            gains = _interpolated(gains, places).T
        inside = np.ix_(
            (self.top <= rows) & (rows < self.bottom), (self.left <= columns) & (columns < self.right)
        )
        result = np.ones_like(gains)
        result[inside] = gains[inside]
        return result


def _interpolated(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows of `values` (n, m) at `places` (k,) -> (k, m): linear between rows, the outer rows beyond them."""
    places = np.clip(places, 0, len(values) - 1)
    before = np.minimum(places.astype(int), max(len(values) - 2, 0))
    after = np.minimum(before + 1, len(values) - 1)
    share = (places - before)[:, None]
    return (1 - share) * values[before] + share * values[after]


def gain_maps(opcode_list: bytes) -> list[GainMap]:
    """The gain maps of the bytes of tag OpcodeList2 or OpcodeList3; other opcodes are passed over.

    Of a map with several planes, as only demosaiced images have, the first is taken.

    Raises:
        UserError: the list ends too early, or is no list of opcodes.
    """
    maps = []
    try:
        (count,) = struct.unpack_from(">I", opcode_list)
        place = 4
        for _ in range(count):
            number, _, _, size = OPCODE.unpack_from(opcode_list, place)
            place += OPCODE.size
            if number == GAIN_MAP:
                maps.append(_read_map(opcode_list[place : place + size]))
            place += size
    except (struct.error, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"the list of opcodes of the DNG is damaged: {error}") from error
    return maps


def _read_map(data: bytes) -> GainMap:
    top, left, bottom, right, _, _, row_pitch, column_pitch, rows, columns, *grid, planes = (
        PARAMETERS.unpack_from(data)
    )
    if 0 in (row_pitch, column_pitch, rows, columns, planes):
        raise ValueError("a gain map without points")
    gains = np.frombuffer(data, ">f4", rows * columns * planes, PARAMETERS.size)
    gains = gains.reshape(rows, columns, planes)[..., 0].astype(np.float32)
    if not (np.isfinite(gains).all() and np.isfinite(grid).all()):
        raise ValueError("a gain map that is not finite")
    return GainMap(top, left, bottom, right, row_pitch, column_pitch, tuple(grid[:2]), tuple(grid[2:]), gains)


def plane_gains(
    maps: list[GainMap], shape: tuple[int, int], cfa: str, dropped: tuple[int, int] = (0, 0)
) -> np.ndarray | None:
    """Gain of each packed plane, float32 (4, h', w'), for a mosaic of `shape`; None without maps.

    It is to be resized bilinearly (half-pixel centres) over the packed frame and multiplied. `cfa` is the
    mosaic's pattern, which says where in a cell each plane's samples lie. `dropped`: rows and columns of the
    active area, to which maps refer, that lie before the mosaic.
    """
    if not maps:
        return None
    height, width = (
        min(side // 2, OVERSAMPLING * max(one.gains.shape[axis] for one in maps))
        for axis, side in enumerate(shape)
    )
    # centres of h' x w' equal parts of the packed frame, as places in it
    down = (np.arange(height) + 0.5) * (shape[0] // 2) / height - 0.5
    across = (np.arange(width) + 0.5) * (shape[1] // 2) / width - 0.5
    gains = np.ones((4, height, width), np.float32)
    area = shape[0] + dropped[0], shape[1] + dropped[1]
    for plane, place in enumerate(PLANES[cfa]):
        row, column = place[0] + dropped[0], place[1] + dropped[1]
        for one in maps:
            if one.covers(row, column):
                gains[plane] *= one.at(2 * down + row, 2 * across + column, area)
    return gains


def resized(gains: np.ndarray, shape: tuple[int, int], rows: slice) -> np.ndarray:
    """Some rows of gains (4, h', w') resized over planes of `shape`: float32 (4, len(rows), width).

    Bilinearly with half-pixel centres, as `plane_gains` says.
    """
    height, width = gains.shape[1:]
    down = (np.arange(*rows.indices(shape[0])) + 0.5) * height / shape[0] - 0.5
    across = (np.arange(shape[1]) + 0.5) * width / shape[1] - 0.5
    return np.stack(
        [_interpolated(_interpolated(plane, down).T, across).T for plane in gains.astype(np.float32)]
    ).astype(np.float32)
