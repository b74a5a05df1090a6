"""Shot and read noise of the simulated sensor, and its 10-bit converter (BracketIRE specification, 9.4)."""

import numpy as np

WHITE_LEVEL = 1023
SHOT_NOISE = (0.0012, 0.0048)


def noise_levels(
    level: np.ndarray | float, deviate: np.ndarray | float
) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Noise of a camera by its gain, `level` in [0, 1] on a log scale, and a `deviate` of its read noise.

    Returns `shot` and `read`, broadcast against each other: the variance of a measured value x is shot * x +
    read, with ln read = 1.869 ln shot + 0.3276 + 0.30 * deviate, and deviate from a standard normal law.
    """
    log_shot = np.log(SHOT_NOISE[0]) + level * np.log(SHOT_NOISE[1] / SHOT_NOISE[0])
    return np.exp(log_shot), np.exp(1.869 * log_shot + 0.3276 + 0.30 * deviate)


def draw_noise_levels(rng: np.random.Generator) -> tuple[float, float]:
    """`shot` and `read` of a random frame."""
    shot, read = noise_levels(rng.uniform(), rng.standard_normal())
    return float(shot), float(read)


def add_noise(raw: np.ndarray, shot: float, read: float, normal: np.ndarray) -> np.ndarray:
    """Raw in [0, 1] -> noisy raw clipped to [0, 1], float32; `normal` is a standard normal draw per value."""
    noisy = raw + np.sqrt(shot * raw + read) * normal
    return np.clip(noisy, 0, 1).astype(np.float32)


def quantise(raw: np.ndarray) -> np.ndarray:
    """Raw in [0, 1] -> uint16 in 0...1023, rounded to the nearest."""
    return np.round(raw * WHITE_LEVEL).astype(np.uint16)


def measure(raw: np.ndarray, shot: float, read: float, rng: np.random.Generator) -> np.ndarray:
    """A clean frame in [0, 1] -> what the converter delivers, uint16."""
    return quantise(add_noise(raw, shot, read, rng.standard_normal(raw.shape, dtype=np.float32)))
