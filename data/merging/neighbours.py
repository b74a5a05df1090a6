"""What two frames of a bracket that follow each other tell: how much longer one is, and what moved.

SVEHDRI specification, section 6, steps 1 and 8: the residual gain is a median ratio of px that are well
exposed in both frames; scenes must stand still, which a residual test between neighbours verifies.
"""

from typing import NamedTuple

import numpy as np

from data.reading.measurements import green

WELL_EXPOSED = (0.2, 0.85)  # values of the longer frame, as both tell
DARKEST = 0.02  # value of the shorter one
FEWEST = 256  # px that tell the gain
BLOCK = 8  # packed px on each side, whose residuals are looked at together
STILL = 0.25  # part of the blocks that are thought to stand still, whatever moves
STILL_SQUARE = 0.88  # mean square of noise in the quietest such part of blocks, against all
TOLERATED = 0.02  # share of the light that may differ besides noise: lamps flicker, air moves
SHAKE = 0.25  # packed px by which a tripod may give way
MOVED = 2.0  # residual in the unit of what noise and these two let expect


class Neighbours(NamedTuple):
    """The comparison of two frames.

    Attributes:
        gain: how many times as bright the longer one is as its exposure says; 1 where too few px tell.
        compared, moved: bool (rows, columns) of whole blocks: where enough px are well exposed in both, and
            where these differ by more than noise.
    """

    gain: float
    compared: np.ndarray
    moved: np.ndarray


def compare(shorter: np.ndarray, longer: np.ndarray, ratio: float) -> Neighbours:
    """Compare two frames (h, w, 4) float32, black = 0, white = 1, of which one is exposed `ratio` times.

    Noise is measured in the difference itself: its variance is taken to grow with the light, as that of
    photons does, and its scale is that of the quietest quarter of the blocks.
    """
    below, above = green(shorter), green(longer)
    # by the sum, whose noise says nothing of the ratio: px chosen by one frame would be too bright or dark
    told = (below + above) * np.float32(ratio / (ratio + 1))
    good = (told > WELL_EXPOSED[0]) & (told < WELL_EXPOSED[1]) & (below > DARKEST)
    gain = float(np.median(above[good] / below[good])) / ratio if good.sum() >= FEWEST else 1.0
    scaled = above / np.float32(ratio * gain)
    level = np.maximum((scaled + below) / 2, DARKEST / 2)
    squares = np.square(scaled - below)
    counts = _block_sums(good)
    compared = counts >= BLOCK * BLOCK / 2
    if not compared.any():
        return Neighbours(gain, compared, compared)
    of_noise = _block_sums(np.where(good, squares / level, 0))[compared] / counts[compared]
    noise = float(np.quantile(of_noise, STILL)) / STILL_SQUARE
    expected = noise * level + np.square(TOLERATED * level)
    for slope in np.gradient(level):
        expected += np.square(SHAKE * slope)
    residual = _block_sums(np.where(good, squares / expected, 0)) / np.maximum(counts, 1)
    return Neighbours(gain, compared, compared & (residual > MOVED**2))


def moved_share(pairs: list[Neighbours]) -> float:
    """Share of the blocks that some pair of neighbours lets compare in which some pair moved."""
    compared = np.any([pair.compared for pair in pairs], axis=0)
    moved = np.any([pair.moved for pair in pairs], axis=0)
    return float(moved.sum() / max(compared.sum(), 1))


def _block_sums(image: np.ndarray) -> np.ndarray:
    """Sums over whole blocks of (h, w): (h // BLOCK, w // BLOCK)."""
    rows, columns = (side // BLOCK for side in image.shape)
    whole = image[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return whole.sum(axis=(1, 3), dtype=np.float32)
