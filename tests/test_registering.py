"""How the bench brings results of other programs over the truth."""

import cv2
import numpy as np
import pytest

from tests.bench.registering import curved, gained, registered


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    noise = np.random.default_rng(0).random((120, 160, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    return (smooth - smooth.min()) / np.ptp(smooth) * 0.8 + 0.05


@pytest.mark.parametrize(("shift", "cut"), [((2.4, -1.7), 0), ((3.0, 2.0), 6)])
def test_a_shifted_and_cropped_result_comes_back_to_its_place(truth, shift, cut):
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    moved = cv2.warpAffine(truth, matrix, (160, 120), flags=cv2.INTER_CUBIC)
    placed, seen = registered(3 * moved[cut : 120 - cut, cut : 160 - cut], truth)
    inner = (slice(14, -14),) * 2
    gain = np.median(truth[inner] / placed[inner])
    assert seen[inner].all()
    assert not seen[:2].all()
    assert np.abs(placed * gain - truth)[inner].mean() < 0.002  # 0.035 where it stays


def test_a_gain_is_one_number_and_ignores_outliers(truth):
    shown = np.ones(truth.shape[:2], np.uint8)
    image = truth / 7
    image[:20] = 5
    np.testing.assert_allclose(gained(image, truth, shown)[20:], truth[20:], rtol=1e-5)


def test_a_free_curve_undoes_any_monotone_curve(truth):
    shown = np.ones(truth.shape[:2], np.uint8)
    assert np.abs(curved(truth**0.3 + 1, truth, shown) - truth).mean() < 0.002
    shown[:, :80] = 0
    wrong = truth.copy()
    wrong[:, :80] = 0.5
    assert np.abs(curved(truth, wrong, shown) - truth)[:, 80:].mean() < 0.002
