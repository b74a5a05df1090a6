"""Golden check of denoising bursts with given draws."""

import numpy as np
from numpy.testing import assert_allclose

from data.simulate.burst_noise import Geometry, clean_frames
from data.simulate.unprocessing import NoiseLevels


def check_denoise_data(data) -> None:
    """Clean frames, target, noise and its estimate, and shifts."""
    side, small, large = (int(data[name]) for name in ("crop_sz", "jitter_small", "jitter_large"))
    geometry = Geometry((side, side), small=small, large=large)
    (top, left), *drawn = data["draws_row_col"]
    height, width = geometry.part
    part = np.ascontiguousarray(data["input_uint8"][top : top + height, left : left + width])
    inner = geometry.factor * (large - small)  # frames that move little are drawn inside it
    places = [[geometry.centre] * 2]
    places += [
        place + inner * (not far) for place, far in zip(np.array(drawn), data["draws_large"], strict=True)
    ]
    places = np.array(places)
    clean = clean_frames(part, geometry, places, bool(data["grayscale"])) * data["white_level"].ravel()[0]
    assert_allclose(clean, data["output_clean"], rtol=2e-6, atol=1e-7)
    assert_allclose(clean[0], data["output_gt"], rtol=2e-6, atol=1e-7)
    levels = NoiseLevels(float(data["sigma_shot_sq"]), float(data["sigma_read"]) ** 2)
    assert_allclose(levels.deviation(clean), data["output_noise_std"], rtol=2e-6)
    assert_allclose(levels.deviation(data["input_noisy"]), data["output_sigma_estimate"], rtol=2e-6)
    assert_allclose(geometry.shifts(places), data["output_shifts"], rtol=0, atol=0)


CHECKS = {"deeprep_denoise_synth": check_denoise_data}
