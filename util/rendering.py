"""From a restored packed Bayer image to pictures: linear sRGB, 16-bit mu-law PNG values, contact sheets."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from util.bayer import PLANES, unpack
from util.demosaic import Demosaicer
from util.errors import UserError
from util.tonemap import mu_law

STRIP_ROWS = 64  # packed rows rendered at a time, or more where the demosaicer reaches far
SHEET_HEIGHT = 900
CAPTION_HEIGHT = 36


def linear_srgb(
    packed: np.ndarray,
    meta: Mapping[str, Any],
    demosaic: Demosaicer,
    *,
    white: float = 16.0,
    clip: bool = True,
) -> np.ndarray:
    """Packed Bayer image (4, h, w) -> linear sRGB (2h, 2w, 3) float32, the published rendering before mu-law.

    `packed` holds linear camera values with black at 0; the value `white` becomes 1. With `clip` values are
    cut to [0, 1], before demosaicing too as in the published pictures; without it only negative ones are.

    Args:
        meta: `white_balance` (3,), gains of red, green and blue; `cam2rgb` (3, 3), balanced camera RGB to
            linear sRGB; `cfa`, the Bayer pattern such as "RGGB" to which the planes go back.

    Raises:
        UserError: `packed` does not have four planes, `meta` lacks an entry or names an unknown pattern.
    """
    height, width = packed.shape[-2:]
    picture = np.empty((2 * height, 2 * width, 3), np.float32)
    for rows, strip in _strips(packed, meta, demosaic, white, clip):
        picture[rows] = strip
    return picture


def render_png16(
    packed: np.ndarray, meta: Mapping[str, Any], demosaic: Demosaicer, *, white: float = 16.0
) -> np.ndarray:
    """Packed Bayer image (4, h, w) -> the published picture (2h, 2w, 3) uint16.

    Equal to `to_png16(linear_srgb(...))`, without holding the linear picture.
    """
    height, width = packed.shape[-2:]
    picture = np.empty((2 * height, 2 * width, 3), np.uint16)
    for rows, strip in _strips(packed, meta, demosaic, white, clip=True):
        picture[rows] = to_png16(strip)
    return picture


def to_png16(linear: np.ndarray) -> np.ndarray:
    """Linear values -> uint16: 65535 mu_law(x), x clipped to [0, 1]; truncated, not rounded, as published."""
    return (65535 * mu_law(np.clip(linear, 0, 1))).astype(np.uint16)


def _strips(
    packed: np.ndarray, meta: Mapping[str, Any], demosaic: Demosaicer, white: float, clip: bool
) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of the picture and their linear sRGB, strip by strip; every strip is demosaiced with a margin."""
    gains, cam2rgb, pattern = _read_meta(packed, meta)
    gains = gains / white
    # The network demosaicer knows only [0, 1]. A power of two changes no digit of the other demosaicers.
    peak = 1.0 if clip else 2.0 ** max(0, math.frexp((packed.max(axis=(1, 2)) * gains).max())[1])
    height = packed.shape[1]
    margin = math.ceil(demosaic.support / 2)
    step = max(STRIP_ROWS, 4 * margin)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first, last = max(top - margin, 0), min(bottom + margin, height)
        planes = np.clip(packed[:, first:last] * (gains / peak)[:, None, None], 0, 1)
        camera = demosaic(unpack(planes, pattern), pattern)[2 * (top - first) : 2 * (bottom - first)]
        yield slice(2 * top, 2 * bottom), _to_srgb(camera, cam2rgb * np.float32(peak), clip)


def _read_meta(packed: np.ndarray, meta: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, str]:
    """Gains of the four planes (4,), cam2rgb (3, 3), and the Bayer pattern."""
    if packed.ndim != 3 or packed.shape[0] != 4:
        raise UserError(
            f"a packed Bayer image (4, h, w) is needed for rendering, got the shape {packed.shape}"
        )
    missing = {"white_balance", "cam2rgb", "cfa"} - meta.keys()
    if missing:
        raise UserError(f"rendering needs {', '.join(sorted(missing))} in the metadata")
    red, green, blue = np.asarray(meta["white_balance"], np.float32)
    if meta["cfa"] not in PLANES:
        raise UserError(f"unknown Bayer pattern {meta['cfa']!r}; known are {', '.join(PLANES)}")
    return np.array([red, green, green, blue]), np.asarray(meta["cam2rgb"], np.float32), meta["cfa"]


def _to_srgb(camera: np.ndarray, cam2rgb: np.ndarray, clip: bool) -> np.ndarray:
    """Camera RGB (H, W, 3) -> linear sRGB; written out because a matrix product rounds by its size."""
    red, green, blue = camera[..., 0], camera[..., 1], camera[..., 2]
    linear = np.empty(camera.shape, np.float32)
    for channel, (from_red, from_green, from_blue) in enumerate(cam2rgb):
        linear[..., channel] = from_red * red + from_green * green + from_blue * blue
    return np.clip(linear, 0, 1 if clip else None, out=linear)


def contact_sheet(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Pictures uint16 RGB side by side, titles (ASCII) in bars above them -> uint8 RGB, at most 936 px high.

    Smaller pictures are enlarged to the size of the largest, of which their sizes must be whole fractions.

    Raises:
        UserError: the sizes do not fit together.
    """
    height, width = max(picture.shape[:2] for picture in pictures)
    scale = min(1.0, SHEET_HEIGHT / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    columns = []
    for picture, title in zip(pictures, titles, strict=True):
        rows, cols = picture.shape[:2]
        if height % rows or width % cols or height // rows != width // cols:
            raise UserError(f"a picture of {cols}x{rows} does not fit beside one of {width}x{height}")
        shrinks = size[1] < rows
        shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)
        columns.append(np.vstack([_caption(title, size[0]), (shown // 257).astype(np.uint8)]))
    return np.hstack(columns)


def _caption(title: str, width: int) -> np.ndarray:
    """A dark bar (CAPTION_HEIGHT, width, 3) with a light text, made smaller where it would not fit."""
    bar = np.full((CAPTION_HEIGHT, width, 3), 32, np.uint8)
    (text_width, _), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 1)
    scale = 0.7 * min(1.0, (width - 12) / max(text_width, 1))
    place = (6, CAPTION_HEIGHT - 12)
    cv2.putText(bar, title, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (230, 230, 230), 1, cv2.LINE_AA)
    return bar
