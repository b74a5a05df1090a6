"""Brings the result of any program over the truth: place, gain or tone curve."""

import cv2
import numpy as np

from util.imaging.tonemap import inverse_mu_law, mu_law

MARGIN = 24  # px by which a result may be moved
QUANTILES = 64  # steps of a free curve
STEPS = 15
FARTHEST = 8  # px from the best whole shift


def _grey(image: np.ndarray) -> np.ndarray:
    """Coded mean of the channels, float32, its brightest px at 1."""
    mean = np.clip(image.mean(axis=-1), 0, None)
    return mu_law(mean / max(float(np.quantile(mean, 0.999)), 1e-9)).astype(np.float32)


def registered(result: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A result of any size at the truth's, and a bool mask (H, W) of what it shows.

    First by whole px, then, where it comes closer so, by a shift and a turn with cubic interpolation.
    """
    wanted, given = _grey(truth), _grey(result)
    part = given[MARGIN:-MARGIN, MARGIN:-MARGIN]
    place = cv2.minMaxLoc(cv2.matchTemplate(wanted, part, cv2.TM_CCOEFF_NORMED))[3]
    whole = np.array([MARGIN - place[0], MARGIN - place[1], 0.0])
    fine = _fine(given, wanted, whole)
    poses = [whole] if np.abs(fine - whole).max() > FARTHEST else [whole, fine]
    coded = mu_law(
        np.clip(result, 0, None) / max(float(result.max()), 1e-9)
    )  # lamps do not ring into the dark
    moved = (_moved(coded, _matrix(pose), wanted.shape) for pose in poses)
    light = [(inverse_mu_law(np.clip(image, 0, None)), shown) for image, shown in moved]
    return min(light, key=lambda one: _error(*one, truth))


def _error(image: np.ndarray, shown: np.ndarray, truth: np.ndarray) -> float:
    """How far a moved result is from the truth after one gain, coded, without a margin."""
    inner = (slice(MARGIN, -MARGIN),) * 2
    coded = mu_law(np.clip(gained(image, truth, shown), 0, 1))
    return float(np.square(coded - mu_law(truth))[inner].mean())


def _matrix(pose: np.ndarray) -> np.ndarray:
    """Truth's px to result's: a shift x, y and a small turn."""
    x, y, angle = pose
    return np.array([[np.cos(angle), -np.sin(angle), x], [np.sin(angle), np.cos(angle), y]])


def _fine(given: np.ndarray, wanted: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """The pose at which the smoothed pictures are closest (Gauss-Newton, Lucas and Kanade 1981)."""
    given, wanted = (cv2.GaussianBlur(picture, (0, 0), 2) for picture in (given, wanted))
    inner = (slice(MARGIN, -MARGIN),) * 2  # what was moved before may have a black margin
    y, x = np.mgrid[: wanted.shape[0], : wanted.shape[1]][(slice(None), *inner)]
    for _ in range(STEPS):
        moved = _moved(given, _matrix(pose), wanted.shape)[0]
        along_y, along_x = (gradient[inner] for gradient in np.gradient(moved))
        turn = along_y * x - along_x * y
        parts = (along_x, along_y, turn, moved[inner], np.ones_like(turn))  # gains are offsets of coded light
        columns = np.stack([part.ravel() for part in parts], axis=1)
        change = np.linalg.lstsq(columns, (wanted - moved)[inner].ravel(), rcond=None)[0][:3]
        pose = pose + np.clip(change, -1, 1)
    return pose


def _moved(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(image.astype(np.float32), matrix, size[::-1], flags=flags)
    ones = np.ones(image.shape[:2], np.float32)
    seen = cv2.warpAffine(ones, matrix, size[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return moved, seen > 0.999


def gained(image: np.ndarray, truth: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The image times one number: the median of truth / image where both are well above black."""
    both = (shown[..., None] != 0) & (truth > 1e-3) & (truth < 0.9) & (image > 0)
    return image * np.median(truth[both] / image[both]) if both.any() else image


def curved(image: np.ndarray, truth: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The image after the curve of each channel that comes closest to the truth: means between quantiles."""
    result = np.empty_like(truth)
    for channel in range(truth.shape[-1]):
        x, y = image[..., channel][shown != 0], truth[..., channel][shown != 0]
        edges = np.unique(np.quantile(x, np.linspace(0, 1, QUANTILES + 1)))
        place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, max(len(edges) - 2, 0))
        count = np.maximum(np.bincount(place), 1)
        middles, means = np.bincount(place, x) / count, np.bincount(place, y) / count
        known = np.bincount(place) > 0
        result[..., channel] = np.interp(image[..., channel], middles[known], means[known])
    return result
