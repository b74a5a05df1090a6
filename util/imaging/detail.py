"""A part of a picture that is worth a closer look, and enlarging."""

from typing import NamedTuple

import cv2
import numpy as np

ZOOM = 4  # factor by which a detail is enlarged
LEFT_OUT = 16  # part of a side, at each end, in which no detail lies: borders are often worse


class Detail(NamedTuple):
    """A rectangle of pictures of one size: its first row and column, and its height and width in px."""

    top: int
    left: int
    height: int
    width: int

    def of(self, picture: np.ndarray) -> np.ndarray:
        """The rectangle of a picture (H, W, C), enlarged to its size without smoothing."""
        part = picture[self.top : self.top + self.height, self.left : self.left + self.width]
        return cv2.resize(part, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def detail_of(picture: np.ndarray) -> Detail:
    """The part of a picture (H, W, 3), a quarter as wide and high, with the most texture.

    That is the mean size of steps between neighbouring px.
    """
    height, width = (max(1, side // ZOOM) for side in picture.shape[:2])
    gray = picture.mean(2, dtype=np.float32)
    down, right = np.diff(gray, axis=0, append=gray[-1:]), np.diff(gray, axis=1, append=gray[:, -1:])
    sums = cv2.integral(np.abs(down) + np.abs(right))  # (H + 1, W + 1)
    bands = sums[height:] - sums[:-height]
    texture = bands[:, width:] - bands[:, :-width]
    rows, columns = (side // LEFT_OUT for side in picture.shape[:2])
    inner = texture[rows : len(texture) - rows, columns : texture.shape[1] - columns]
    top, left = np.unravel_index(int(inner.argmax()), inner.shape)
    return Detail(int(top) + rows, int(left) + columns, height, width)


def enlarged(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (h, w, 3) of uint16 as large as `size` (H, W), bicubic."""
    if picture.shape[:2] == tuple(size):
        return picture
    return cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
