"""Shot noise of a single raw frame, from the frame alone."""

import numpy as np

BLOCK = 16  # px of the blocks whose brightness and noise are compared
LEAST_BLOCKS = 40  # that a level of brightness must have to be looked at
LEVELS = 24  # of brightness, of equally many blocks each
QUIET = 0.25  # share of the blocks of a level that are taken to show noise and nothing else
CLIPPED = 0.9


def measured_gain(planes: np.ndarray) -> float | None:
    """Values of a frame (C, h, w), 0 = black, 1 = white, per photoelectron: the slope of variance over mean.

    None where brightness hardly differs, or noise does not rise with it.
    """
    line = _line(*_used(planes, BLOCK))
    return float(line[0]) if line is not None and line[0] > 0 else None


def measured_law(planes: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the variance of the noise over the value, of a frame (C, h, w) of any size.

    Where the frame does not tell how noise rises with brightness, the slope is 0.
    """
    means, variances = _used(planes, min(BLOCK, *(side // 2 * 2 for side in planes.shape[1:])))
    line = _line(means, variances)
    if line is not None and line[0] > 0:
        return float(line[0]), max(float(line[1]), 0.0)
    return 0.0, float(np.quantile(variances, QUIET)) / _quantile_of_noise() if len(variances) else 0.0


def _used(planes: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the noise of all blocks of `side` px that are neither black nor clipped."""
    means, variances = (np.concatenate([part.ravel() for part in parts]) for parts in _blocks(planes, side))
    used = (means > 0) & (means < CLIPPED) & (variances > 0)
    return means[used], variances[used]


def _line(means: np.ndarray, variances: np.ndarray) -> np.ndarray | None:
    """Slope and offset of variance over mean; None where brightness hardly differs.

    In blocks of a plane the differences along diagonals show noise, and little of the scene; of blocks alike
    in brightness the quieter ones count, whose variance is then brought to that of pure noise.
    """
    levels = min(LEVELS, len(means) // LEAST_BLOCKS)
    if levels < 3:
        return None
    points = []
    for part in np.array_split(np.argsort(means), levels):
        quiet = np.quantile(variances[part], QUIET) / _quantile_of_noise()
        points.append((means[part].mean(), quiet))
    level, variance = np.array(points).T
    if level[-1] < 1.5 * level[0]:
        return None
    return np.polyfit(level, variance, 1, w=1 / np.maximum(variance, variance.max() / 50))


def _blocks(planes: np.ndarray, side: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Mean and variance of the noise of each block of `side` px, plane by plane."""
    means, variances = [], []
    for plane in planes:
        height, width = (length // side * side for length in plane.shape)
        blocks = plane[:height, :width].reshape(height // side, side, width // side, side)
        a, b, c, d = (blocks[:, row::2, :, column::2] for row in (0, 1) for column in (0, 1))
        means.append(blocks.mean(axis=(1, 3)))
        variances.append((np.square(a - b - c + d) / 4).mean(axis=(1, 3)))
    return means, variances


def _quantile_of_noise() -> float:
    """The QUIET quantile of the variance found in a block of normal noise of variance 1 (chi-square law)."""
    count = (BLOCK // 2) ** 2
    z = -0.6744897501960817  # of the normal law, at QUIET
    return (1 - 2 / (9 * count) + z * np.sqrt(2 / (9 * count))) ** 3  # Wilson and Hilferty, 1931
