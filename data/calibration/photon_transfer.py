"""Gain of a sensor by photon transfer: variance of flat frames against their mean (Janesick, 2007)."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

BLOCK = 16  # px of the blocks in which light counts as even
OUTLIER = 6.0  # standard deviations of a block's differences from which on a px counts as defect
FULL = 0.95  # share of the way from black to white up to which a block's px count
ROUNDS = 4  # of fitting with weights
BINS = 12  # of equally many blocks, in which the fit is judged


class Transfer(NamedTuple):
    """What flats of an ISO tell.

    Attributes:
        gain: ADU per photoelectron. offset: variance of darkness, ADU^2.
        means, variances: of BINS levels of brightness, ADU and ADU^2. errors: of the variances, their
            standard deviation by chance.
    """

    gain: float
    offset: float
    means: np.ndarray
    variances: np.ndarray
    errors: np.ndarray

    def residuals(self) -> np.ndarray:
        """By how much variances lie above the fit, relative to it; 0 where that may be chance."""
        fit = self.offset + self.gain * self.means
        surplus = self.variances - fit
        return np.where(np.abs(surplus) > 4 * self.errors, surplus / fit, 0.0)


def pair_points(first: np.ndarray, second: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """Blocks of two flats (4, h, w), ADU above black: rows of mean, variance and px that count, (n, 3).

    Half the variance of the difference, which is free of what differs between px. The second flat is brought
    to the brightness of the first; blocks that come near `clip` (4,) are left out.
    """
    points = []
    for a, b, limit in zip(first, second, clip, strict=True):
        a_blocks, b_blocks = (_blocks(plane) for plane in (a, b))
        mean_a, mean_b = a_blocks.mean(1), b_blocks.mean(1)
        used = np.maximum(a_blocks.max(1), b_blocks.max(1)) < FULL * limit
        difference = a_blocks - b_blocks - np.median(mean_a - mean_b)
        spread = 1.4826 * np.median(np.abs(difference), axis=1, keepdims=True)
        good = np.abs(difference) <= OUTLIER * np.maximum(spread, 0.5)
        count = good.sum(1)
        variance = (difference**2 * good).sum(1) / np.maximum(count, 1) / 2
        points.append(np.stack([(mean_a + mean_b) / 2, variance, count], axis=1)[used & (count > 1)])
    return np.concatenate(points)


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Plane (h, w) -> (n, px of a block) float64; what is no whole block at the border is left out."""
    height, width = (side // BLOCK * BLOCK for side in plane.shape)
    blocks = plane[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return blocks.swapaxes(1, 2).reshape(-1, BLOCK * BLOCK).astype(np.float64)


def photon_transfer(points: Iterable[np.ndarray]) -> Transfer | None:
    """The straight line of variance over mean through blocks of `pair_points`; None if there is none.

    Blocks weigh by the inverse variance of their variance, 2 v^2 / n, with v from the line itself.
    """
    mean, variance, count = np.concatenate(list(points)).T
    if len(mean) < BINS or np.ptp(mean) == 0:
        return None
    weight = np.sqrt(count)
    fit = np.maximum(variance.mean(), 1e-6)
    for _ in range(ROUNDS):
        gain, offset = np.polyfit(mean, variance, 1, w=weight / fit)
        fit = np.maximum(offset + gain * mean, 1 / 12)
    bins = np.array_split(np.argsort(mean), BINS)
    levels = np.array([(mean[part].mean(), variance[part].mean(), count[part].sum()) for part in bins]).T
    if gain <= 0:
        return None
    errors = (offset + gain * levels[0]) * np.sqrt(2 / levels[2])
    return Transfer(float(gain), float(offset), levels[0], levels[1], errors)
