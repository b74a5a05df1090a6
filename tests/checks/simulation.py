"""Golden checks of data/simulate: the camera, the noise and the Alexa step of BracketIRE."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from data.simulate.camera import Camera, alexa_to_srgb, reduce_published, unprocess
from data.simulate.noise import add_noise, noise_levels, quantise
from data.simulate.sampling import target
from util.imaging.tonemap import srgb_decode, srgb_encode


def _camera(data) -> Camera:
    return Camera(float(data["meta_red_gain"][0]), float(data["meta_blue_gain"][0]), data["meta_rgb2cam"])


def check_isp(data) -> None:
    """The published unprocessing, its reduction, and the average of clipped sub-frames."""
    camera = _camera(data)
    assert_allclose(camera.metadata()["cam2rgb"], data["meta_cam2rgb"], atol=1e-5)
    assert_allclose(unprocess(srgb_decode(data["rgb"]), camera), data["raw"], atol=2e-6)
    assert_allclose(reduce_published(data["raw"], 4), data["raw_x4"], atol=2e-6)
    frames = srgb_decode(data["frames"])
    for n in range(5):
        clean = np.mean([unprocess(frame * np.float32(4.0 ** (n - 2)), camera) for frame in frames], axis=0)
        assert_allclose(np.clip(clean, 0, 1), data[f"frames_raw_{n}"], atol=2e-6)


def check_noise(data) -> None:
    """The law of the noise levels, the noise itself, and the 10-bit values."""
    level, deviate = data["level"].astype(np.float64), data["deviate"].astype(np.float64)
    shot, read = noise_levels(level[:, None], deviate[None])
    assert_allclose(shot[:, 0], data["shot"], rtol=1e-5)
    assert_allclose(read, data["read"], rtol=1e-4)
    noisy = add_noise(data["image"], data["shot"][1], data["read"][1, 1], data["normal"])
    assert_allclose(noisy, data["noisy"], atol=1e-6)
    assert_array_equal(quantise(data["noisy"]), data["quantised"])


def check_exr(data) -> None:
    """Alexa footage to linear sRGB and to the published target, with the gains that the target implies."""
    linear, scene_max = alexa_to_srgb(data["exr"]), data["raw_max"]
    assert_allclose(linear.max(), scene_max, rtol=1e-5)
    assert_allclose(srgb_encode(linear), data["encoded"], rtol=1e-4, atol=1e-5)
    assert_allclose(np.clip(srgb_encode(linear / scene_max), 0, 1), data["gt_encoded"], atol=1e-5)
    neutral = target(linear, Camera(1.0, 1.0), protect_highlights=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        red_gain, _, _, blue_gain = np.nanmedian(neutral / data["raw_gt"], axis=(0, 1))
    expected = target(linear, Camera(red_gain, blue_gain), protect_highlights=True)
    assert_allclose(expected, data["raw_gt"], rtol=2e-5, atol=2e-6 * scene_max)


CHECKS = {"bracket_isp": check_isp, "bracket_noise": check_noise, "bracket_exr": check_exr}
