"""The simulator of brackets: its physics in numbers, and the data sets that its command writes."""

import hashlib
import io
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from data.simulate import storage
from data.simulate.camera import draw_camera, reduce, reduce_published, respond, unprocess
from data.simulate.lighting import expand_highlights
from data.simulate.making import make_dataset, simulate
from data.simulate.motion import draw_path, exposure_spans, view
from data.simulate.noise import add_noise, draw_noise_levels, quantise
from data.simulate.photographs import PHOTOGRAPHS, draw_scene, read_photograph
from data.simulate.sampling import EXPOSURES, HandHeld, expose, target
from data.simulate.scenes import BuiltIn, Shot
from data.simulate.settings import Settings
from data.simulate.warp import mean

ROOT = Path(__file__).resolve().parents[1]
SMALL = Settings(seed=3, size=(16, 24))
SIZES_OF_INPUTS = {"": (16, 24, 4), "x2/": (8, 12, 4), "x4/": (4, 6, 4)}


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


class PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        allowed = {
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
        assert (module, name) in allowed
        return super().find_class(module, name)


def read_metadata(path: Path) -> dict[str, np.ndarray]:
    stream = io.BytesIO(path.read_bytes())
    np.lib.format.read_magic(stream)
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    assert (shape, dtype) == ((), np.dtype(object))
    return PlainUnpickler(stream).load().item()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "set"
    assert make_dataset(out, SMALL, frames_per_scene=2).written == 20
    return out


def digests(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_layout_shapes_and_types(dataset: Path) -> None:
    folders = sorted(dataset.glob("*/*/*"))
    assert [str(folder.relative_to(dataset)) for folder in folders] == sorted(
        f"{split}/{scene}/00000{frame}"
        for split in PHOTOGRAPHS
        for scene in PHOTOGRAPHS[split]
        for frame in (0, 1)
    )
    for folder in folders:
        pictures = ["rgb_vis_gt.png", *(f"rgb_vis_{exposure}.png" for exposure in EXPOSURES)]
        arrays = [f"{sub}raw_{exposure}.npy" for sub in SIZES_OF_INPUTS for exposure in EXPOSURES]
        others = ["raw_gt.npy", "alignratio.npy", "metadata.npy", "parameters.json"]
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert files == {*pictures, *arrays, *others}
        for name in arrays:
            array = np.load(folder / name)
            assert array.shape == SIZES_OF_INPUTS[name.removesuffix(Path(name).name)]
            assert array.dtype == np.uint16
            assert array.max() <= 1023
        gt, scene_max = np.load(folder / "raw_gt.npy"), np.load(folder / "alignratio.npy")
        assert (gt.shape, gt.dtype) == ((16, 24, 4), np.float32)
        assert (scene_max.shape, scene_max.dtype) == ((), np.float32)
        assert gt.max() <= scene_max
        for name in pictures:
            picture = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
            assert picture.shape == (32, 48, 3)
            assert picture.dtype == (np.uint16 if name == "rgb_vis_gt.png" else np.uint8)


def test_metadata_needs_nothing_but_numpy_arrays(dataset: Path) -> None:
    metadata = read_metadata(dataset / "Train" / "astronaut" / "000000" / "metadata.npy")
    shapes = {"rgb2cam": (3, 3), "cam2rgb": (3, 3), "rgb_gain": (1,), "red_gain": (1,), "blue_gain": (1,)}
    assert {name: value.shape for name, value in metadata.items()} == shapes
    assert {value.dtype for value in metadata.values()} == {np.dtype(np.float32)}
    assert_allclose(metadata["rgb2cam"] @ metadata["cam2rgb"], np.eye(3), atol=1e-5)
    assert_allclose(metadata["rgb2cam"].sum(axis=1), 1, rtol=1e-6)
    assert metadata["rgb_gain"] == 1
    assert 1 / 0.91 <= metadata["red_gain"] <= 1 / 0.40
    assert 1 / 0.75 <= metadata["blue_gain"] <= 1 / 0.39


def test_same_seed_same_bytes_other_seed_other_data(dataset: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    make_dataset(again, SMALL, frames_per_scene=2)
    assert digests(again) == digests(dataset)
    sample, _ = simulate(BuiltIn("coffee"), 0, Shot("Test", "coffee", 1, SMALL))
    stored = np.load(dataset / "Test" / "coffee" / "000001" / "raw_16.npy")
    assert_array_equal(sample.frames[2], stored)
    other, _ = simulate(BuiltIn("coffee"), 0, Shot("Test", "coffee", 1, Settings(seed=4, size=SMALL.size)))
    assert (other.frames[2] != stored).mean() > 0.5


def test_interrupted_run_is_completed(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "set"
    write_pictures, calls = storage._write_pictures, []

    def interrupt(*arguments) -> None:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        write_pictures(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_write_pictures", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_dataset(out, SMALL, frames_per_scene=2)
    assert len(list(out.glob("*/*/*"))) == 3
    left_by_a_kill = out / "Train" / "brick" / ".000001.partial"
    left_by_a_kill.mkdir()
    (left_by_a_kill / "raw_1.npy").write_bytes(b"half")
    assert make_dataset(out, SMALL, frames_per_scene=2).written == 17
    assert digests(out) == digests(dataset)
    assert make_dataset(out, SMALL, frames_per_scene=2).written == 0


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "data.simulate", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "30", "32"], "--size 30: must be a multiple of 4"),
        (["--size", "8", "8"], "--size 8: must be a multiple of 4 from 16 to 1024"),
        (["--frames_per_scene", "0"], "argument --frames_per_scene: expected a whole number above 0"),
        (["--seed", "-1"], "argument --seed: expected a whole number, 0 or more"),
    ],
)
def test_bad_values_are_refused_in_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = run_command("--out", str(tmp_path / "set"), *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "set").exists()


def test_foreign_folders_and_other_settings_are_refused(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "holiday.txt").write_text("mine")
    refusals = {
        str(tmp_path / "foreign"): "is not empty and was not made by this command",
        str(tmp_path / "foreign" / "holiday.txt"): "is a file",
        str(dataset): "was made with",
    }
    for out, message in refusals.items():
        result = run_command("--out", out)
        assert result.returncode == 2
        assert result.stderr.startswith(f"error: {out} {message}")
        assert result.stderr.count("\n") == 1
