"""Bursts with drawn shifts and noise from one photograph, to learn denoising (Deep-Rep specification, 5).

A px of a frame is the mean of a square of the photograph's, taken before its tone curve is undone; frames lie
at whole px of the photograph, so that they are shifted by fractions of their own.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data.draws import random_corner
from data.simulate.unprocessing import GAMMA, NoiseLevels

PUBLISHED_FRAMES = 8
FAR_FRAMES = 1.5  # of a published burst, that move far, in the mean
DARKEST_WHITE = 1.0  # orders of magnitude by which the white level lies below 1 at most
READ_NOISE = (-3.0, -1.5)  # log10 of its standard deviation
SHOT_NOISE = (-2.0, -1.0)  # log10 of the square root of its variance per value


@dataclass(frozen=True)
class Geometry:
    """How frames lie in the part of a photograph that they are taken of.

    Attributes:
        size: height and width of a frame in px.
        factor: px of the photograph per px of a frame, each way.
        small, large: how far a frame moves at most, in px of a frame: mostly, and at times.
    """

    size: tuple[int, int]
    factor: int = 4
    small: int = 2
    large: int = 16

    @property
    def part(self) -> tuple[int, int]:
        """Height and width of the part, in px of the photograph."""
        height, width = self.size
        return self.factor * (height + 2 * self.large), self.factor * (width + 2 * self.large)

    @property
    def centre(self) -> int:
        """Row and column of the part at which frame 0 begins."""
        return self.factor * self.large

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Rows and columns (count, 2) at which frames begin in the part.

        The first ones do not depend on how many there are.
        """
        share = rng.poisson(FAR_FRAMES) / PUBLISHED_FRAMES
        places = [np.full(2, self.centre)]
        for _ in range(count - 1):
            reach = self.factor * (self.large if rng.random() < share else self.small)
            places.append(self.centre + rng.integers(-reach, reach, 2, endpoint=True))
        return np.stack(places)

    def shifts(self, places: np.ndarray) -> np.ndarray:
        """Flow of each frame to frame 0, (T, 2) float32 as (x, y) in px: frame_i(p) = base(p + flow)."""
        return np.float32((places - self.centre)[:, ::-1] / self.factor)


def draw_white_level(rng: np.random.Generator) -> float:
    """The value of white."""
    return float(10 ** -rng.uniform(0, DARKEST_WHITE))


def draw_levels(rng: np.random.Generator) -> NoiseLevels:
    """Noise to train on."""
    read, shot = rng.uniform(*READ_NOISE), rng.uniform(*SHOT_NOISE)
    return NoiseLevels(float(10 ** (2 * shot)), float(10 ** (2 * read)))


def random_part(
    codes: np.ndarray, size: tuple[int, int], rng: np.random.Generator, black: bool = False
) -> np.ndarray:
    """A random part of `size` px of a photograph (H, W, 3).

    What a smaller photograph lacks is mirrored at its edges; with `black` it is 0, on the right and below, as
    published.
    """
    whole = codes.shape[:2]
    room = [max(side - needed, 0) + 1 for needed, side in zip(size, whole, strict=True)]
    top, left = random_corner(rng, room)
    part = codes[top : top + size[0], left : left + size[1]]
    lacking = [needed - side for needed, side in zip(size, part.shape, strict=False)]
    if not any(lacking):
        return np.ascontiguousarray(part)
    above, before = (0, 0) if black else (side // 2 for side in lacking)
    border = cv2.BORDER_CONSTANT if black else cv2.BORDER_REFLECT_101
    return cv2.copyMakeBorder(part, above, lacking[0] - above, before, lacking[1] - before, border)


def clean_frames(part: np.ndarray, geometry: Geometry, places: np.ndarray, gray: bool = False) -> np.ndarray:
    """Frames without noise, (T, 3 or 1, h, w) float32 in [0, 1], linear.

    Args:
        part: (H, W, 3) uint8 or uint16, coded. places: (T, 2), of `Geometry.draw`.
        gray: the mean of the three colours.
    """
    white = np.iinfo(part.dtype).max * geometry.factor**2
    square = (geometry.factor, geometry.factor)
    sums = cv2.boxFilter(part, cv2.CV_32F, square, anchor=(0, 0), normalize=False)
    height, width = (geometry.factor * side for side in geometry.size)
    coded = np.empty((len(places), 3, *geometry.size), np.float32)
    for frame, (top, left) in zip(coded, places, strict=True):
        taken = sums[top : top + height : geometry.factor, left : left + width : geometry.factor]
        np.multiply(taken.transpose(2, 0, 1), np.float32(1 / white), out=frame)
    coded = coded.mean(axis=1, keepdims=True) if gray else coded
    return cv2.pow(coded.reshape(len(places), -1), GAMMA).reshape(coded.shape)


@dataclass(frozen=True)
class NoisyBurst:
    """`frames` (T, C, h, w) with noise, not clipped, and `gt` (C, h, w), frame 0 without; both linear.

    The value of white is `white_level`; `shifts` as of `Geometry.shifts`.
    """

    frames: np.ndarray
    gt: np.ndarray
    white_level: float
    levels: NoiseLevels
    shifts: np.ndarray

    @property
    def noise_map(self) -> np.ndarray:
        """Standard deviation of the noise as estimated from the noisy values, (T, C, h, w)."""
        return self.levels.deviation(self.frames)


def take_noisy_burst(
    codes: np.ndarray,
    geometry: Geometry,
    count: int,
    rng: np.random.Generator,
    *,
    gray: bool = False,
    black: bool = False,
    levels: NoiseLevels | None = None,
) -> NoisyBurst:
    """A burst of `count` frames of a random part of a photograph (H, W, 3) of uint8 or uint16.

    The first frames do not depend on how many there are. The same random numbers give the same part, shifts
    and white level, whatever the noise and the colours.

    Args:
        gray, black: as of `clean_frames` and `random_part`. levels: of the noise; None draws them.
    """
    place, shake, noise = rng.spawn(3)
    part = random_part(codes, geometry.part, place, black)
    white_level = draw_white_level(place)
    levels = levels or draw_levels(place)
    places = geometry.draw(shake, count)
    clean = clean_frames(part, geometry, places, gray)
    clean *= np.float32(white_level)
    noisy = levels.add(clean, noise.standard_normal(clean.shape, np.float32))
    return NoisyBurst(noisy, clean[0].copy(), white_level, levels, geometry.shifts(places))
