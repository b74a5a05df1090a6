"""Scenes before a sensor whose row pairs are exposed in turn, and the camera that sees them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from data.simulate.camera import BLUE_GAINS, RED_GAINS, Camera, balanced
from data.simulate.lighting import draw_daylight
from data.simulate.radiance import Shelf, is_coded
from data.simulate.unprocessing import mixed_matrix
from data.simulate.window import Window
from util.errors import UserError

BEYOND = (0.001, 0.01)  # shares of the px that the short exposure clips
LARGEST_FACTOR = 4.0  # px of a picture per px of a patch, each way
CONTRASTS = (2.0, 32.0)  # of what photographs show, as of `lighting.draw_daylight`
DIMMED = 0.4  # share of the patches that are darker, as dark parts of scenes are
DIMMED_STOPS = 3.0  # by how much at most
DARKEST = 1e-6


class RowScene(Protocol):
    """Where radiance is from: `name` is the scene."""

    name: str

    def part(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """A random part, linear sRGB float32 (side, side, 3), not negative, at any scale."""

    def whole(self, rng: np.random.Generator, most: int) -> np.ndarray:
        """The scene, or its middle, with sides that are multiples of 4 and at most `most` px."""


@dataclass(frozen=True)
class FileScene:
    """A file's light; that of a photograph, which a tone curve cut off, with its highlights expanded."""

    name: str
    path: Path
    shelf: Shelf

    def part(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """A random part whose px are means of up to LARGEST_FACTOR x LARGEST_FACTOR px of the file.

        Raises:
            UserError: the file cannot be read, or has too few px.
        """
        light = self.shelf.light(self.path)
        height, width = light.shape[:2]
        shorter = min(height, width)
        if shorter < side:
            raise UserError(
                f"{self.path} has {width}x{height} px, --patch_size {side} takes {side}x{side}: give a "
                "smaller --patch_size, or leave the file out"
            )
        taken = round(side * rng.uniform(1, min(LARGEST_FACTOR, shorter / side)))
        top, left = int(rng.integers(height - taken + 1)), int(rng.integers(width - taken + 1))
        return self._lit(rng, light, Window(top, left, taken, taken, (side, side)))

    def whole(self, rng: np.random.Generator, most: int) -> np.ndarray:
        """The middle of the file, reduced so that its shorter side has at most `most` px.

        Raises:
            UserError: the file cannot be read, or has too few px.
        """
        light = self.shelf.light(self.path)
        factor = max(1.0, min(light.shape[:2]) / most)
        size = tuple(min(most, int(side / factor)) // 4 * 4 for side in light.shape[:2])
        if not all(size):
            raise UserError(f"{self.path} has {light.shape[1]}x{light.shape[0]} px, at least 4x4 are needed")
        height, width = (round(side * factor) for side in size)
        top, left = (light.shape[0] - height) // 2, (light.shape[1] - width) // 2
        return self._lit(rng, light, Window(top, left, height, width, size))

    def _lit(self, rng: np.random.Generator, light: np.ndarray, window: Window) -> np.ndarray:
        part = light[window.top : window.top + window.height, window.left : window.left + window.width]
        part = Window(0, 0, window.height, window.width, window.size).cut(part.astype(np.float32))
        return by_day(rng, part) if is_coded(self.path) else part


def by_day(rng: np.random.Generator, linear: np.ndarray) -> np.ndarray:
    """Light (H, W, 3) of a photograph, in [0, 1], as a scene of a drawn contrast."""
    contrast = float(np.exp(rng.uniform(*np.log(CONTRASTS))))
    return draw_daylight(rng, linear, True, contrast).apply(linear)


def draw_row_camera(rng: np.random.Generator) -> Camera:
    """A mixture of four cameras' colours, balanced for a random light."""
    return Camera(rng.uniform(*RED_GAINS), rng.uniform(*BLUE_GAINS), mixed_matrix(rng.uniform(size=4)))


def draw_radiance(
    rng: np.random.Generator, light: np.ndarray, camera: Camera, dimmed: float = 0.0
) -> np.ndarray:
    """Linear sRGB (H, W, 3) as camera RGB in units of the short exposure's saturation, not negative.

    A drawn share of the px, of BEYOND, is above 1; with probability `dimmed` the whole is darker then, by up
    to DIMMED_STOPS.
    """
    radiance = np.maximum(balanced(light, camera), 0)
    share = np.exp(rng.uniform(*np.log(BEYOND)))
    level = max(float(np.quantile(radiance.max(axis=-1), 1 - share)), DARKEST)
    if rng.random() < dimmed:
        level *= 2 ** rng.uniform(0, DIMMED_STOPS)
    return radiance * np.float32(1 / level)
