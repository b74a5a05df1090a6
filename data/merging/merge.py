"""The merge of the frames of a bracket to its radiance (SVEHDRI specification, section 6, step 4)."""

from collections.abc import Iterator

import numpy as np

RISE, FALL = (0.01, 0.05), (0.85, 0.95)  # values between which frames come to count, and cease to
CLIPPED = 0.99
BRIGHT = 0.5  # value of the longest frame from which a px that no frame shows well is bright, not dark
STRIP = 32  # rows


def trust(values: np.ndarray) -> np.ndarray:
    """The trapezoid by which values (...), 1 = white, count: 0 .. 1, float32."""
    rising = np.clip((values - RISE[0]) / (RISE[1] - RISE[0]), 0, 1)
    rising *= np.clip((FALL[1] - values) / (FALL[1] - FALL[0]), 0, 1)
    return rising.astype(np.float32, copy=False)


class Merge:
    """Takes up the frames of a bracket one after the other, from the shortest on, and keeps sums.

    Attributes:
        first, last: values (h, w, 4) of the first frame and of the last one.
    """

    def __init__(self) -> None:
        self._sums: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, values: np.ndarray, exposure: float) -> None:
        """Take up a frame.

        Args:
            values: (h, w, 4) float32, black = 0, white = 1, not above 1; what noise has below 0 stays.
            exposure: of the frame, relative to the first one's: its weight is exposure * trust.
        """
        if self._sums is None:
            self.first = values
            self._sums = np.zeros_like(values), np.zeros_like(values)
        light, weights = self._sums
        for rows in _strips(len(values)):
            weight = trust(values[rows])
            weights[rows] += np.float32(exposure) * weight
            weight *= values[rows]
            light[rows] += weight
        self.last, self._last_exposure = values, np.float32(exposure)

    def radiance(self) -> np.ndarray:
        """The merged mosaic's planes (h, w, 4) float32; 1 = what saturates the first frame.

        Where no frame counts it is the first frame, if the last is bright there, else the last.
        """
        light, weights = self._sums
        result = np.empty_like(light)
        for rows in _strips(len(light)):
            seen, last = weights[rows] > 0, self.last[rows]
            unseen = np.where(last > BRIGHT, self.first[rows], last / self._last_exposure)
            result[rows] = np.where(seen, light[rows] / np.where(seen, weights[rows], 1), unseen)
        return result

    def is_known(self) -> np.ndarray:
        """Where no colour of a cell is clipped in the first frame: bool (h, w)."""
        return (self.first < CLIPPED).all(axis=-1)


def _strips(height: int) -> Iterator[slice]:
    """Rows that are worked on at once, of few px: frames are large."""
    for first in range(0, height, STRIP):
        yield slice(first, first + STRIP)
