"""The camera and the motion of synthetic bursts."""

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from data.simulate import burst, unprocessing
from data.simulate.burst import BORDER, REFERENCE, Motion
from data.simulate.unprocessing import NoiseLevels, SrgbCamera
from models.networks.parts.warp import warp
from tests.burst_sets import rng


def smooth(size: tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 3) float32 without fine detail, from 0.1 to 0.7."""
    coarse = rng().uniform(0.2, 0.6, (size[0] // 64 + 3, size[1] // 64 + 3, 3)).astype(np.float32)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).clip(0.1, 0.7)


# Camera


def test_display_undoes_unprocessing() -> None:
    picture = smooth((40, 48))
    for seed in range(5):
        camera = SrgbCamera.draw(rng(seed))
        linear = unprocessing.unprocess(picture, camera)
        assert_allclose(unprocessing.display(linear, camera.meta()), picture, atol=2e-5)
        eight_bit = unprocessing.display8(linear, camera.meta())
        assert np.abs(eight_bit - 255 * picture + 0.5).max() < 0.51  # truncated


def test_white_stays_white() -> None:
    camera = SrgbCamera(unprocessing.mixed_matrix(np.ones(4)), 1.25, 2.0, 1.7)
    planes = unprocessing.unprocess(np.ones((1, 1, 3), np.float32), camera)
    assert_allclose(planes, 1, atol=1e-6)
    gray = unprocessing.unprocess(np.full((1, 1, 3), 0.5, np.float32), camera)[:, 0, 0]
    assert_allclose(gray[0] / gray[1], 1 / 2.0, rtol=1e-5)
    assert_allclose(gray[2] / gray[1], 1 / 1.7, rtol=1e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tables_give_what_the_formulas_do(kind: type) -> None:
    camera = SrgbCamera.draw(rng())
    codes = rng().integers(0, np.iinfo(kind).max + 1, (8, 8, 3)).astype(kind)
    formula = unprocessing.unprocess(np.float32(codes / np.iinfo(kind).max), camera)
    assert_allclose(unprocessing.unprocess_codes(codes, camera), formula, atol=2e-6)


def test_cameras_are_drawn_as_published() -> None:
    generator = rng()
    cameras = [SrgbCamera.draw(generator) for _ in range(2000)]
    assert_allclose([camera.rgb2cam.sum(axis=1) for camera in cameras], 1, atol=1e-5)
    brightness = [1 / camera.rgb_gain for camera in cameras]
    assert_allclose((np.mean(brightness), np.std(brightness)), (0.8, 0.1), atol=0.01)
    for gains, (low, high) in (("red_gain", (1.9, 2.4)), ("blue_gain", (1.5, 1.9))):
        drawn = [getattr(camera, gains) for camera in cameras]
        assert low <= min(drawn) < low + 0.01 < high - 0.01 < max(drawn) <= high


def test_noise_follows_its_levels() -> None:
    generator = rng()
    levels = [NoiseLevels.draw(generator) for _ in range(2000)]
    shot, read = np.log([(level.shot, level.read) for level in levels]).T
    assert np.log(1e-4) <= shot.min() < shot.max() <= np.log(0.012)
    rest = read - 2.18 * shot - 1.20
    assert_allclose((rest.mean(), rest.std()), (0, 0.26), atol=0.02)
    values = np.full(200_000, 0.3, np.float32)
    noise = (
        NoiseLevels(0.01, 0.0004).add(values, generator.standard_normal(values.shape, np.float32)) - values
    )
    assert_allclose((noise.mean(), noise.var()), (0, 0.01 * 0.3 + 0.0004), atol=5e-4)
    assert_allclose(noise.var(), 0.0034, rtol=0.02)


# Motion


def test_frame_0_lies_on_the_target() -> None:
    linear = rng().random((3, 112, 128), np.float32)
    frame = next(burst.frames(linear, [REFERENCE]))
    assert frame.shape == (4, 8, 10)
    kernel = np.float32([0.25, 0.5, 0.25])
    seen = [cv2.sepFilter2D(plane, -1, kernel, kernel)[BORDER:-BORDER, BORDER:-BORDER] for plane in linear]
    expected = [seen[0][::8, ::8], seen[1][::8, 4::8], seen[1][4::8, ::8], seen[2][4::8, 4::8]]
    assert_allclose(frame, expected, atol=1e-6)


def test_flow_leads_from_a_frame_to_the_base() -> None:
    linear = np.ascontiguousarray(smooth((240, 272)).transpose(2, 0, 1))
    size = linear.shape[1:]
    generator = rng()
    reference = REFERENCE.matrix(*size)
    base = np.stack([burst.sampled(plane, reference) for plane in linear])
    for _ in range(3):
        matrix = Motion.draw(generator).matrix(*size)
        frame = np.stack([burst.sampled(plane, matrix) for plane in linear])
        flow = burst.flow(matrix, reference, *size)
        warped = warp(torch.from_numpy(base)[None], torch.from_numpy(flow)[None])[0].numpy()
        inner = (slice(None), slice(7, -7), slice(7, -7))
        assert np.abs(warped[inner] - frame[inner]).max() < 0.01
        assert np.abs(base[inner] - frame[inner]).max() > 0.05


def test_planes_are_px_of_the_whole_frame() -> None:
    linear = rng().random((3, 112, 128), np.float32)
    matrix = Motion.draw(rng()).matrix(112, 128)
    whole = np.stack([burst.sampled(plane, matrix) for plane in linear])
    expected = [whole[0, ::2, ::2], whole[1, ::2, 1::2], whole[1, 1::2, ::2], whole[2, 1::2, 1::2]]
    assert_allclose(burst.sampled_planes(linear, matrix), expected, atol=1e-5)


def test_motion_is_drawn_as_published() -> None:
    generator = rng()
    drawn = np.array([(m.x, m.y, m.angle, m.scale) for m in (Motion.draw(generator) for _ in range(2000))])
    assert (np.abs(drawn).max(axis=0) <= (24, 24, 1, 0)).all()
    assert_allclose(drawn[:, :3].std(axis=0), np.array([24, 24, 1]) / np.sqrt(3), rtol=0.05)


def test_eight_bits_darken_the_frames() -> None:
    linear = np.ascontiguousarray(smooth((240, 272)).transpose(2, 0, 1))
    motions = [REFERENCE, Motion(3, -2.5, 0.5)]
    exact, truncated = (np.stack(list(burst.frames(linear, motions, bits))) for bits in (None, 8))
    assert_allclose(truncated * 255, np.rint(truncated * 255), atol=1e-4)
    # Truncated, which takes half a step; a mean of four whole numbers is rounded up at the half.
    assert_allclose((truncated - exact).mean() * 255, -0.5 + 0.125, atol=0.05)


def test_small_photographs_are_enlarged_as_published() -> None:
    codes = rng().integers(0, 256, (56, 56, 3), dtype=np.uint8)
    part = burst.random_part(codes, (60, 60), rng())
    expected = cv2.resize(np.float32(codes) / 255, (60, 60))
    mirrored = expected[:, ::-1]
    assert part.dtype == np.uint16
    error = min(np.abs(part / 65535 - candidate).max() for candidate in (expected, mirrored))
    assert error < 1e-4
    wide = burst.random_part(rng().integers(0, 256, (30, 200, 3), dtype=np.uint8), (60, 60), rng())
    assert wide.shape == (60, 60, 3)


def test_parts_are_random_and_mirrored() -> None:
    codes = np.arange(40 * 50 * 3, dtype=np.uint16).reshape(40, 50, 3)
    parts = [burst.random_part(codes, (32, 32), rng(seed)) for seed in range(30)]
    mirrored = [part[0, 0, 0] > part[0, -1, 0] for part in parts]
    assert 5 < sum(mirrored) < 25
    assert len({int(part.min()) for part in parts}) > 15
