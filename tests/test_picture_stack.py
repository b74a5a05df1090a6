"""Developed pictures: types, orientation, and tone curves, given or estimated."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from data.reading.exif import read_shot
from data.reading.picture_stack import linearise, tone_curve
from tests.photo_files import write_picture
from util.errors import UserError
from util.imaging.images import read_picture
from util.imaging.tonemap import srgb_decode, srgb_encode


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("response", ["srgb", "gamma22", "linear"])
def test_responses(tmp_path: Path, bits: int, response: str) -> None:
    values = np.linspace(0, 2**bits - 1, 24 * 32 * 3).round().astype(f"uint{bits}").reshape(24, 32, 3)
    cv2.imwrite(str(tmp_path / "a.tif"), values[..., ::-1])
    picture = read_picture(tmp_path / "a.tif")
    assert_array_equal(picture, values)
    linear = linearise(picture, tone_curve([picture], np.ones(1), response))
    share = values / (2**bits - 1)
    expected = {"srgb": srgb_decode(share), "gamma22": share**2.2, "linear": share}[response]
    assert linear.dtype == np.float32
    assert_allclose(linear, expected, atol=3e-5)


def s_curve(light: np.ndarray) -> np.ndarray:
    """A camera's tone curve: that of sRGB with more contrast."""
    code = srgb_encode(light)
    return np.clip(code - 0.06 * np.sin(2 * np.pi * code), 0, 1)


def moving_stack(exposures: np.ndarray, curve: Callable = srgb_encode) -> list[np.ndarray]:
    """Noisy pictures of a scene that moves by 12 px from one to the next."""
    rng = np.random.default_rng(0)
    light = cv2.GaussianBlur(rng.lognormal(-2.5, 1.2, (200, 300, 3)), (0, 0), 1)
    frames = [np.roll(light, 12 * number, axis=1) * e for number, e in enumerate(exposures)]
    noisy = [np.clip(frame + rng.normal(0, 0.003, frame.shape), 0, 1) for frame in frames]
    return [np.round(curve(frame) * 255).astype(np.uint8) for frame in noisy]


@pytest.mark.parametrize("exposures", [(1, 4, 16), (1, 2, 4), (1, 16)])
def test_the_tone_curve_is_found_though_the_scene_moves(exposures: tuple) -> None:
    exposures = np.array(exposures) / exposures[len(exposures) // 2]
    codes = np.arange(30, 256)
    curve = tone_curve(moving_stack(exposures), exposures, "debevec")
    error = np.log2(curve[codes] / srgb_decode(codes / 255))
    assert np.abs(error).max() < 0.25 and error.std() < 0.1  # stops
    assert curve[0] == 0 and curve[-1] == 1 and (np.diff(curve) >= 0).all()

    light = np.linspace(0, 1, 100_000)
    truth = np.interp(codes / 255, s_curve(light), light)
    curve = tone_curve(moving_stack(exposures, s_curve), exposures, "debevec")
    errors = [np.log2(one[codes] / truth).std() for one in (curve, srgb_decode(np.arange(256) / 255))]
    assert errors[0] < 0.12 < errors[1] / 2


def test_a_stack_that_tells_nothing_of_its_tone_curve_is_srgb() -> None:
    for value in (0, 255):
        pictures = [np.full((20, 20, 3), value, np.uint8)] * 3
        curve = tone_curve(pictures, np.array([1.0, 2.0, 4.0]), "debevec")
        assert_allclose(curve[2:], srgb_decode(np.arange(2, 256) / 255), rtol=1e-5)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:8, :16] = 255  # top left
    path = write_picture(tmp_path / "a.jpg", picture, orientation=orientation)
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    assert np.abs(read_picture(path, upright=True).astype(int) - np.rot90(picture, turns)).max() < 40


def test_exposure_of_a_jpeg(tmp_path: Path) -> None:
    path = write_picture(
        tmp_path / "a.jpg", np.zeros((16, 16, 3), np.uint8), time=0.005, iso=200, f_number=5.6
    )
    assert read_shot(path, is_raw=False) == pytest.approx((0.005, 200, 5.6))


def test_pictures_of_other_types_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "float.tif"), np.zeros((8, 8, 3), np.float32))
    with pytest.raises(UserError, match=r"float\.tif: pictures have 8 or 16 bits, not float32"):
        read_picture(tmp_path / "float.tif")
