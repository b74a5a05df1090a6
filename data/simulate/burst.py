"""Bursts of a hand-held camera from one linear picture (DeepRep specification, section 4).

Frames are small: a px of a frame is the mean of the 2x2 px in the middle of 4x4 px of the moved picture, of
which a photosite keeps one colour.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from util.imaging.bayer import PLANES

FACTOR = 4  # px of the picture per px of a frame
BORDER = 24  # px of the picture that are cut away on each side after it has moved
LARGEST_SHIFT, LARGEST_ANGLE = 24.0, 1.0  # px of the picture, degrees
CENTRE = ((1, 1), (1, 2), (2, 1), (2, 2))  # rows and columns of 4x4 px whose mean a px of a frame is
COLOURS = (0, 1, 1, 2)  # of the four planes


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


def frames(picture: np.ndarray, motions: list[Motion], bits: int | None = None) -> Iterator[np.ndarray]:
    """Noise-free frames (4, h, w) float32 in [0, 1] of a linear picture (3, H, W), one for each motion.

    `bits` None computes with the picture as it is; 8 truncates it to 8 bits first, as published.
    """
    height, width = picture.shape[1:]
    rounded = quantised(picture, bits)
    for motion in motions:
        planes = sampled_planes(rounded, motion.matrix(height, width))
        yield planes if bits is None else planes / np.float32(255)
