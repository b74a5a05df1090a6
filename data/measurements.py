"""What a set of brackets says about itself: exposure ratios, black level, agreement with a ground truth.

All functions take luminance (H, W) float32, the mean of each packed cell, in the unit of the caller.
"""

import cv2
import numpy as np


def luminance(planes: np.ndarray) -> np.ndarray:
    """Mean over the planes of (H, W, C): (H, W) float32."""
    return planes.mean(-1, dtype=np.float32)


def level_ratio(reference: np.ndarray, image: np.ndarray, low: float, high: float) -> float | None:
    """How many times as bright `image` is: the median ratio of the percentiles of the two, over those that
    lie between `low` and `high` in `image`. Percentiles do not ask where something lies, so motion hardly
    counts.

    None if nothing of `image` lies there, or `reference` is black in these percentiles.
    """
    percentiles = np.percentile(np.stack((reference, image)), np.linspace(1, 99, 99), axis=(1, 2))
    below, above = percentiles.T
    good = (above > low) & (above < high) & (below > 0)
    return float(np.median(above[good] / below[good])) if good.any() else None


def black_level(short: np.ndarray, long: np.ndarray, factor: float) -> float:
    """Level that both frames share though one is exposed `factor` times as long, from their darkest cells.

    With v = black + light: black = (factor v_short - v_long) / (factor - 1), taken at the 1st percentile.
    """
    dark, bright = (float(np.percentile(frame, 1)) for frame in (short, long))
    return (factor * dark - bright) / (factor - 1)


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
