"""From a restored image to pictures: linear sRGB, 16-bit PNG values by a tone curve, contact sheets.

An image is packed Bayer (4, h, w); (3, H, W) camera RGB, where its metadata have the colours of the camera,
else linear sRGB, which stays as it is; or gray (1, H, W).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from util.errors import UserError
from util.imaging.bayer import PLANES, unpack
from util.imaging.camera_colour import XYZ_TO_SRGB, rows_to_one
from util.imaging.demosaic import Demosaicer
from util.imaging.highlights import neutral_highlights
from util.imaging.lens_shading import resized
from util.imaging.tonemap import luminance, mu_law

STRIP_ROWS = 64  # packed rows rendered at a time, or more where the demosaicer reaches far
GREEN_TWICE = [0, 1, 1, 2]  # camera RGB as packed planes
ISPS = ("full", "published")
PUBLISHED_LEVELS = 16383  # the published pipeline for real brackets demosaics whole numbers
SAMPLED_CELLS = 1_000_000  # of an image whose luminances are asked for
# By EXIF orientation: whether rows become columns, and then whether rows and columns are turned round.
ORIENTATIONS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def linear_srgb(
    image: np.ndarray,
    meta: Mapping[str, Any],
    demosaic: Demosaicer,
    *,
    white: float = 16.0,
    clip: bool = True,
    saturation: float | None = None,
    isp: str = "full",
) -> np.ndarray:
    """Image (C, h, w) -> linear sRGB (H, W, 3) float32, the published rendering before mu-law.

    `image` holds linear camera values with black at 0; the value `white` becomes 1. With `clip` values are
    cut to [0, 1], before demosaicing too as in the published pictures; without it only negative ones are.

    Args:
        meta: `white_balance` (3,), gains of red, green and blue; `cam2rgb` (3, 3), balanced camera RGB to
            linear sRGB; `cfa`, the Bayer pattern such as "RGGB" to which the planes go back. If there:
            `shading` (4, h', w'), gains over the frame, and `orientation`, an EXIF number. An image of three
            planes is camera RGB where there is a matrix, which then is applied as well as the gains, and
            linear sRGB where there is none; a gray one needs none of them.
        saturation: value at which the camera saturated; white that does so stays white then
            (util/imaging/highlights.py). For light that is not clipped.
        isp: "published" for what was published for real brackets (BracketIRE specification, 8.2): with
            `clip` 14 bits, `cam2xyz` in place of `cam2rgb` with XYZ clipped too, no shading.

    Raises:
        UserError: `image` has 2 planes or more than 4, `meta` lacks an entry or names an unknown pattern.
    """
    return _render(image, meta, demosaic, _Development(image, meta, white, clip, saturation, isp), None)


def render_png16(
    image: np.ndarray,
    meta: Mapping[str, Any],
    demosaic: Demosaicer,
    *,
    white: float = 16.0,
    isp: str = "full",
    curve: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Image (C, h, w) -> picture (H, W, 3) uint16, by default the published one.

    Equal to `to_png16(linear_srgb(...))`, without holding the linear picture. With `curve`, a function of
    linear sRGB whose values are codes in [0, 1], the light is not clipped, and saturates at `white`.
    """
    saturation = None if curve is None else white
    development = _Development(image, meta, white, curve is None, saturation, isp)
    return _render(image, meta, demosaic, development, to_png16 if curve is None else _coded(curve))


def to_png16(linear: np.ndarray) -> np.ndarray:
    """Linear values -> uint16: 65535 mu_law(x), x clipped to [0, 1]; truncated, not rounded, as published."""
    return (65535 * mu_law(np.clip(linear, 0, 1))).astype(np.uint16)


def scene_luminance(
    image: np.ndarray, meta: Mapping[str, Any], *, white: float = 16.0, isp: str = "full"
) -> np.ndarray:
    """Luminances of the unclipped light of an image, `white` = 1, for tone curves that follow the scene.

    Of every cell, without demosaicing; of a large image of cells evenly spread, about a million.
    """
    step = math.ceil(math.sqrt(image.shape[-2] * image.shape[-1] / SAMPLED_CELLS))
    image = image[:, ::step, ::step]
    development = _Development(image, meta, white, False, white, isp)
    planes = development.planes(slice(None))
    if len(planes) == 4:
        planes = _colour_planes(planes)
    return luminance(development.colours(planes.transpose(1, 2, 0)))


def camera_planes(image: np.ndarray, meta: Mapping[str, Any], saturation: float | None) -> np.ndarray:
    """The planes (4, h, w) of a camera that `linear_srgb` demosaics, on the scale of the image.

    Not negative, with shading corrected and saturated white neutral, and without the balance.
    """
    development = _Development(image, meta, 1.0, False, saturation, "full")
    return development.planes(slice(None)) / development.gains[:, None, None]


def oriented(picture: np.ndarray, orientation: int) -> np.ndarray:
    """A stored picture (H, W, ...) as it is to be seen, by its EXIF orientation 1..8 (EXIF 2.32, 4.6.4)."""
    if orientation not in ORIENTATIONS:
        raise UserError(f"orientation {orientation} is unknown; EXIF has 1 to 8")
    transpose, upside_down, mirrored = ORIENTATIONS[orientation]
    picture = picture.swapaxes(0, 1) if transpose else picture
    return np.ascontiguousarray(picture[:: -1 if upside_down else 1, :: -1 if mirrored else 1])


def _coded(curve: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda linear: np.rint(65535 * curve(linear)).astype(np.uint16)


class _Development:
    """How an image becomes linear sRGB: balance, highlights and shading before demosaicing, colours after."""

    def __init__(
        self,
        image: np.ndarray,
        meta: Mapping[str, Any],
        white: float,
        clip: bool,
        saturation: float | None,
        isp: str,
    ) -> None:
        self.image, self.clip, self.saturation = image, clip, saturation
        self.orientation = int(meta.get("orientation", 1))
        self.pattern, self.shading, self.levels = None, None, None
        self.matrices: list[np.ndarray] = []
        self.gains = np.ones(len(image), np.float32)
        is_camera_rgb = len(image) == 3 and not {"cam2rgb", "cam2xyz"}.isdisjoint(meta)
        if image.ndim != 3 or is_camera_rgb or len(image) not in (1, 3):
            self._read_camera(meta, isp)
        self.gains = self.gains / white
        peak = (image.max(axis=(1, 2)) * self.gains).max()
        if self.shading is not None:
            peak *= self.shading.max()
        # The network demosaicer knows only [0, 1]. A power of two changes no digit of the other demosaicers.
        self.peak = 1.0 if clip else 2.0 ** max(0, math.frexp(peak)[1])

    def _read_camera(self, meta: Mapping[str, Any], isp: str) -> None:
        if self.image.ndim != 3 or self.image.shape[0] not in (3, 4):
            raise UserError(
                "rendering needs a packed Bayer image (4, h, w), one of three planes or one of gray, "
                f"got the shape {self.image.shape}"
            )
        is_mosaic = len(self.image) == 4
        matrix = "cam2xyz" if isp == "published" else "cam2rgb"
        missing = {"white_balance", matrix, *(("cfa",) if is_mosaic else ())} - meta.keys()
        if missing:
            hint = "; --isp published is for raw files with a ColorMatrix" if "cam2xyz" in missing else ""
            raise UserError(f"rendering needs {', '.join(sorted(missing))} in the metadata{hint}")
        if is_mosaic and meta["cfa"] not in PLANES:
            raise UserError(f"unknown Bayer pattern {meta['cfa']!r}; known are {', '.join(PLANES)}")
        colours = GREEN_TWICE if is_mosaic else [0, 1, 2]
        self.gains = np.asarray(meta["white_balance"], np.float32)[colours]
        self.pattern = meta["cfa"] if is_mosaic else None
        self.matrices = [np.asarray(meta[matrix], np.float32)]
        if isp == "published":
            self.matrices.append(rows_to_one(XYZ_TO_SRGB).astype(np.float32))
            self.levels = PUBLISHED_LEVELS if self.clip else None
        elif "shading" in meta:
            shading = np.asarray(meta["shading"], np.float32)
            self.shading = shading if is_mosaic else _colour_planes(shading)

    def planes(self, rows: slice) -> np.ndarray:
        """Balanced rows of the image (C, rows, w), of which `peak` is above all; negatives are 0."""
        planes = self.image[:, rows] * self.gains[:, None, None]
        np.maximum(planes, 0, out=planes)
        if self.saturation is not None and self.matrices:
            planes = self._neutral(planes)
        if self.shading is not None:
            planes *= resized(self.shading, self.image.shape[1:], rows)
        if self.clip:
            np.minimum(planes, 1, out=planes)
        if self.levels:
            planes = np.floor(self.levels * planes.astype(np.float64)) / self.levels
        return planes

    def _neutral(self, planes: np.ndarray) -> np.ndarray:
        """Balanced planes of the camera with saturated white neutral."""
        if len(planes) == 4:
            return neutral_highlights(planes, self.gains, self.saturation)
        packed, gains = planes[GREEN_TWICE], self.gains[GREEN_TWICE]
        return _colour_planes(neutral_highlights(packed, gains, self.saturation))

    def colours(self, camera: np.ndarray) -> np.ndarray:
        """Camera RGB, or what has no matrix, (H, W, 3 or 1) -> linear sRGB (H, W, 3); negatives are 0."""
        for matrix in self.matrices:
            camera = _multiplied(matrix, camera)
            if self.clip:
                np.clip(camera, 0, 1, out=camera)
        return np.maximum(camera if camera.shape[2] == 3 else camera.repeat(3, axis=2), 0)


def _colour_planes(packed: np.ndarray) -> np.ndarray:
    """Packed planes (4, h, w) -> red, the mean of the greens, and blue (3, h, w)."""
    return np.stack([packed[0], (packed[1] + packed[2]) / 2, packed[3]])


def _render(
    image: np.ndarray,
    meta: Mapping[str, Any],
    demosaic: Demosaicer,
    development: _Development,
    code: Callable[[np.ndarray], np.ndarray] | None,
) -> np.ndarray:
    """The picture strip by strip, each coded (None: left linear), as it is to be seen."""
    height, width = image.shape[-2:]
    factor = 1 if development.pattern is None else 2
    picture = np.empty((factor * height, factor * width, 3), np.float32 if code is None else np.uint16)
    for rows, strip in _strips(development, demosaic):
        picture[rows] = strip if code is None else code(strip)
    return oriented(picture, development.orientation)


def _strips(development: _Development, demosaic: Demosaicer) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of the picture and their linear sRGB, strip by strip; every strip is demosaiced with a margin."""
    height, pattern, peak = development.image.shape[1], development.pattern, development.peak
    margin = 0 if pattern is None else math.ceil(demosaic.support / 2)
    step = max(STRIP_ROWS, 4 * margin)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first, last = max(top - margin, 0), min(bottom + margin, height)
        planes = development.planes(slice(first, last))
        if pattern is None:
            yield slice(top, bottom), development.colours(planes.transpose(1, 2, 0))
            continue
        camera = demosaic(unpack(np.minimum(planes / peak, 1), pattern), pattern)
        camera = camera[2 * (top - first) : 2 * (bottom - first)]
        yield slice(2 * top, 2 * bottom), development.colours(camera * np.float32(peak))


def _multiplied(matrix: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """A matrix (3, 3) for every pixel (H, W, 3); written out because a matrix product rounds by its size."""
    red, green, blue = camera[..., 0], camera[..., 1], camera[..., 2]
    result = np.empty(camera.shape, np.float32)
    for channel, (from_red, from_green, from_blue) in enumerate(matrix):
        result[..., channel] = from_red * red + from_green * green + from_blue * blue
    return result
