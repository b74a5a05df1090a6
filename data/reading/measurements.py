"""What a set of brackets says about itself: exposure ratios, black level, agreement with a ground truth.

All functions take the mean of the two green planes (H, W) float32, in the unit of the caller: unlike a mean
over colours it shows where it is clipped.
"""

import math

import cv2
import numpy as np

SOME = 1 << 16  # px from which percentiles are taken


def green(planes: np.ndarray) -> np.ndarray:
    """Mean of the green planes of packed (H, W, 4): (H, W) float32."""
    return (planes[..., 1].astype(np.float32) + planes[..., 2]) / 2


def percentiles(image: np.ndarray) -> np.ndarray:
    """The 1st to 99th percentile of (H, W), from at most about 65,000 evenly spread px: (99,)."""
    step = max(1, math.isqrt(image.size // SOME))
    return np.percentile(image[::step, ::step], np.arange(1, 100))


def level_ratio(below: np.ndarray, above: np.ndarray, low: float, high: float) -> float | None:
    """How many times as bright one image is as another, given the `percentiles` of both (99,).

    The median ratio over those that lie between `low` and `high` in `above`; None if there are none, or
    `below` is black there. Percentiles do not ask where something lies, so motion hardly counts.
    """
    good = (above > low) & (above < high) & (below > 0)
    return float(np.median(above[good] / below[good])) if good.any() else None


def black_level(short: float, long: float, factor: float) -> float:
    """Level that two values of the same light share though one is exposed `factor` times as long.

    From v = black + light: black = (factor v_short - v_long) / (factor - 1).
    """
    return (factor * short - long) / (factor - 1)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of two images (H, W); 0 if one of them is constant."""
    if a.size == 0 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def displacement(image: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """(x, y) in px by which `image` lies right of and below `reference` (H, W), by phase correlation.

    Zero unless moving it back makes the two agree better than they do as they are.
    """
    window = cv2.createHanningWindow(image.shape[::-1], cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(reference - reference.mean(), image - image.mean(), window)
    columns, rows = round(x), round(y)
    moved = correlation(_without_start(image, rows, columns), _without_start(reference, -rows, -columns))
    return (x, y) if moved > correlation(image, reference) else (0.0, 0.0)


def _without_start(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Leave out the first `rows` rows, or the last ones for a negative number; columns likewise."""
    height, width = image.shape
    return image[
        max(rows, 0) : max(height + min(rows, 0), 0), max(columns, 0) : max(width + min(columns, 0), 0)
    ]


def reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """(H, W) averaged over `factor` x `factor` px."""
    height, width = image.shape
    return image.reshape(height // factor, factor, width // factor, factor).mean((1, 3), dtype=np.float32)
