"""The motion of the whole picture between two noisy exposures."""

import cv2
import numpy as np
import pytest

from models.networks.flow import camera_motion
from models.networks.flow.camera_motion import camera_flow
from tests.test_dis_flow import detailed, flow_of, motion, moved
from tests.test_exposure_merge import texture

SIZE = (96, 120)
LAW = (2e-3, 2e-5)  # variance of the difference of the frames: shot and read


def pair(matrix: np.ndarray, name: str = "astronaut", bright: float = 0.2) -> list[np.ndarray]:
    """A noisy frame (H, W), and one exposed much longer after a motion."""
    light = bright * detailed(name, SIZE, (30, 100))
    rng = np.random.default_rng(0)
    frames = []
    for picture, share in ((light, 0.9), (moved(light, matrix), 0.1)):
        clean = np.maximum(picture[::2, ::2], 0)
        noise = np.sqrt(share * (LAW[0] * clean + LAW[1])) * rng.standard_normal(clean.shape)
        frames.append((clean + noise).astype(np.float32))
    return frames


def found(frames: list[np.ndarray], white: float = 1.0, **start: np.ndarray) -> np.ndarray:
    """Flow (H, W, 2) from the first frame to the second, guessed to be none."""
    guess = start.get("start", np.zeros((*frames[0].shape, 2), np.float32))
    return camera_flow(*frames, LAW, white, True, guess)


def mean_miss(flow: np.ndarray, matrix: np.ndarray) -> float:
    return float(np.linalg.norm(flow.transpose(2, 0, 1) - flow_of(matrix, SIZE), axis=0).mean())


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize("way", [(0.4, -0.2, 0.1), (1.7, 0.8, -0.4)])
def test_a_shift_and_a_turn_in_noise(name: str, way: tuple[float, float, float]) -> None:
    matrix = motion(*way, SIZE)
    assert mean_miss(found(pair(matrix, name)), matrix) < 0.12


def test_the_longer_frame_may_be_the_first() -> None:
    matrix = motion(1.7, 0.8, -0.4, SIZE)
    frames = pair(cv2.invertAffineTransform(matrix))[::-1]
    flow = camera_flow(*frames, LAW, 1.0, False, np.zeros((*SIZE, 2), np.float32))
    assert mean_miss(flow, matrix) < 0.12


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("contrast", [0.0, 0.1])
def test_frames_that_stand_still_in_noise(share: float, contrast: float) -> None:
    """Large ones: sampled between px, a frame has less noise, and would seem to fit better."""
    size, rng = (300, 400), np.random.default_rng(0)
    light = 0.01 * np.exp(contrast * texture(size).numpy())
    deviation = np.sqrt(LAW[0] * light + LAW[1])
    frames = [
        (light + np.sqrt(part) * deviation * rng.standard_normal(size)).astype(np.float32)
        for part in (1 - share, share)
    ]
    start = np.zeros((*size, 2), np.float32)
    assert not camera_flow(*frames, LAW, 1.0, share <= 0.5, start).any()


@pytest.mark.parametrize("shift", [(15, 0), (0, 30)])
def test_what_leaves_the_frame_tells_nothing(shift: tuple[int, int]) -> None:
    matrix = motion(*shift, 0.0, SIZE)
    start = np.float32(flow_of(matrix, SIZE).transpose(1, 2, 0))
    assert mean_miss(found(pair(matrix, "coffee"), start=start), matrix) < 0.2


def test_a_large_motion_from_a_rough_guess() -> None:
    """That of flow, wrong in a third of the picture."""
    matrix = motion(9.0, -6.0, 1.0, SIZE)
    guess = np.float32(flow_of(matrix, SIZE).transpose(1, 2, 0)) + np.float32(0.2)
    guess[:32] = 0
    assert mean_miss(found(pair(matrix), start=guess), matrix) < 0.1


def test_none_is_none_however_the_light_changes() -> None:
    """No motion, found so to the last bit, with a black level and an exposure that are wrong."""
    first, second = pair(motion(0, 0, 0, SIZE))
    assert not found([first, 0.93 * second + 0.004]).any()


def test_what_moves_by_itself_is_no_camera() -> None:
    """A bright square before a dark background, which tells less than it but says something else."""
    first, second = pair(motion(0, 0, 0, SIZE), bright=0.02)
    square = 0.5 * np.exp(0.4 * texture((36, 36)).numpy())
    first[30:66, 30:66], second[30:66, 36:72] = square, square
    guess = np.zeros((*SIZE, 2), np.float32)
    guess[30:66, 30:66, 0] = 6
    assert not found([first, second], white=10.0, start=guess).any()


@pytest.mark.parametrize("light", [0.0, 0.4, 2.0])
def test_frames_that_show_nothing(light: float) -> None:
    flat = np.full(SIZE, light, np.float32)
    assert not found([flat, flat]).any()


@pytest.mark.parametrize("size", [(1, 1), (4, 200), (12, 12)])
def test_small_frames(size: tuple[int, int]) -> None:
    frames = [np.random.default_rng(seed).random(size, np.float32) for seed in (0, 1)]
    flow = found(frames)
    assert flow.shape == (*size, 2) and np.isfinite(flow).all()


def test_large_frames_are_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = motion(1.7, 0.8, -0.4, SIZE)
    frames = pair(matrix)
    full = found(frames)
    monkeypatch.setattr(camera_motion, "MOST", SIZE[0] * SIZE[1] // 3)
    reduced = found(frames)
    assert (reduced != full).any()
    assert mean_miss(reduced, matrix) < 0.15
