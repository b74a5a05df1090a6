"""Light for a page in a browser: half floats, packed into text that a script may hold."""

import base64
import zlib
from typing import NamedTuple

import cv2
import numpy as np

from util.imaging.tonemap import inverse_mu_law, srgb_decode

WHOLE = 1_500_000  # px that a page shows of a picture at most
LEVEL = 1  # of zlib: 4 takes three times as long and saves 3 %
LARGEST = 65408.0  # of a half float whose last two bits are 0


class Light(NamedTuple):
    """Linear light for a page: its size in px, and its packed half floats."""

    width: int
    height: int
    packed: str


def of_mu_law(picture: np.ndarray) -> np.ndarray:
    """Linear light (H, W, 3) float32, 1 = white, of a 16-bit picture by the mu-law."""
    return inverse_mu_law(np.arange(65536) / 65535).astype(np.float32)[picture]


def of_srgb(picture: np.ndarray, gain: float) -> np.ndarray:
    """Linear light (H, W, 3) float32 of a 16-bit sRGB picture, times `gain`."""
    return (gain * srgb_decode(np.arange(65536) / 65535)).astype(np.float32)[picture]


def shrunk(light: np.ndarray, pixels: int = WHOLE) -> np.ndarray:
    """Light (H, W, 3) of at most so many px, each the mean of those that it stands for."""
    height, width = light.shape[:2]
    scale = (pixels / (height * width)) ** 0.5
    if scale >= 1:
        return light
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    return cv2.resize(light, size, interpolation=cv2.INTER_AREA)


def pack(light: np.ndarray) -> Light:
    """Light (H, W, 3) as base64 of zlib of half floats, whose last two bits are rounded to 0.

    Nobody sees these bits, less than a tenth of a step of 8 bits after the mu-law, but they take a fifth of
    the room. Each code is stored as its difference to that of the px to its left, modulo 2^16, first the
    upper bytes of all, then the lower ones: what is smooth packs well so.
    """
    codes = np.clip(np.nan_to_num(light), 0, LARGEST).astype(np.float16).view(np.uint16)
    codes = (codes + 2) & 0xFFFC
    steps = codes.copy()
    steps[:, 1:] -= codes[:, :-1]
    planes = (steps >> 8).astype(np.uint8).tobytes() + (steps & 255).astype(np.uint8).tobytes()
    height, width = light.shape[:2]
    return Light(width, height, base64.b64encode(zlib.compress(planes, LEVEL)).decode())


def unpack(packed: str, width: int, height: int) -> np.ndarray:
    """Light (H, W, 3) float16 of what `pack` made."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)
    upper, lower = planes.reshape(2, height, width, 3).astype(np.uint16)
    return np.cumsum((upper << 8) | lower, axis=1, dtype=np.uint16).view(np.float16)
