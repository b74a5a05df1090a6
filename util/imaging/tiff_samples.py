"""What the samples of a TIFF page mean: RGB with black at 0, without an opacity, and its white."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from tifffile import EXTRASAMPLE, PHOTOMETRIC

from util.errors import UserError

WHITES = tuple((1 << bits) - 1 for bits in range(9, 16))  # of data that do not fill their 16 bits
MAX_SAMPLE_VALUE, S_MAX_SAMPLE_VALUE = 281, 341


class Samples(NamedTuple):
    """Samples of a page as RGB (H, W, 3), and the white of those that are whole numbers."""

    rgb: np.ndarray
    white: int


def to_rgb(path: str | Path, page: tifffile.TiffPage, stored: np.ndarray) -> Samples:
    """Stored samples (H, W, S) as RGB, black at 0, not multiplied by an opacity."""
    if page.photometric == PHOTOMETRIC.PALETTE:
        palette = np.moveaxis(page.colormap, 0, -1)  # of 16 bits, but of 8 by some writers' mistake
        palette = (palette >> 8 if palette.max() > 255 else palette).astype(np.uint8)
        return Samples(palette[stored[..., 0]], 255)
    needed = 1 if page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE) else 3
    kinds = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
    opacity = page.extrasamples[0] if page.extrasamples and page.extrasamples[0] in kinds else None
    if stored.shape[2] != needed and not (opacity or needed == 3 < stored.shape[2]):
        raise UserError(f"{path}: an RGB picture is needed, it has {stored.shape[2]} channels")
    colours, full = stored[..., :needed], 1
    if stored.dtype != np.float32:
        full = (1 << page.bitspersample) - 1
    white = _white(page, colours, full)
    if opacity == EXTRASAMPLE.ASSOCALPHA:
        colours = _divided(colours, stored[..., needed : needed + 1], full)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        colours = (white - colours.astype(np.float32)).astype(stored.dtype)
    return Samples(colours if needed == 3 else np.repeat(colours, 3, axis=2), white)


def _divided(colours: np.ndarray, opacity: np.ndarray, full: float) -> np.ndarray:
    """Colours that were multiplied by an opacity as they were before; 0 where nothing is seen."""
    if (opacity == full).all():
        return colours
    whole = np.divide(colours * float(full), opacity, out=np.zeros(colours.shape), where=opacity > 0)
    if colours.dtype == np.float32:
        return whole.astype(np.float32)
    return np.minimum(np.rint(whole), full).astype(colours.dtype)


def _white(page: tifffile.TiffPage, colours: np.ndarray, full: int) -> int:
    """The value of white: what a tag says, if it is that of fewer bits and no value is above it."""
    for code in (MAX_SAMPLE_VALUE, S_MAX_SAMPLE_VALUE):
        told = np.max(page.tags.valueof(code, full))
        if told in WHITES and told < full and colours.max() <= told:
            return int(told)
    return full


def filled(samples: Samples) -> np.ndarray:
    """RGB whose white is the largest of its type."""
    if samples.white == np.iinfo(samples.rgb.dtype).max:
        return samples.rgb
    return scaled(samples.rgb, samples.white)


def scaled(codes: np.ndarray, white: int) -> np.ndarray:
    """uint8 or uint16 codes -> uint16 with 65535 for `white`, and for all above it."""
    every = np.arange(np.iinfo(codes.dtype).max + 1)
    return np.rint(np.minimum(every, white) * (65535 / white)).astype(np.uint16)[codes]
