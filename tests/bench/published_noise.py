"""Plain transcription of the published noise synthesis, for timing (ExposureDiffusion specification, 3.3)."""

import numpy as np
from scipy import stats

from data.simulate.sensor_noise import C, NoiseLevels
from util.imaging.bayer import pack, unpack


def published_noise(letters: str, clean: np.ndarray, ratio: float, levels: NoiseLevels) -> np.ndarray:
    """Clean planes (4, h, w) in [0, 1] -> amplified noisy ones, float32, from NumPy's global generator."""
    adu = clean * np.float32(C / ratio)
    if "u" in letters:
        adu = np.maximum(adu + np.random.uniform(-0.5, 0.5, adu.shape), 0)
    noisy = np.random.poisson(adu / levels.gain).astype(np.float32) * levels.gain
    if "r" in letters:
        mosaic = unpack(noisy, "RGGB")
        rows = np.random.randn(len(mosaic), 1).astype(np.float32) * max(levels.row, 1e-10)
        noisy = pack(mosaic + rows, "RGGB")
    if "g" in letters:
        noisy = noisy + np.random.randn(*noisy.shape).astype(np.float32) * max(levels.gaussian, 1e-10)
    elif "G" in letters:
        read = stats.tukeylambda.rvs(levels.shape, size=noisy.shape)
        noisy = noisy + read.astype(np.float32) * max(levels.tukey, 1e-10)
    return np.float32(noisy * (ratio / C))
