"""Golden checks of the camera of synthetic bursts, and of bursts with given draws."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from data.simulate import burst, unprocessing
from data.simulate.unprocessing import NoiseLevels, SrgbCamera
from util.imaging.bayer import pack, unpack

ROUNDING = 1.01 / 255  # versions of OpenCV round the moved picture differently


def check_camera(data) -> None:
    """Each stage of the inverse pipeline, mosaics, noise and the display."""
    gains = (float(data[f"{name}_gain"]) for name in ("rgb", "red", "blue"))
    camera = SrgbCamera(unprocessing.mixed_matrix(data["ccm_weights"].astype(np.float64)), *gains)
    assert_allclose(camera.rgb2cam, data["rgb2cam"], atol=1e-6)
    assert_allclose(camera.cam2rgb, data["cam2rgb"], atol=1e-5)
    picture = data["input"].transpose(1, 2, 0)
    stages = {
        "invert_smoothstep": unprocessing.invert_smoothstep(data["input"]),
        "gamma_expansion": unprocessing.expand_gamma(data["output_invert_smoothstep"]),
        "safe_invert_gains": unprocessing.invert_gains(data["output_apply_ccm"], camera),
        "linear": unprocessing.unprocess(picture, camera),
    }
    for name, found in stages.items():
        assert_allclose(found, data[f"output_{name}"], atol=2e-6, err_msg=name)
    # The file's GRBG mosaic has its blue from the places of red: an error, in an order that nothing uses.
    mosaic = np.choose(_colour_of(*data["output_flat"].shape), data["output_linear"])
    assert_array_equal(mosaic, data["output_flat"])
    assert_array_equal(pack(mosaic), data["output_mosaic_rggb"])
    assert_array_equal(unpack(data["output_mosaic_rggb"]), mosaic)
    levels = NoiseLevels(float(data["shot_noise"]), float(data["read_noise"]))
    noisy = levels.add(data["output_mosaic_rggb"], data["input_normal"])
    assert_allclose(noisy, data["output_noisy"], atol=1e-6)
    shown = unprocessing.display(data["output_linear"], camera.meta())
    assert_allclose(shown.transpose(2, 0, 1), data["output_srgb"], atol=1e-5)
    bits = unprocessing.display8(data["output_linear"], camera.meta())
    assert np.abs(bits[..., ::-1].astype(int) - data["output_srgb_uint8_bgr"]).max() <= 1


def _colour_of(height: int, width: int) -> np.ndarray:
    """The colour, 0 to 2, of each photosite of an RGGB mosaic."""
    return np.arange(height)[:, None] % 2 + np.arange(width) % 2


def check_burst(data) -> None:
    """Matrices, frames, flows and mosaics of recorded draws."""
    picture = data["input"]
    size = picture.shape[1:]
    motions = [burst.REFERENCE, *(burst.Motion(*map(float, draw)) for draw in data["draws"])]
    matrices = [motion.matrix(*size) for motion in motions]
    assert_allclose(matrices, data["output_tmat64"], atol=1e-5)
    rounded = burst.quantised(picture, 8)
    frames = [[burst.sampled(plane, matrix) / 255 for plane in rounded] for matrix in matrices]
    assert_allclose(frames, data["output_burst_rgb"], atol=ROUNDING)
    flows = [burst.flow(matrix, matrices[0], *size) for matrix in matrices]
    assert_allclose(flows, data["output_flow"], atol=1e-4)
    assert_allclose(list(burst.frames(picture, motions, 8)), data["output_mosaic"], atol=ROUNDING)


CHECKS = {"deeprep_camera": check_camera, "deeprep_burst": check_burst}
