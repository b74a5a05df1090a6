"""Random numbers of noise, by the million: tables of quantiles, and of the Poisson law of small means.

All are functions of the generator that they are drawn with. Values are float32.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from scipy.special import ndtri
from scipy.stats import poisson as poisson_law

CELLS = 1 << 16  # of the unit interval, which a number of 16 bits chooses from
TAIL = 8  # cells at each end whose values are not looked up but computed
CHUNK = 1 << 15  # numbers that are worked on together
SMALL = 64.0  # mean from which on a Poisson number is a rounded transformed normal one
ROOTS = 32  # rows of the table of the Poisson law for each 1 of the root of the mean
COLUMN_BITS = 7
COLUMNS = 1 << COLUMN_BITS  # counts in it: at a mean of SMALL, beyond there is less than 1e-11


def chunks(count: int) -> Iterator[slice]:
    """Parts of an array that are worked on while they are in the cache."""
    return (slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))


def quantile_table(quantile: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Quantiles in the middle of each cell, float32."""
    return np.float32(quantile((np.arange(CELLS) + 0.5) / CELLS))


def drawn_by(
    table: np.ndarray, quantile: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator, count: int
) -> np.ndarray:
    """`count` numbers whose quantile function, symmetric about 0, and its table are given.

    Those in the outer cells of the table are computed, so that tails are neither cut nor coarse.
    """
    cells = rng.bit_generator.random_raw(-(-count // 4)).view(np.uint16)[:count]
    values = np.empty(count, np.float32)
    for part in chunks(count):
        table.take(cells[part], out=values[part], mode="wrap")  # the quickest; all are inside
    outside = np.flatnonzero((cells + np.uint16(TAIL)) < 2 * TAIL)  # 16 bits: it wraps around
    inner = np.minimum(cells[outside], np.uint16(CELLS - 1) - cells[outside])
    places = quantile((inner + rng.random(len(outside))) / CELLS)
    values[outside] = np.where(cells[outside] < TAIL, places, -places)
    return values


def tukey_quantile(places: np.ndarray, lam: float) -> np.ndarray:
    """Quantile function of Tukey's lambda distribution of unit scale at places in (0, 1)."""
    if lam == 0:
        return np.log(places) - np.log1p(-places)
    return (places**lam - (1 - places) ** lam) / lam


@cache
def _normal_table() -> np.ndarray:
    return quantile_table(ndtri)


@cache
def _tukey_table(lam: float) -> np.ndarray:
    return quantile_table(lambda places: tukey_quantile(places, lam))


@cache
def _poisson_table() -> np.ndarray:
    """Alias tables (Walker, 1977) of the means (k / ROOTS)^2, k = 0, 1, ... to above SMALL; flat, uint32.

    A column of a row holds, from the highest bit down, a threshold of 16 bits, the count of a number from it
    on, and the column's own count.
    """
    means = (np.arange(int(np.sqrt(SMALL) * ROOTS) + 2) / ROOTS) ** 2
    own = np.arange(COLUMNS)
    rows = [_alias(poisson_law.pmf(own, mean)) for mean in means]
    share, other = (np.stack(part) for part in zip(*rows, strict=True))
    threshold = np.minimum(np.rint(share * CELLS), CELLS - 1).astype(np.uint32)
    return (threshold << 16 | np.uint32(other) << 8 | np.uint32(own)).ravel()


def _alias(law: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each column, the share of its own count, and the count that has the rest."""
    share, other = law / law.sum() * len(law), np.arange(len(law))
    poor, rich = [list(np.flatnonzero(found)) for found in (share < 1, share >= 1)]
    while poor and rich:
        giver = rich.pop()
        taker = poor.pop()
        other[taker] = giver
        share[giver] -= 1 - share[taker]
        (poor if share[giver] < 1 else rich).append(giver)
    share[[*poor, *rich]] = 1.0
    return share, other


class Drawn:
    """Numbers drawn with one generator; see data.simulate.sensor_noise.Numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """In [0, 1), in steps of 2^-16."""
        count = math.prod(shape)
        cells = self.rng.bit_generator.random_raw(-(-count // 4)).view(np.uint16)[:count]
        values = cells.astype(np.float32)
        values *= np.float32(1 / CELLS)
        return values.reshape(shape)

    def normal(self, shape: tuple[int, ...], use: str = "") -> np.ndarray:
        """Standard normal."""
        return drawn_by(_normal_table(), ndtri, self.rng, math.prod(shape)).reshape(shape)

    def tukey(self, shape: tuple[int, ...], lam: float) -> np.ndarray:
        """Tukey's lambda distribution of unit scale."""
        table = _tukey_table(lam)
        found = drawn_by(table, lambda places: tukey_quantile(places, lam), self.rng, math.prod(shape))
        return found.reshape(shape)

    def poisson(self, mean: np.ndarray) -> np.ndarray:
        """Whole numbers of these means, 0 or more."""
        means = mean.ravel()
        is_large = means >= SMALL
        large = np.count_nonzero(is_large)
        if large in (0, len(means)):
            return (self._large if large else self._small)(means).reshape(mean.shape)
        if 2 * large > len(means):  # the rarer ones are drawn twice, which is quicker than to gather both
            counts, part, places = self._large(means.clip(SMALL)), self._small, np.flatnonzero(~is_large)
        else:
            counts, part, places = self._small(means.clip(0, SMALL)), self._large, np.flatnonzero(is_large)
        counts[places] = part(means.take(places))
        return counts.reshape(mean.shape)

    def _small(self, means: np.ndarray) -> np.ndarray:
        """By the table's row of a mean beside, above or below at random, of means up to SMALL.

        The mean is met to 0.00025, and rows are so near that the variance grows by less than a thousandth.
        """
        counts = np.empty(len(means), np.float32)
        for part in chunks(len(means)):
            counts[part] = self._looked_up(means[part])
        return counts

    def _looked_up(self, means: np.ndarray) -> np.ndarray:
        bits = self.rng.bit_generator.random_raw(-(-len(means) // 2)).view(np.uint16)
        place, lower = bits[: len(means)], bits[len(means) : 2 * len(means)].astype(np.uint32)
        roots = np.sqrt(means)
        roots *= np.float32(ROOTS * COLUMNS)
        row = roots.astype(np.uint16)  # and behind the point as many bits as a column has
        row += place >> np.uint16(16 - COLUMN_BITS)
        row &= np.uint16(CELLS - COLUMNS)
        place &= np.uint16(COLUMNS - 1)
        place += row
        entry = _poisson_table().take(place, mode="wrap")
        shift = (lower >= entry >> np.uint32(16)).astype(np.uint32)
        shift <<= np.uint32(3)
        entry >>= shift
        entry &= np.uint32(0xFF)
        return entry

    def _large(self, means: np.ndarray) -> np.ndarray:
        """By the expansion of Cornish and Fisher around the normal law, rounded, of means from SMALL on.

        Rounding adds 1/12 to the variance, which the normal part has less.
        """
        z = self.normal(means.shape)
        counts = z * z
        counts -= 1
        counts *= np.float32(1 / 6)
        counts += means
        z *= np.sqrt(means - np.float32(1 / 12))
        counts += z
        return np.rint(counts, out=counts)
