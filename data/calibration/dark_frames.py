"""Read noise, row noise and levels of black from dark frames (ELD: Wei et al., TPAMI 2021)."""

from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from data.simulate.random_numbers import tukey_quantile

HOT = 5.0  # standard deviations that a px is away from the others in every frame
PLACES = 1 / (1 + np.exp(-np.linspace(-25, 25, 4001)))  # of quantiles, dense in both tails
SHAPES = (-0.45, 0.45)  # Tukey lambdas that are looked for
FINE, CELLS = 0.1, 50  # ADU, and cells per standard deviation: the larger step is that of the histogram
ROUNDING = 1 / 12  # its variance, ADU^2
CHANCE = 1e-5  # of a spectrum as peaked as one that counts as banding


class Dark(NamedTuple):
    """What the darks of an ISO tell, in ADU.

    Attributes:
        bias: mean of each plane above the file's level of black, (4,). row, gaussian: standard deviations of
            row and read noise. shape, tukey: lambda and scale of read noise by Tukey's law.
        values, counts: histogram of read noise. rows: means of the mosaic's rows, a frame each, (n, 2h).
        hot: share of px that are off in every frame, and left out.
    """

    bias: np.ndarray
    row: float
    gaussian: float
    shape: float
    tukey: float
    values: np.ndarray
    counts: np.ndarray
    rows: np.ndarray
    hot: float

    def fitted(self) -> np.ndarray:
        """Counts of the histogram that the Tukey law expects."""
        chance = tukey_chance(self.values, self.shape, self.tukey)
        return chance / chance.sum() * self.counts.sum()

    def tail(self) -> float:
        """How many times more values lie beyond 4 standard deviations than the Tukey law expects."""
        outside = np.abs(self.values) > 4 * self.gaussian
        return float((self.counts[outside].sum() + 10) / (self.fitted()[outside].sum() + 10))

    def band(self) -> float | None:
        """Period in rows of the mosaic of a banding that row means have; None if they are white."""
        power = (np.abs(np.fft.rfft(self.rows - self.rows.mean(axis=1, keepdims=True))) ** 2)[:, 1:-1]
        mean = power.mean(axis=0) / power.mean()
        strongest, frames = int(mean.argmax()), len(power)
        chance = stats.gamma.sf(mean[strongest] * frames, frames) * mean.size
        return self.rows.shape[1] / (strongest + 1) if chance < CHANCE else None


def dark_noise(frames: np.ndarray) -> Dark:
    """The noise of darks (n, 4, h, w), ADU above the file's level of black.

    Row noise is the variance of row means less what read noise adds to it. Read noise is what is left
    without rows and bias; from its variance that of rounding is taken away.
    """
    centred = frames - np.median(frames, axis=(0, 2, 3), keepdims=True)
    spread = 1.4826 * np.median(np.abs(centred))
    good = ~(np.abs(centred).min(axis=0) > HOT * max(spread, 1.0))
    share = good.mean(axis=(1, 2))
    bias = (frames * good).mean(axis=(0, 2, 3)) / share
    rest = (frames - bias[:, None, None]) * good
    pairs = rest.reshape(len(rest), 2, 2, *rest.shape[2:])  # of planes that lie in the same rows
    count = good.reshape(2, 2, *good.shape[1:]).sum(axis=(1, 3))  # px of a row
    rows = pairs.sum(axis=(2, 4)) / count
    noise = (pairs - rows[:, :, None, :, None])[np.broadcast_to(good.reshape(pairs.shape[1:]), pairs.shape)]
    degrees = 1 - 1 / count.mean()
    variance = float(noise.var(dtype=np.float64)) / degrees
    row = float(np.sqrt(max(rows.var(dtype=np.float64) - variance / count.mean(), 0)))
    gaussian = float(np.sqrt(max(variance - ROUNDING, 0)))
    values, counts = histogram(noise, gaussian)
    shape, scale = fit_tukey(values, counts, gaussian)
    mosaic_rows = rows.transpose(0, 2, 1).reshape(len(rows), -1)
    hot = 1 - float(share.mean())
    return Dark(bias, row, gaussian, shape, scale / np.sqrt(degrees), values, counts, mosaic_rows, hot)


def histogram(noise: np.ndarray, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """Values in even steps and how often they occur; the steps are fine against `deviation`."""
    step = max(FINE, deviation / CELLS)
    cells, counts = np.unique(np.rint(noise / step).astype(np.int64), return_counts=True)
    return cells * step, counts


def tukey_chance(values: np.ndarray, shape: float, scale: float) -> np.ndarray:
    """Chance that a number by Tukey's law lies within 1/2 ADU of each value, where rounding brings it."""
    edges = scale * tukey_quantile(PLACES, shape)
    low, high = (np.interp(values + half, edges, PLACES, left=0.0, right=1.0) for half in (-0.5, 0.5))
    return np.maximum(high - low, 1e-12)


def fit_tukey(values: np.ndarray, counts: np.ndarray, deviation: float) -> tuple[float, float]:
    """Lambda and scale of the Tukey law under which a histogram of rounded values is likeliest.

    Likelihood and not the probability plot, as published: values of few ADU are rounded, which it knows of.
    """

    def unlikeliness(parameters: np.ndarray) -> float:
        shape, scale = float(np.clip(parameters[0], *SHAPES)), float(np.exp(parameters[1]))
        penalty = abs(parameters[0] - shape)
        return float(-(counts * np.log(tukey_chance(values, shape, scale))).sum() / counts.sum() + penalty)

    start = np.array([0.1, np.log(max(deviation, FINE) / 1.54)])  # near the normal law
    simplex = start + np.array([[0, 0], [-0.2, -0.2], [0.05, 0.2]])
    options = {"initial_simplex": simplex, "xatol": 1e-4, "fatol": 1e-9}
    found = optimize.minimize(unlikeliness, start, method="Nelder-Mead", options=options).x
    return float(np.clip(found[0], *SHAPES)), float(np.exp(found[1]))
