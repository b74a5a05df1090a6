"""Reading raw files with a Bayer mosaic: DNG and whatever else LibRaw knows."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rawpy

from data.reading.exif import camera_name, numbers, read_tags
from data.reading.raw_colour import colour_tags
from data.reading.raw_file import open_raw, unpack
from data.reading.raw_integrity import check_content, check_segments
from data.reading.raw_pattern import bayer_pattern
from util.errors import UserError
from util.imaging.bayer import PLANES, pack
from util.imaging.camera_colour import ColourTags, colour_meta
from util.imaging.lens_shading import gain_maps, plane_gains

SUFFIXES = frozenset({".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq"}) | {
    *(".gpr", ".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2"),
    *(".rwl", ".sr2", ".srf", ".srw", ".x3f"),
}
ORIENTATIONS = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}  # of LibRaw -> EXIF
OPCODE_LISTS = ("OpcodeList2", "OpcodeList3")  # where gain maps stand
SLOPES = ("BlackLevelDeltaH", "BlackLevelDeltaV")  # of the black level, by column and by row


@dataclasses.dataclass(frozen=True)
class RawImage:
    """The mosaic of a raw file, packed by colour, as its converter left it.

    Attributes:
        planes: uint16 (h, w, 4), R, G on the R row, G on the B row, B, whatever the pattern; a last row or
            column that is no whole cell is left out. Of a linear DNG (h, w, 3).
        black, white: level of each plane (4,) float32, and where values clip; of a linear DNG both (3,).
        cfa: the mosaic's pattern, such as "GRBG"; "" of a linear DNG.
        camera: its name, or "".
        colour, orientation, shading: for rendering. The EXIF orientation 1..8 is not applied to the planes;
            shading is a gain map per plane, float32 (4, h', w'), or None.
    """

    planes: np.ndarray
    black: np.ndarray
    white: float | np.ndarray
    cfa: str
    camera: str
    colour: ColourTags
    orientation: int
    shading: np.ndarray | None

    def meta(self) -> dict[str, Any]:
        """What rendering needs, as a sample's `meta`."""
        arrays = colour_meta(self.colour)
        if self.shading is not None:
            arrays["shading"] = self.shading
        pattern = {"cfa": self.cfa} if self.cfa else {}
        return arrays | pattern | {"orientation": self.orientation}

    def cropped(self, rows: slice, columns: slice) -> "RawImage":
        """A window of the packed planes, with the shading of this window."""
        shading = self.shading
        if shading is not None:
            for axis, part in enumerate((rows, columns), 1):
                first, last, _ = part.indices(self.planes.shape[axis - 1])
                count = shading.shape[axis]  # its values lie in the middle of as many equal parts of a side
                middles = first + (np.arange(count) + 0.5) * (last - first) / count
                places = middles * count / self.planes.shape[axis - 1] - 0.5
                shading = np.apply_along_axis(_between, axis, shading, places)
        return dataclasses.replace(self, planes=self.planes[rows, columns], shading=shading)

    def from_red(self) -> "RawImage":
        """The part of the mosaic that begins with red: an RGGB one, as synthetic training data are.

        A linear DNG stays as it is.
        """
        if not self.cfa:
            return self
        return dataclasses.replace(self, planes=begin_with_red(self.planes, self.cfa), cfa="RGGB")


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (n,) at fractional indices, linear between them; float32."""
    return np.interp(places, np.arange(len(values)), values).astype(np.float32)


def begin_with_red(planes: np.ndarray, cfa: str) -> np.ndarray:
    """Planes (h, w, 4) of a mosaic -> those of the mosaic without its first row and column before red.

    Each is smaller by one where the pattern `cfa` has red in its second row or column.
    """
    top, left = PLANES[cfa][0]
    height, width = planes.shape[0] - top, planes.shape[1] - left
    parts = [
        planes[max(top - row, 0) :, max(left - column, 0) :, plane]
        for plane, (row, column) in enumerate(PLANES[cfa])
    ]
    return np.stack([part[:height, :width] for part in parts], axis=-1)


def normalise(planes: np.ndarray, black: np.ndarray, white: np.ndarray | float) -> np.ndarray:
    """Planes (..., 4) uint16 -> (value - black) / (white - black), float32.

    Values below black stay, as negative numbers, so that the mean of noise stays 0; so do values above the
    white level, which some files have.
    """
    black = np.asarray(black, np.float32)
    values = planes.astype(np.float32)
    values -= black
    values /= np.float32(white) - black
    return values


def stack(count: int, images: Iterable[np.ndarray]) -> np.ndarray:
    """`count` images (h, w, C) as frames (T, C, h, w) float32; they are large, so none is kept besides."""
    frames = np.empty(0)
    for number, image in enumerate(images):
        if number == 0:
            frames = np.empty((count, image.shape[2], *image.shape[:2]), np.float32)
        frames[number] = image.transpose(2, 0, 1)
    return frames


def read_raw(path: Path) -> RawImage:
    """The visible part of a raw file's mosaic, its levels and what its file tells of colours.

    A DNG's own tags decide about levels and colours, for others LibRaw. LibRaw applies a linearisation table
    by itself: levels are those after it.

    Raises:
        UserError: missing, damaged, not a raw file, or without a Bayer mosaic.
    """
    with open_raw(path) as raw:
        tags = read_tags(path)
        with naming(path):
            check_segments(path, tags)
        unpack(path, raw, tags)
        cfa = bayer_pattern(path, raw)
        visible = raw.raw_image_visible
        height, width = (side // 2 * 2 for side in visible.shape)
        planes = np.ascontiguousarray(pack(visible[:height, :width], cfa).transpose(1, 2, 0))
        with naming(path):
            black = _black(raw, tags, cfa, planes)
            white = _white(raw, tags)
            if not (black < white).all():
                raise UserError(f"the white level {white:g} is not above the black level {black.max():g}")
            check_content(planes, black, white)
            maps = [one for name in OPCODE_LISTS if name in tags for one in gain_maps(tags[name])]
            return RawImage(
                planes=planes,
                black=black,
                white=white,
                cfa=cfa,
                camera=camera_name(tags),
                colour=colour_tags(tags, raw.camera_whitebalance, raw.rgb_xyz_matrix),
                orientation=ORIENTATIONS.get(raw.sizes.flip, 1),
                shading=plane_gains(maps, visible.shape, cfa, _dropped(raw, tags)),
            )


def read_alike(files: Sequence[Path], read: Callable[[Path], RawImage] | None = None) -> Iterator[RawImage]:
    """The raw files of a set, one after the other, by `read`: `read_raw` unless said otherwise.

    Raises:
        UserError: as `read`; or one has another camera, size or pattern than the first.
    """
    first = None
    for file in files:
        image = (read or read_raw)(file)
        facts = (f"{image.planes.shape[1]} x {image.planes.shape[0]} cells", image.cfa, image.camera)
        first = first or facts
        for own, other in zip(facts, first, strict=True):
            if own != other and own and other:
                raise UserError(f"{file} does not fit {files[0].name}: {own}, not {other}")
        yield image


def agreed_orientation(files: Sequence[Path], orientations: Sequence[int]) -> int:
    """The EXIF orientation of most frames of a set, which are used as stored; of ties, the first.

    A frame that is flagged otherwise, as where the camera pointed down and was not sure, is named on stderr.
    """
    agreed = max(orientations, key=orientations.count)
    for file, own in zip(files, orientations, strict=True):
        if own != agreed:
            flagged = f"it is flagged as rotated otherwise than most ({own}, not {agreed} in EXIF)"
            print(f"note: {file}: {flagged}; its px are taken as they are stored", file=sys.stderr)
    return agreed


def packed_size(path: Path) -> tuple[int, int]:
    """Height and width of a raw file's packed planes; the image is not read.

    Raises:
        UserError: missing, damaged, or not a raw file.
    """
    with open_raw(path) as raw:
        return raw.sizes.height // 2, raw.sizes.width // 2


def size_from_red(path: Path) -> tuple[int, int]:
    """As `packed_size`, of `RawImage.from_red`.

    Raises:
        UserError: missing, damaged, or without a Bayer mosaic.
    """
    with open_raw(path) as raw:
        unpack(path, raw, read_tags(path))  # rawpy does so by itself to tell the pattern
        top, left = PLANES[bayer_pattern(path, raw)][0]
        return raw.sizes.height // 2 - top, raw.sizes.width // 2 - left


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """A UserError in the block, about what the file holds, names the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _black(raw: rawpy.RawPy, tags: Mapping[str, Any], cfa: str, planes: np.ndarray) -> np.ndarray:
    """Black level of each plane (4,) float32.

    A DNG may give levels in a pattern larger than a cell: by how much they lie above the plane's lowest is
    subtracted from `planes` in place, to the next whole number.
    """
    if not {"DNGVersion", "BlackLevel"} <= tags.keys():
        levels = raw.black_level_per_channel
        return np.float32([levels[raw.raw_pattern[place]] for place in PLANES[cfa]])
    size, levels = (1, 1), numbers(tags, "BlackLevel")
    if "BlackLevelRepeatDim" in tags:
        size = tuple(int(side) for side in numbers(tags, "BlackLevelRepeatDim", 2))
    if min(size) < 1 or size[0] * size[1] > len(levels):
        raise UserError(f"tag BlackLevel is damaged: {len(levels)} levels for {size[0]} x {size[1]} places")
    pattern = np.resize(levels, size)  # (rows, columns) from the active area's corner
    pattern += sum(numbers(tags, name).mean() for name in SLOPES if name in tags)
    down, across = _dropped(raw, tags)
    pattern = np.roll(pattern, (-down, -across), (0, 1))
    cells = pack(np.tile(pattern, (2, 2)), cfa).transpose(1, 2, 0)  # (rows, columns, 4)
    lowest = cells.min(axis=(0, 1))
    if size[0] > 2 or size[1] > 2:
        above = np.rint(cells - lowest).astype(np.uint16)
        for row, column in np.ndindex(above.shape[:2]):
            part = planes[row :: above.shape[0], column :: above.shape[1]]
            part -= np.minimum(part, above[row, column])
    return np.float32(lowest)


def _dropped(raw: rawpy.RawPy, tags: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of a DNG's active area before those that LibRaw shows: it starts at even ones."""
    top, left = numbers(tags, "ActiveArea", 4)[:2] if "ActiveArea" in tags else (0, 0)
    return raw.sizes.top_margin - int(top), raw.sizes.left_margin - int(left)


def _white(raw: rawpy.RawPy, tags: Mapping[str, Any]) -> float:
    """Where values clip: as a DNG says, or the camera, or by the bits of a value."""
    if {"DNGVersion", "WhiteLevel"} <= tags.keys():
        return float(numbers(tags, "WhiteLevel")[0])
    levels = [level for level in raw.camera_white_level_per_channel or () if level > 0]
    return float(min([raw.white_level, *levels]))
