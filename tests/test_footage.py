"""Footage: what becomes a source, how it is read and lit, and what lies between its frames."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data.simulate.camera import draw_camera, respond
from data.simulate.flow import flow_view, is_cut
from data.simulate.footage import Footage, MotionFootage, frames_needed, intervals
from data.simulate.foreground import Covered, draw_patch
from data.simulate.interpolation import Motion, find_interpolator, interpolate
from data.simulate.leave_one_out import against, leave_one_out
from data.simulate.lighting import median_level
from data.simulate.motion import canvas_size, draw_shake
from data.simulate.reading import FrameArray, Pictures
from data.simulate.sampling import SPANS, STEPS, HandHeld, Recipe, expose
from data.simulate.scenes import Shot, Video, shows_cut
from data.simulate.settings import Settings
from data.simulate.sources import find_sources
from data.simulate.warp import displace, warp_affine
from tests.made_footage import pan, scene, write_frames
from util.errors import UserError

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CAMERA = draw_camera(np.random.default_rng(4))
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")


@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 60)])
def test_warps_of_arrays_and_tensors_agree(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(size=shape).astype(np.float32), (0, 0), 1)
    moved = rng.normal(0, 6, (20, 30, 2)).astype(np.float32)
    pairs = [
        (displace(picture, moved, (1, 0), 2), displace(*map(torch.from_numpy, (picture, moved)), (1, 0), 2))
    ]
    turn = np.array([[0.99, -0.1, 3.3], [0.1, 0.99, -2.2]])
    for border in ("reflection", "zeros"):
        tensor = warp_affine(torch.from_numpy(picture), turn, (35, 50), border)
        pairs.append((warp_affine(picture, turn, (35, 50), border), tensor))
    for array, tensor in pairs:
        inner = (slice(1, -1), slice(1, -1))  # where px are half outside the two treat "zeros" alike
        assert_allclose(array[inner], tensor.numpy()[inner], atol=1e-4)


def test_displacement_says_where_to_look() -> None:
    picture = np.arange(48, dtype=np.float32).reshape(6, 8)
    right = np.full((6, 8, 2), (1, 0), np.float32)
    assert_array_equal(displace(picture, right)[:, :-1], picture[:, 1:])
    assert_array_equal(displace(picture, right)[:, -1], picture[:, -1])
    assert_array_equal(displace(picture, np.zeros((3, 4, 2), np.float32), (1, 0), 2), picture[1::2, ::2])


@pytest.mark.parametrize(("steps_per_frame", "needed"), [(1, 341), (32, 12), (64, 7), (340, 2), (400, 2)])
def test_frames_that_a_bracket_takes(steps_per_frame: int, needed: int) -> None:
    assert frames_needed(steps_per_frame) == needed
    last, times = list(intervals(range(STEPS), steps_per_frame))[-1]
    assert last + (times[-1] > 0) <= needed - 1


def test_interpolation_moves_what_moves() -> None:
    first, truth, *_, second = pan(5, 1.5)
    quarter = next(iter(interpolate(first, second, [0.25, 0.5])))
    inner = (slice(8, -8), slice(12, -12))
    still = against(truth[inner])(0.75 * first[inner] + 0.25 * second[inner])
    assert against(truth[inner])(quarter[inner]) > max(40, still + 10)


def test_hidden_places_come_from_the_frame_that_shows_them() -> None:
    """A square moves by 8 px: the strip it uncovers is seen in the second frame alone, and the reverse."""
    ground = pan(1, 0)[0]
    frames = [ground.copy() for _ in range(2)]
    patch = scene("astronaut")[150:190, 200:240]
    for index, frame in enumerate(frames):
        frame[30:70, 40 + 8 * index : 80 + 8 * index] = patch
    motion = Motion.between(*frames)
    uncovered, covered = (slice(40, 60), slice(42, 46)), (slice(40, 60), slice(82, 86))
    assert motion.preference[uncovered].mean() < 1 / 1.5
    assert motion.preference[covered].mean() > 1.5
    assert_allclose(motion.preference[:20, 90:120], 1, rtol=0.05)


def test_photosites_first_or_last_is_the_same() -> None:
    frames = pan(12, 3.0, (48, 64))
    fast, slow = (
        expose(footage, CAMERA) for footage in (MotionFootage(frames, 32), Footage(frames, 32, interpolate))
    )
    tensors = expose(MotionFootage(frames, 32, torch.device("cpu")), CAMERA)
    for n in range(5):
        assert_allclose(fast[n], slow[n], rtol=1e-4, atol=1e-5)
        assert_allclose(fast[n], tensors[n], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("clip_subframes", [False, True])
def test_devices_agree_on_hand_held_brackets(clip_subframes: bool) -> None:
    rng = np.random.default_rng(0)
    size = (48, 64)
    light = 4 * scene()[: canvas_size(size)[0], : canvas_size(size)[1]]
    path, patch = draw_shake(rng, STEPS), draw_patch(rng, size, lamps=True)
    arrays = expose(Covered(HandHeld(light, path, size), patch), CAMERA, clip_subframes)
    on_device = HandHeld(torch.from_numpy(light), path, size)
    tensors = expose(Covered(on_device, patch.on(torch.device("cpu"))), CAMERA, clip_subframes)
    for n in range(5):
        assert_allclose(arrays[n], tensors[n], rtol=1e-4, atol=1e-4)


def test_footage_is_blurred_by_the_motion_of_each_exposure() -> None:
    size, step = (64, 96), 3.2  # px per frame, 0.1 px per sub-frame
    moments = pan(STEPS, step / 32, size)
    for span, raw in zip(
        SPANS, expose(MotionFootage(moments[::32] + pan(12, step, size)[-1:], 32), CAMERA), strict=True
    ):
        exact = np.mean([moments[moment] for moment in span], axis=0)
        truth = respond(exact, CAMERA) * len(span) / 16
        assert_allclose(raw[4:-4, 8:-8], truth[4:-4, 8:-8], atol=0.02 * truth.max())


def halves(first: np.ndarray, second: np.ndarray, times: list[float]) -> list[np.ndarray]:
    return [first * np.float32(1 - t) + second * np.float32(t) for t in times]


def lazy(first: np.ndarray, second: np.ndarray, times: list[float]) -> list[np.ndarray]:
    return halves(first, second, times)[1:]


def wrong(first: np.ndarray, second: np.ndarray, times: list[float]) -> list[np.ndarray]:
    return [light.astype(np.float64) for light in halves(first, second, times)]


def test_interpolator_of_the_user_takes_the_place_of_ours() -> None:
    hook = find_interpolator("tests.test_footage:halves")
    dark, bright = np.zeros((32, 32, 3), np.float32), np.ones((32, 32, 3), np.float32)
    views = Footage([dark, bright], 4, hook).views(range(5))
    assert [float(view.mean()) for view in views] == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    ("hook", "message"), [(lazy, "gave 2 frames for 3 times"), (wrong, "float32 arrays")]
)
def test_interpolators_that_break_their_promise_are_named(hook: Callable, message: str) -> None:
    frames = [np.zeros((32, 32, 3), np.float32)] * 2
    with pytest.raises(UserError, match=message):
        list(Footage(frames, 4, hook).views(range(5)))


@pytest.mark.parametrize(
    "name", ["nothing:here", "data.simulate.flow:nothing", "nocolon", ":x", "cv2:__version__"]
)
def test_unknown_interpolators_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"^--interpolator {name}: "):
        find_interpolator(name)


def test_cuts_are_found_and_changing_light_is_none() -> None:
    coffee, brick, rocket = (
        flow_view(cv2.resize(scene(name), (200, 150))) for name in ("coffee", "brick", "rocket")
    )
    assert is_cut(coffee, brick)
    assert is_cut(brick, rocket)
    before, after = pan(2, 8.0)
    assert not is_cut(flow_view(before), flow_view(after))
    assert not is_cut(flow_view(before), flow_view(0.1 * after))
    assert not is_cut(flow_view(before), np.zeros((96, 128), np.uint8))


def test_foreground_moves_over_a_still_scene() -> None:
    ground = np.full((200, 240, 3), 0.05, np.float32)
    size = (64, 96)
    scene = HandHeld(ground, np.zeros((STEPS, 3)), size)
    patch = draw_patch(np.random.default_rng(3), size, lamps=True)
    first, last = (next(Covered(scene, patch).views(range(step, step + 1))) for step in (0, STEPS - 1))
    touched = np.abs(first - 0.05).max(axis=-1) > 1e-4
    assert 0.01 < touched.mean() < 0.3
    assert (first != last).any()
    assert next(scene.views(range(1))).max() == np.float32(0.05)


def test_frames_are_counted_by_the_number_in_which_their_names_differ() -> None:
    def found(*names: str) -> tuple[tuple[int, ...], bool]:
        pictures = Pictures.sorted(Path(f"{name}.png") for name in names)
        return pictures.numbers, pictures.is_numbered()

    assert found("shot_100_1080p", "shot_107_1080p") == ((100, 107), False)
    assert found("shot_10_1080p", "shot_9_1080p") == ((9, 10), True)
    assert found("a_1", "b_2") == ((1, 2), False)
    assert found("take1_1", "take1_2", "take2_1") == ((0, 1, 2), False)
    assert found("f_1", "f_01", "f_3") == ((0, 1, 2), False)


def test_damaged_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.npy"
    np.save(path, np.zeros((3, 8, 8, 3), np.uint8))
    good = path.read_bytes()
    path.write_bytes(good.replace(b"(3, 8", b"((((("))
    with pytest.raises(UserError, match="damaged or not a plain array"):
        FrameArray.open(path)
    with path.open("wb") as file:
        np.savez(file, frames=np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="damaged or not a plain array"):
        FrameArray.open(path)
    np.save(path, np.zeros((12, 40, 0, 3), np.uint8))
    with pytest.raises(UserError, match=r"frames are uint8 .*, not uint8 \(12, 40, 0, 3\)"):
        FrameArray.open(path)


def lit(tmp_path: Path, brightness: list[float], suffix: str, **settings) -> list[np.ndarray]:
    """Frames of a video, lit for the simulation, in which the light has these factors."""
    frames = [np.float32(level) * frame for level, frame in zip(brightness, pan(12, 1.0), strict=True)]
    (video,) = find_sources([write_frames(tmp_path / "film", frames, suffix=suffix)], kind="video")
    return video.scene(0, Shot("Train", "film", 0, Settings(**settings)))[0].frames


@pytest.mark.parametrize("suffix", [".png", ".exr"])
def test_light_that_goes_on_after_the_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = lit(tmp_path, [0.0] * 3 + [1.0] * 9, suffix)
    assert max(frame.max() for frame in frames[:3]) == 0
    levels = [median_level(frame) for frame in frames[3:]]
    assert 0.01 < min(levels) <= max(levels) < 0.3
    assert max(frame.max() for frame in frames) < 96


def test_light_above_the_first_frame_is_cut_off_by_the_published_recipe_alone(tmp_path: Path) -> None:
    brightness = [0.2, *[1.0] * 11]
    exact = lit(tmp_path / "exact", brightness, ".exr")
    published = lit(tmp_path / "published", brightness, ".exr", recipe=Recipe(clip_subframes=True))
    assert max(frame.max() for frame in exact) > 2 * exact[0].max()
    for frame, clipped in zip(exact, published, strict=True):
        assert_array_equal(clipped, np.minimum(frame, exact[0].max()))


@needs_shared_data
def test_small_windows_of_footage_without_a_cut_show_none() -> None:
    video = Video("walking", Pictures.sorted((SHARED / "video" / "walking").iterdir()))
    settings = Settings(seed=13, size=(16, 16))  # whose window shows something else in each frame
    for number, start in video.samples(settings, 1).items():
        footage = video.scene(start, Shot("Train", "walking", number, settings))[0]
        assert shows_cut(footage.frames)


@needs_shared_data
def test_interpolation_of_a_walking_man_beats_the_average(tmp_path: Path) -> None:
    files = sorted((SHARED / "video" / "walking").iterdir())[:5]
    scores = list(leave_one_out(Video("walking", Pictures.sorted(files))))
    assert [score.number for score in scores] == [78, 80]
    for score in scores:
        assert score.interpolated > score.averaged + 6 > score.repeated + 6
