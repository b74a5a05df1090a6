"""Bursts of a hand-held camera from one linear picture (DeepRep specification, section 4).

Frames are small: a px of a frame is the mean of the 2x2 px in the middle of 4x4 px of the moved picture, of
which a photosite keeps one colour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data.draws import random_corner
from data.simulate.unprocessing import NoiseLevels, SrgbCamera, unprocess_codes
from util.imaging.bayer import PLANES

SCALE = 8  # px of the picture per packed px
FACTOR = 4  # px of the picture per px of a frame
BORDER = 24  # px of the picture that are cut away on each side after it has moved
LARGEST_SHIFT, LARGEST_ANGLE = 24.0, 1.0  # px of the picture, degrees
CENTRE = ((1, 1), (1, 2), (2, 1), (2, 2))  # rows and columns of 4x4 px whose mean a px of a frame is
COLOURS = (0, 1, 1, 2)  # of the four planes
MIRRORED = 0.5  # share of the photographs
TO_16_BIT = 257  # of codes of 8 bits


@dataclass(frozen=True)
class Motion:
    """How a frame lies against the picture: shift in px, angle in degrees, shear, logarithms of scales."""

    x: float
    y: float
    angle: float = 0.0
    shear_x: float = 0.0
    shear_y: float = 0.0
    aspect: float = 0.0
    scale: float = 0.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Motion":
        """A random shift and angle; nothing else is drawn in the published recipe."""
        x, y = rng.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2)
        return cls(x, y, rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE))

    def matrix(self, height: int, width: int) -> np.ndarray:
        """Where a px (x, y, 1) of a picture of this size moves, float64 (2, 3)."""
        shift = np.array([[1, 0, self.x], [0, 1, self.y], [0, 0, 1]])
        shear = np.array(
            [[1, self.shear_x, -self.shear_x * width / 2], [self.shear_y, 1, -self.shear_y * height / 2]]
        )
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), self.angle, 1.0)
        scale = np.diag(np.exp([self.scale, self.scale + self.aspect]))
        return scale @ turn @ _squared(shear) @ shift


REFERENCE = Motion(FACTOR / 2 - 0.5, FACTOR / 2 - 0.5)  # puts px j of frame 0 on px 4j of the picture


def _squared(matrix: np.ndarray) -> np.ndarray:
    """(2, 3) -> (3, 3)."""
    return np.vstack([matrix, [0, 0, 1]])


def sampled(
    plane: np.ndarray, matrix: np.ndarray, step: int = 1, corner: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """Px of the frame that a moved plane (H, W) gives, float32 or uint8 as it is.

    Every `step`-th px each way from (row, column) `corner` on; what is not asked for is not computed. Numbers
    are rounded as by two steps, the moved picture and its reduction.

    Args:
        matrix: of `Motion.matrix`.
    """
    size = tuple(-(-((side - 2 * BORDER) // FACTOR) // step) for side in plane.shape[::-1])
    inverse = cv2.invertAffineTransform(matrix)
    place = inverse * (FACTOR * step)
    moved = []
    for row, column in CENTRE:
        x, y = BORDER + FACTOR * corner[1] + column, BORDER + FACTOR * corner[0] + row
        place[:, 2] = inverse @ (x, y, 1)
        moved.append(cv2.warpAffine(plane, place, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
    total = np.add.reduce(moved, dtype=np.uint16 if plane.dtype == np.uint8 else np.float32)
    return ((total + 2) >> 2).astype(np.uint8) if plane.dtype == np.uint8 else total * np.float32(0.25)


def sampled_planes(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The frame (4, h, w) of a mosaic RGGB, from a picture (3, H, W)."""
    return np.stack(
        [
            sampled(picture[colour], matrix, 2, corner)
            for corner, colour in zip(PLANES["RGGB"], COLOURS, strict=True)
        ]
    )


def flow(matrix: np.ndarray, reference: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where the px of a frame are in the reference: (2, h, w) float32, x and y in px of the frame.

    Args:
        height, width: of the picture.
    """
    rows, columns = (
        np.arange((side - 2 * BORDER) // FACTOR) * FACTOR + BORDER + 1.5 for side in (height, width)
    )
    x, y = np.meshgrid(columns, rows)
    change = cv2.invertAffineTransform(matrix) - cv2.invertAffineTransform(reference)
    moved = change @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return (moved / FACTOR).astype(np.float32).reshape(2, *x.shape)


def quantised(picture: np.ndarray, bits: int | None) -> np.ndarray:
    """A picture in [0, 1] as a frame is made of: as it is, or truncated to 8 bits, as published."""
    return picture if bits is None else (255 * picture).astype(np.uint8)


def frames(picture: np.ndarray, motions: Sequence[Motion], bits: int | None = None) -> Iterator[np.ndarray]:
    """Noise-free frames (4, h, w) float32 in [0, 1] of a linear picture (3, H, W), one for each motion.

    `bits` None computes with the picture as it is; 8 truncates it to 8 bits first, as published.
    """
    height, width = picture.shape[1:]
    rounded = quantised(picture, bits)
    for motion in motions:
        planes = sampled_planes(rounded, motion.matrix(height, width))
        yield planes if bits is None else planes / np.float32(255)


@dataclass(frozen=True)
class Burst:
    """What a camera took: `frames` (T, 4, h, w) in [0, 1] with noise, `gt` (3, 8h, 8w) that frame 0 shows."""

    frames: np.ndarray
    gt: np.ndarray
    camera: SrgbCamera
    levels: NoiseLevels


def take_burst(
    codes: np.ndarray, size: tuple[int, int], count: int, rng: np.random.Generator, bits: int | None = None
) -> Burst:
    """A burst of `count` frames of a random part of a photograph, at a random camera and noise.

    The first frames do not depend on how many there are.

    Args:
        codes: uint8 or uint16 (H, W, 3). size: packed height and width of a frame. bits: as of `frames`.
    """
    place, shake, noise = rng.spawn(3)
    part = random_part(codes, tuple(SCALE * side + 2 * BORDER for side in size), place)
    camera, levels = SrgbCamera.draw(place), NoiseLevels.draw(place)
    linear = unprocess_codes(part, camera)
    motions = [REFERENCE, *(Motion.draw(shake) for _ in range(count - 1))]
    taken = np.stack(list(frames(linear, motions, bits)))
    taken = levels.add(taken, noise.standard_normal(taken.shape, np.float32))
    gt = np.ascontiguousarray(linear[:, BORDER:-BORDER, BORDER:-BORDER])
    return Burst(np.clip(taken, 0, 1, out=taken), gt, camera, levels)


def random_part(codes: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random part of `size` px of a photograph (H, W, 3) of uint8 or uint16, mirrored or not.

    A photograph that is smaller is enlarged so that it just holds the part, as published, and is uint16 then.
    """
    whole = codes.shape[:2]
    factor = max(needed / side for needed, side in zip(size, whole, strict=True))
    if factor > 1:
        whole = tuple(max(needed, round(factor * side)) for needed, side in zip(size, whole, strict=True))
        deep = codes if codes.dtype == np.uint16 else codes.astype(np.uint16) * np.uint16(TO_16_BIT)
        codes = cv2.resize(deep, whole[::-1], interpolation=cv2.INTER_LINEAR)
    top, left = random_corner(rng, [side - needed + 1 for needed, side in zip(size, whole, strict=True)])
    part = codes[top : top + size[0], left : left + size[1]]
    return cv2.flip(part, 1) if rng.random() < MIRRORED else np.ascontiguousarray(part)
