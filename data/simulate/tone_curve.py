"""What is left of a camera's tone curve in developed pictures after it was taken off, never quite.

Shadows suffer most: between neighbouring frames of real brackets, what should be equal differs by a factor of
two where linear values are 0.01.
"""

from dataclasses import dataclass

import numpy as np

STRAIGHT = 0.3  # share of the brackets whose curve is known
TOES = (0.001, 0.015)  # linear values where the toe ends
DEPTHS = (-0.3, 1.2)  # of the toe: above 0 shadows are too dark, below too bright
CONTRAST = 0.05  # standard deviation of the logarithm of the exponent
KNEE = 0.9  # from here to white a frame counts less and less
BLACK = 1e-6  # so that powers are finite
LEAST = 1e-3  # weight of the shortest frame, which counts where nothing else does


@dataclass(frozen=True)
class ToneCurve:
    """Linear values x up to white, 1, are taken for x^contrast (x (1 + toe) / (x + toe))^depth."""

    toe: float = 0.0
    depth: float = 0.0
    contrast: float = 1.0

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape; those above white stay as they are."""
        values = np.maximum(values, np.float32(BLACK))
        toe = values / (values + self.toe) * (1 + self.toe)
        return np.where(values < 1, values**self.contrast * toe**self.depth, values)

    def merged(self, light: np.ndarray, exposure: np.ndarray) -> np.ndarray:
        """The light (..., 3) that frames of it with exposures (T,) tell of if they have no noise.

        Each counts by its exposure where it is not clipped, as in a merge of photons. What they tell differs,
        so the result has steps where a frame reaches white, as that of a merge has.
        """
        total = weights = np.float32(0)
        for number, each in enumerate(exposure):
            value = light * np.float32(each)
            weight = each * np.clip((1 - value) / (1 - KNEE), 0 if number else LEAST, 1)
            total = total + weight * self.apply(value) / each
            weights = weights + weight
        return np.float32(total / weights)


def draw_tone_curve(rng: np.random.Generator) -> ToneCurve:
    """A random curve, in some brackets none."""
    if rng.uniform() < STRAIGHT:
        return ToneCurve()
    toe = float(np.exp(rng.uniform(*np.log(TOES))))
    return ToneCurve(toe, float(rng.uniform(*DEPTHS)), float(np.exp(rng.normal(0, CONTRAST))))
