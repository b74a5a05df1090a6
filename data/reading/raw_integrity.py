"""Whether a raw file holds the px that its header claims: LibRaw reads on where some are missing."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.reading.exif import numbers
from util.errors import UserError

CUT = "damaged or cut short"
UNCOMPRESSED = 1  # tag Compression
TAIL = 64  # bytes at the end of compressed data that are looked at
LEAST_BLOCK = 0.005  # share of a mosaic's rows that noise never makes equal
BRIGHT = 0.5  # of white, from which on equal px may be clipped ones: some cameras clip far below it
SPARSE = 16  # columns of which one is looked at first
NEARBY = 4  # rows, and columns, around the place where data end


def check_segments(path: Path, tags: Mapping[str, Any]) -> None:
    """Check where the strips or tiles of a DNG's image lie.

    Raises:
        UserError: some are missing, end beyond the file, are too short for px that are not compressed, or
            end in bytes that compressed data do not end in.
    """
    kind = "Tile" if "TileOffsets" in tags else "Strip"
    if not {"DNGVersion", f"{kind}Offsets", f"{kind}ByteCounts"} <= tags.keys():
        return
    offsets, counts = (numbers(tags, f"{kind}{name}").astype(int) for name in ("Offsets", "ByteCounts"))
    size = path.stat().st_size
    needed = _segments(tags, kind)
    if len(offsets) != len(counts) or len(offsets) < needed:
        raise UserError(f"{CUT}: {len(offsets)} of its {needed} {kind.lower()}s are there")
    if (last := int((offsets + counts).max())) > size:
        raise UserError(f"{CUT}: its px end at byte {last}, the file at {size}")
    held = int(counts.sum())
    if _number(tags, "Compression", UNCOMPRESSED) == UNCOMPRESSED:
        if held < (needed := _bytes_of_px(tags)):
            raise UserError(f"{CUT}: its header claims px of {needed} bytes, {held} are there")
    elif held > size:
        raise UserError(f"{CUT}: its px take {held} bytes, the file has {size}")
    else:
        _check_ends(path, offsets + counts, counts)


def _check_ends(path: Path, ends: np.ndarray, counts: np.ndarray) -> None:
    """Raise a UserError if compressed data end in many bytes of one value: a part was never written."""
    with path.open("rb") as file:
        for end in ends[counts >= TAIL]:
            file.seek(int(end) - TAIL)
            if len(set(file.read(TAIL))) == 1:
                raise UserError(f"{CUT}: its px are missing up to byte {end}")


def _segments(tags: Mapping[str, Any], kind: str) -> int:
    """How many strips or tiles an image of its size has."""
    height, width = (_number(tags, name, 0) for name in ("ImageLength", "ImageWidth"))
    if kind == "Strip":
        return math.ceil(height / max(1, min(height, _number(tags, "RowsPerStrip", height))))
    sides = (_number(tags, name, 0) for name in ("TileLength", "TileWidth"))
    return math.prod(
        math.ceil(whole / max(1, part)) for whole, part in zip((height, width), sides, strict=True)
    )


def _bytes_of_px(tags: Mapping[str, Any]) -> int:
    samples = _number(tags, "SamplesPerPixel", 1)
    row = _number(tags, "ImageWidth", 0) * _number(tags, "BitsPerSample", 1) * samples // 8
    return _number(tags, "ImageLength", 0) * row


def _number(tags: Mapping[str, Any], name: str, otherwise: int) -> int:
    return int(numbers(tags, name)[0]) if name in tags else otherwise


def check_content(planes: np.ndarray, black: np.ndarray, white: np.ndarray | float) -> None:
    """Check that packed planes (h, w, C) hold what a sensor sees: rows that noise makes differ.

    Saturated px are equal too: what is equal and bright counts as such, unless it is all that follows a px in
    the middle of a row, and is nowhere before. So does a whole mosaic of a colour that is not grey to the
    camera, such as programs draw.

    Raises:
        UserError: rows, one after the other, hold one value for each colour, as where data are missing.
    """
    rows, least = len(planes), max(2, math.ceil(LEAST_BLOCK * len(planes)))
    for start, stop in _equal_rows(planes):
        cell, is_all = planes[start, 0], stop - start == rows
        may_be_clipped = bool((cell > black + BRIGHT * (white - black)).all())
        may_be_drawn = is_all and bool((cell != cell[0]).any())
        if stop - start < min(least, rows) or may_be_drawn:
            continue
        if may_be_clipped and not _is_cut(planes, start, stop):
            continue
        what = "all its px" if is_all else f"{stop - start} of its {rows} rows of cells"
        values = ", ".join(str(value) for value in sorted({int(value) for value in cell}))
        raise UserError(f"{CUT}: {what} hold only {values}, as where data are missing: copy it again")


def _equal_rows(planes: np.ndarray) -> Iterator[tuple[int, int]]:
    """First row, and that after the last, of rows whose cells are all the same one."""
    likely = np.flatnonzero((planes[:, ::SPARSE] == planes[:, :1]).all(axis=(1, 2)))
    equal = likely[(planes[likely] == planes[likely, :1]).all(axis=(1, 2))]
    differ = (planes[equal[1:], 0] != planes[equal[:-1], 0]).any(axis=1)
    for run in np.split(equal, np.flatnonzero(differ | (np.diff(equal) > 1)) + 1):
        if len(run):
            yield int(run[0]), int(run[-1]) + 1


def _is_cut(planes: np.ndarray, start: int, stop: int) -> bool:
    """Whether rows of equal cells, up to the last, go on from the middle of the row before."""
    if start == 0 or stop < len(planes):
        return False
    return any(_goes_on(planes[..., rows], start) for rows in (slice(0, 4), slice(2, 4)))


def _goes_on(planes: np.ndarray, start: int) -> bool:
    """Whether equal cells (h, w, C), all from row `start` on, begin in the middle of the row before."""
    cell, width = planes[start, 0], planes.shape[1]
    same = (planes[max(start - NEARBY, 0) : start] == cell).all(axis=2)
    others = np.flatnonzero(~same[-1])
    begins = int(others[-1]) + 1  # not after the end: the row is none of equal cells
    return NEARBY < begins < width - NEARBY and not same[-1, :begins].any() and not same[:-1].any()
