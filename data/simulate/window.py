"""The part of a picture that becomes a scene."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in px, that is resized to `size` (height, width) and perhaps mirrored."""

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]
    mirrored: bool = False

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The window of a picture (H, W, 3), float32: a reduction averages areas, enlarging is cubic."""
        part = picture[self.top : self.top + self.height, self.left : self.left + self.width]
        if part.shape[:2] != self.size:
            reduced = self.height > self.size[0] or self.width > self.size[1]
            method = cv2.INTER_AREA if reduced else cv2.INTER_CUBIC
            part = cv2.resize(part, self.size[::-1], interpolation=method)
        return np.ascontiguousarray(part[:, ::-1] if self.mirrored else part)


def draw_window(
    rng: np.random.Generator, shape: tuple[int, int], size: tuple[int, int], enlarge: float = 1.0
) -> Window:
    """A random part of a picture of `shape`, at a random zoom between the smallest that covers `size` and 1.

    Where the smallest is about 1 or more, the zoom is up to `enlarge` times as large as that.
    """
    smallest = max(size[0] / shape[0], size[1] / shape[1])
    zoom = rng.uniform(smallest, max(1.0, smallest * enlarge))
    height, width = min(shape[0], round(size[0] / zoom)), min(shape[1], round(size[1] / zoom))
    top, left = int(rng.integers(shape[0] - height + 1)), int(rng.integers(shape[1] - width + 1))
    return Window(top, left, height, width, size, mirrored=bool(rng.uniform() < 0.5))


def centred_window(shape: tuple[int, int], size: tuple[int, int]) -> Window:
    """The middle of a picture as it is."""
    return Window((shape[0] - size[0]) // 2, (shape[1] - size[1]) // 2, *size, size)
