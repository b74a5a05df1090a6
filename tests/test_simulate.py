"""The simulator of brackets: its physics in numbers."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from data.simulate.camera import (
    Camera,
    alexa_to_srgb,
    draw_camera,
    reduce,
    reduce_published,
    respond,
    unprocess,
)
from data.simulate.lighting import expand_highlights
from data.simulate.making import simulate
from data.simulate.motion import draw_path, exposure_spans, view
from data.simulate.noise import add_noise, draw_noise_levels, quantise
from data.simulate.photographs import PHOTOGRAPHS, draw_scene, read_photograph
from data.simulate.sampling import EXPOSURES, SPANS, STEPS, HandHeld, expose, measured, target
from data.simulate.scenes import BuiltIn, Shot, Video
from data.simulate.settings import Settings
from data.simulate.sources import find_sources
from data.simulate.warp import mean
from tests.made_footage import pan, write_frames
from util.imaging.radiance import write_radiance


def smooth_scene(size: tuple[int, int], brightest: float) -> np.ndarray:
    """Linear light that rises by four decades from left to right, in changing colours."""
    rng = np.random.default_rng(0)
    colours = rng.uniform(0.5, 1, (6, 8, 3)).astype(np.float32)
    colours = cv2.resize(colours, size[::-1], interpolation=cv2.INTER_LINEAR)
    return brightest * colours * np.logspace(-4, 0, size[1], dtype=np.float32)[:, None]


@pytest.mark.parametrize("level", [0.1, 0.3, 0.6])
def test_noise_variance_is_shot_x_plus_read(level: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(3):
        shot, read = draw_noise_levels(rng)
        flat = np.full((400, 400), level, np.float32)
        noisy = add_noise(flat, shot, read, rng.standard_normal(flat.shape))
        assert noisy.var() == pytest.approx(shot * level + read, rel=0.05)
        assert noisy.mean() == pytest.approx(level, abs=1e-3)


def test_quantised_values_are_ten_bits_and_rounded() -> None:
    assert_array_equal(quantise(np.float32([0, 0.4 / 1023, 0.6 / 1023, 1])), np.uint16([0, 0, 1, 1023]))


def test_exposures_follow_each_other_without_gaps() -> None:
    spans = exposure_spans()
    assert [len(span) for span in spans] == [1, 4, 16, 64, 256] == list(EXPOSURES)
    assert [step for span in spans for step in span] == list(range(341))


def test_path_starts_at_rest_is_smooth_and_as_far_as_asked() -> None:
    path = draw_path(np.random.default_rng(2), 341, extent=9.0, rotation=0.005)
    assert_array_equal(path[0], 0)
    assert np.hypot(path[:, 0], path[:, 1]).max() == pytest.approx(9.0)
    assert np.abs(path[:, 2]).max() == pytest.approx(0.005)
    assert np.hypot(*np.diff(path[:, :2], axis=0).T).max() < 0.5  # px from one sub-frame to the next


def test_view_moves_and_turns_as_the_pose_says() -> None:
    scene = np.random.default_rng(0).uniform(size=(60, 80, 3)).astype(np.float32)
    assert_array_equal(view(scene, np.zeros(3), (40, 60)), scene[10:50, 10:70])
    assert_allclose(view(scene, np.array([3.0, -2.0, 0.0]), (40, 60)), scene[8:48, 13:73], atol=1e-6)
    assert_allclose(
        view(scene, np.array([0.0, 0.0, np.pi]), (40, 60)), scene[10:50, 10:70][::-1, ::-1], atol=2e-3
    )


def test_integration_is_the_mean_of_the_views() -> None:
    scene = smooth_scene((60, 80), 5.0)
    poses = draw_path(np.random.default_rng(2), 16, extent=6.0, rotation=0.01)
    expected = np.mean([view(scene, pose, (40, 60)) for pose in poses], axis=0)
    assert_allclose(mean(HandHeld(scene, poses, (40, 60)).views(range(16))), expected, rtol=1e-5)


@pytest.mark.parametrize("clip_subframes", [False, True])
def test_still_frames_over_exposure_equal_the_scene_where_nothing_clips(clip_subframes: bool) -> None:
    camera = draw_camera(np.random.default_rng(4))
    scene = smooth_scene((36, 52), 30.0)
    frames = expose(HandHeld(scene, np.zeros((341, 3)), (32, 48)), camera, clip_subframes)
    truth = respond(scene[2:-2, 2:-2], camera)
    for n, frame in enumerate(frames):
        brightest = np.float32(4.0 ** (n - 2)) * scene[2:-2, 2:-2].max(axis=-1)
        unclipped = brightest.reshape(16, 2, 24, 2).max(axis=(1, 3)) < 0.9
        assert unclipped.sum() > 10
        assert n < 2 or not unclipped.all()
        assert_allclose(frame[unclipped] / 4.0 ** (n - 2), truth[unclipped], rtol=1e-5)


def test_sensor_clips_after_integration_and_the_published_recipe_before() -> None:
    camera = draw_camera(np.random.default_rng(4))
    scene = np.zeros((60, 80, 3), np.float32)
    scene[:, 40:42] = 1000.0  # a lamp that passes over a pixel for a part of the exposure
    path = np.zeros((341, 3))
    path[:, 0] = np.linspace(0, 30, 341)
    hand_held = HandHeld(scene, path, (32, 48))
    after, before = (expose(hand_held, camera, clip)[4][:, 4] for clip in (False, True))
    assert np.clip(after, 0, 1).min() == 1
    assert before.max() < 0.2


def test_target_is_the_first_subframe_unclipped() -> None:
    camera = draw_camera(np.random.default_rng(4))
    first = smooth_scene((32, 48), 30.0)
    assert_array_equal(target(first, camera, protect_highlights=False), respond(first, camera))
    published = target(first, camera, protect_highlights=True)
    assert_allclose(published, unprocess(first / first.max(), camera) * first.max())
    for protect in (False, True):
        assert_array_equal(target(0 * first, camera, protect), np.zeros((16, 24, 4)))


def test_first_frame_shows_the_target_without_displacement() -> None:
    sample, _ = simulate(BuiltIn("coffee"), 0, Shot("Test", "coffee", 0, Settings(size=(64, 96))))
    frame = sample.frames[0] / np.float32(1023) * 16
    truth = np.clip(sample.gt, 0, 16)

    def error(shift: tuple[int, int]) -> float:
        return float(np.square(frame - np.roll(truth, shift, axis=(0, 1)))[2:-2, 2:-2].mean())

    assert error((0, 0)) < 16**2 * (0.0048 * truth.mean() / 16 + 2e-4)  # the noise, and nothing else
    assert error((0, 0)) < 0.5 * min(error(shift) for shift in ((0, 1), (1, 0), (0, -1), (-1, 0)))


def test_reduced_plane_is_the_mean_of_what_its_pixel_covers() -> None:
    raw = np.random.default_rng(0).uniform(size=(16, 24, 4)).astype(np.float32)
    small = reduce(raw, 4)
    assert small.shape == (4, 6, 4)
    assert_allclose(small[1, 2], raw[4:8, 8:12].mean(axis=(0, 1)), rtol=1e-6)
    rows = np.broadcast_to(np.arange(16, dtype=np.float32)[:, None, None] / 16, (16, 24, 4))
    assert_allclose(reduce(rows, 4)[:, 0, 0] * 16, [1.5, 5.5, 9.5, 13.5])
    assert_allclose(reduce_published(rows, 4)[:, 0, 0] * 16, [0, 5, 10, 15], atol=1e-5)  # the published drift


def test_highlights_expand_to_their_peak_and_shadows_stay() -> None:
    ramp = np.repeat(np.linspace(0, 1, 400, dtype=np.float32)[None, :, None], 8, axis=0).repeat(3, axis=2)
    expanded = expand_highlights(ramp, 50.0)[4, :, 0]
    assert (np.diff(expanded) > 0).all()
    assert expanded[-1] == pytest.approx(50.0, rel=1e-3)
    assert_allclose(expanded[:5], ramp[4, :5, 0], rtol=0.03)
    middle = ramp[4, 200, 0]
    assert expanded[200] == pytest.approx(middle / (1 - middle * (1 - 1 / 50)), rel=0.01)


@pytest.mark.parametrize(
    ("split", "scene"), [(split, scene) for split, s in PHOTOGRAPHS.items() for scene in s]
)
def test_scenes_are_nights_with_highlights(split: str, scene: str) -> None:
    picture = read_photograph(scene)
    brightest = []
    for seed in range(3):
        light = draw_scene(np.random.default_rng(seed), picture, (128, 160), lamps=True)
        assert light.shape == (128, 160, 3)
        assert light.dtype == np.float32
        assert np.isfinite(light).all()
        assert light.min() >= 0
        assert 0.002 < np.median(light.mean(axis=-1)) < 0.101
        brightest.append(light.max())
    assert max(brightest) > 4


def test_no_photograph_is_in_both_splits() -> None:
    train, test = PHOTOGRAPHS["Train"], PHOTOGRAPHS["Test"]
    assert not set(train) & set(test)
    assert not set(train.values()) & set(test.values())


def test_every_frame_has_noise_of_its_own() -> None:
    flat = np.full((100, 100, 4), 0.3, np.float32)
    frames, levels = measured([flat] * 5, np.random.default_rng(0))
    assert len(set(levels)) == 5
    correlation = np.corrcoef([frame.ravel() for frame in frames]) - np.eye(5)
    assert np.abs(correlation).max() < 0.03


def video(folder: Path, frames: list[np.ndarray], suffix: str) -> Video:
    (found,) = find_sources([write_frames(folder, frames, suffix=suffix)], kind="video")
    return found


def test_groups_of_a_video_have_cameras_and_noise_of_their_own(tmp_path: Path) -> None:
    source, settings = video(tmp_path / "pan", pan(12, 0.0) * 2, ".png"), Settings(size=(16, 24))
    starts = source.samples(settings, 1)
    shots = [(start, Shot("Train", "pan", number, settings)) for number, start in starts.items()]
    (first, drawn), (second, other) = (simulate(source, start, shot) for start, shot in shots)
    assert first.camera.red_gain != second.camera.red_gain
    assert first.camera.blue_gain != second.camera.blue_gain
    assert drawn["noise"] != other["noise"]
    moment = next(source.scene(*shots[0])[0].views(range(1)))
    assert first.scene_max == moment.max()
    assert_array_equal(first.gt, respond(moment, first.camera))


def test_alexa_footage_keeps_the_published_exposure(tmp_path: Path) -> None:
    frames = [8 * frame for frame in pan(12, 1.0)]
    source = video(tmp_path / "carousel_fireworks_02", frames, ".exr")
    sample, drawn = simulate(source, 0, Shot("Train", source.name, 1, Settings()))
    assert drawn["lighting"]["scale"] == drawn["lighting"]["peak"] == 1
    light = alexa_to_srgb(source.frames.read(0))
    assert_allclose(sample.gt, respond(light, sample.camera), rtol=1e-5, atol=1e-7)


def test_blur_is_as_long_as_the_share_of_the_motion_in_each_exposure() -> None:
    """A line under a camera that moves evenly: the variance of its place grows by length^2 / 12."""
    camera, speed = draw_camera(np.random.default_rng(4)), 0.3  # px per sub-frame
    line = np.exp(-((np.arange(300) - 160) ** 2) / (2 * 4.0**2))  # 4 px wide, so that photosites miss nothing
    light = np.broadcast_to(line[:, None], (100, 300, 3)).astype(np.float32)
    path = np.zeros((STEPS, 3))
    path[:, 0] = speed * np.arange(STEPS)
    columns = np.arange(130)
    widths = []
    for frame in expose(HandHeld(light, path, (60, 260)), camera):
        profile = frame[10:20, :, 1].mean(axis=0)  # green
        centre = (columns * profile).sum() / profile.sum()
        widths.append((((columns - centre) * 2) ** 2 * profile).sum() / profile.sum())
    lengths = np.sqrt(12 * (np.array(widths) - widths[0]))
    expected = [0, *(speed * np.sqrt(len(span) ** 2 - 1) for span in SPANS[1:])]  # of so many equal steps
    assert_allclose(lengths[2:], expected[2:], rtol=0.05)
    assert_allclose(lengths[3:], expected[3:], rtol=0.01)  # bilinear interpolation adds a share of a px


def test_noise_on_flat_patches_is_as_drawn(tmp_path: Path) -> None:
    """Patches of four levels, photographed by hand: mean and variance of the stored values inside each."""
    levels = np.float32([0.004, 0.016, 0.06, 0.24])
    flat = np.repeat(np.repeat(levels.reshape(2, 2), 320, axis=0), 320, axis=1)
    write_radiance(tmp_path / "chart.exr", np.repeat(flat[..., None], 3, axis=-1))
    (source,) = find_sources([tmp_path / "chart.exr"])
    sample, drawn = simulate(source, 0, Shot("Train", "chart", 0, Settings(seed=1)))
    scale, margin = drawn["lighting"]["scale"], 30
    compared = 0
    for n, ((shot, read), frame) in enumerate(zip(drawn["noise"]["x1"], sample.frames, strict=True)):
        half = [frame.shape[0] // 2, frame.shape[1] // 2]
        for row, column in np.ndindex(2, 2):
            patch = frame[row * half[0] :, column * half[1] :][
                margin : half[0] - margin, margin : half[1] - margin
            ]
            clean = respond(
                np.full((2, 2, 3), scale * levels[2 * row + column] * 4.0 ** (n - 2), np.float32),
                drawn_camera(drawn),
            )
            for plane in range(4):
                x = float(clean[0, 0, plane])
                expected = shot * x + read
                if 5 * np.sqrt(expected) < x < 1 - 5 * np.sqrt(expected):  # neither black nor white clips
                    values = patch[..., plane] / 1023
                    assert values.mean() == pytest.approx(x, rel=0.01)
                    assert values.var() == pytest.approx(expected + 1 / (12 * 1023**2), rel=0.05)
                    compared += 1
    assert compared >= 12


def drawn_camera(drawn: dict) -> Camera:
    return Camera(drawn["red_gain"], drawn["blue_gain"])
