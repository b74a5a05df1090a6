"""What a set of brackets says about itself: exposure ratios, black level, agreement with a ground truth.

All functions take luminance (H, W) float32, the mean of each packed cell, in the unit of the caller.
"""

import cv2
import numpy as np

ENOUGH = 64  # cells without which nothing is said


def luminance(planes: np.ndarray) -> np.ndarray:
    """Mean over the planes of (H, W, C): (H, W) float32."""
    return planes.mean(-1, dtype=np.float32)


def exposure_ratio(short: np.ndarray, long: np.ndarray, low: float, high: float) -> float | None:
    """Median of the longer frame over that of the shorter, where the longer is between `low` and `high`.

    None if too few cells are, or the shorter frame is black there. Medians ignore what moves.
    """
    good = (long > low) & (long < high)
    below = float(np.median(short[good])) if good.sum() >= ENOUGH else 0.0
    return float(np.median(long[good])) / below if below > 0 else None


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
