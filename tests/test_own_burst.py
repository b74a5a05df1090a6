"""One's own raw bursts: reading them, their noise, messages, and restore.py --burst."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image
from skimage import data as pictures

import bracketeer
from data.burst_dataset import TASKS, BurstDataset, sharpest, shown
from data.photos import read_scene, reading_options
from data.reading.frame_noise import measured_law
from data.reading.noise_law import NoiseLaw, noise_law
from data.reading.raw import read_raw
from data.simulate.burst import REFERENCE, Motion, frames
from models.networks import create_network, network_class
from tests.photo_files import make_dng
from tests.programs import Result, run
from util import checkpoint
from util.errors import UserError
from util.imaging.bayer import unpack
from util.imaging.images import read_picture
from util.imaging.radiance_exr import read_exr

BLACK, WHITE = 64, 1023
SHOT, READ = 0.002, 1e-5
TOGETHER = ((0.0, 0.0), (5.0, -2.0), (-3.0, 4.0), (2.0, 6.0))  # px of the picture, of which 4 are one


def profile(shot: float = SHOT, read: float = READ) -> list[tuple]:
    """The tag NoiseProfile, the same for all planes."""
    return [(51041, 12, 2, (shot, read), True)]


def light(size: int = 32) -> np.ndarray:
    """A linear camera RGB picture (3, H, W) for frames of `size` packed px."""
    side = 8 * size + 48
    picture = (pictures.astronaut()[:side, 100 : 100 + side] / 255.0).astype(np.float32)
    return np.ascontiguousarray((picture**2.2).transpose(2, 0, 1)) * np.float32([0.5, 1, 0.6])[:, None, None]


def burst_planes(count: int = 4, size: int = 32, noise: float = 1.0) -> np.ndarray:
    """Noisy frames (T, 4, h, w) of a hand-held burst."""
    motions = [REFERENCE, *(Motion(REFERENCE.x + x, REFERENCE.y + y) for x, y in TOGETHER[1:count])]
    clean = np.stack(list(frames(light(size), motions)))
    normal = np.random.default_rng(0).standard_normal(clean.shape)
    return np.float32(clean + noise * np.sqrt(SHOT * clean + READ) * normal)


def write_burst(folder: Path, planes: np.ndarray, **changes) -> Path:
    """DNG files a.dng, b.dng ... of planes (T, 4, h, w)."""
    folder.mkdir(parents=True, exist_ok=True)
    for letter, frame in zip("abcdefghijklmnopqrst", planes, strict=False):
        codes = np.clip(np.rint(BLACK + (WHITE - BLACK) * frame), 0, WHITE).astype(np.uint16)
        make_dng(folder / f"{letter}.dng", unpack(codes, "RGGB"), **{"extra": profile()} | changes)
    return folder


def flat(folder: Path, count: int = 3, size: int = 16, level: float = 0.3, **changes) -> Path:
    planes = np.full((count, 4, size, size), level, np.float32)
    planes[..., 0] *= 0.99  # rows of equal px are taken for missing data
    return write_burst(folder, planes, **changes)


def opened(folder: Path, **changes) -> BurstDataset:
    known = {"burst_task": "x4", "frame_num": None, "reference": 1, "camera": None, "max_dataset_size": None}
    return BurstDataset(argparse.Namespace(dataroot=folder, **known | changes), "test")


def refused(folder: Path, **changes) -> str:
    with pytest.raises(UserError) as error:
        opened(folder, **changes).whole(0)
    assert "\n" not in str(error.value)
    return str(error.value)


# Reading


def test_a_burst_is_read_as_it_was_taken(tmp_path: Path) -> None:
    planes = burst_planes()
    dataset = opened(write_burst(tmp_path / "street", planes))
    sample = dataset.whole(0)
    step = 1 / (WHITE - BLACK)
    assert_allclose(sample["frames"], planes.clip(-BLACK * step, 1), atol=0.51 * step)
    assert sample["frames"].min() < 0  # noise below black stays
    assert sample["exposure"].tolist() == [1, 1, 1, 1] and sample["name"] == "street-a"
    assert_allclose(sample["noise_map"] ** 2, SHOT * sample["frames"].clip(0) + READ, rtol=1e-4)
    assert_allclose(sample["meta"]["white_balance"], [2, 1, 1 / 0.6], rtol=1e-5)
    assert dataset.task == TASKS["x4"] and dataset.task.planes_out == 3 and not dataset.task.bracketed


def test_values_end_at_white_and_a_mosaic_may_begin_with_green(tmp_path: Path) -> None:
    sample = opened(flat(tmp_path, level=1.0, white=700, cfa="GRBG")).whole(0)
    assert sample["frames"].max() == 1 and sample["frames"].shape == (3, 4, 16, 15)


def test_any_frame_may_be_shown(tmp_path: Path) -> None:
    planes = burst_planes(3)
    planes[0] = planes[0].mean((1, 2), keepdims=True)  # blurred to nothing
    write_burst(tmp_path, planes)
    plain = opened(tmp_path).whole(0)["frames"]
    sample = opened(tmp_path, reference=3).whole(0)
    assert sample["frame"] == "c"
    assert_allclose(sample["frames"], plain[[2, 0, 1]])
    assert opened(tmp_path, reference="sharpest").whole(0)["frame"] in "bc"
    assert sharpest(planes) > 0 and shown("sharpest") == "sharpest" and shown("2") == 2
    with pytest.raises(argparse.ArgumentTypeError, match="'0': the number of a frame, from 1, or sharpest"):
        shown("0")


def test_fewer_frames_are_the_first(tmp_path: Path) -> None:
    sample = opened(flat(tmp_path, 16), frame_num=2).whole(0)
    assert len(sample["frames"]) == len(sample["noise_map"]) == 2


def test_a_folder_of_bursts(tmp_path: Path) -> None:
    flat(tmp_path / "one")
    flat(tmp_path / "two", 2)
    dataset = opened(tmp_path, burst_task="denoise")
    assert len(dataset) == 2 and dataset.whole(1)["name"] == "two-a" and dataset.task.planes_out == 4


# Noise


def test_noise_is_measured_where_no_file_tells(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0.02, 0.6, 256, dtype=np.float32), (4, 256, 256))
    normal = np.random.default_rng(1).standard_normal(ramp.shape)
    planes = np.float32(ramp + np.sqrt(SHOT * ramp + 1e-4) * normal)
    slope, offset = measured_law(planes)
    assert_allclose([slope, offset], [SHOT, 1e-4], rtol=0.15)
    write_burst(tmp_path, planes[None], extra=[])
    law = noise_law(tmp_path / "a.dng", read_raw(tmp_path / "a.dng"))
    assert_allclose(law.slope, SHOT, rtol=0.15)
    assert_allclose(law.deviation(planes), np.sqrt(SHOT * planes.clip(0) + law.offset[0]), rtol=0.1)


def test_even_light_tells_one_variance_and_nothing_tells_none() -> None:
    normal = np.random.default_rng(1).standard_normal((4, 60, 70))
    slope, offset = measured_law(np.float32(0.4 + 0.01 * normal))
    assert slope == 0
    assert_allclose(offset, 1e-4, rtol=0.1)
    assert measured_law(np.full((4, 8, 8), 0.4, np.float32)) == (0.0, 0.0)
    assert NoiseLaw(np.zeros(4), np.zeros(4)).deviation(np.zeros((4, 2, 2))).min() > 0


def test_a_profile_of_each_colour(tmp_path: Path) -> None:
    tag = (51041, 12, 6, (1e-3, 1e-6, 2e-3, 2e-6, 3e-3, 3e-6), True)
    make_dng(tmp_path / "a.dng", extra=[tag])
    law = noise_law(tmp_path / "a.dng", read_raw(tmp_path / "a.dng"))
    assert_allclose(law.slope, [1e-3, 2e-3, 2e-3, 3e-3])
    assert_allclose(law.offset, [1e-6, 2e-6, 2e-6, 3e-6])


def test_a_calibration_that_is_named_counts_before_all(tmp_path: Path) -> None:
    camera = Path("data/simulate/calibrations/SonyA7S2.json")
    flat(tmp_path / "known", iso=1600)
    flat(tmp_path / "silent", iso=None)
    maps = [opened(tmp_path / "known", camera=name).whole(0)["noise_map"] for name in (None, camera)]
    assert not np.allclose(*maps, rtol=0.05)
    text = refused(tmp_path / "silent", camera=camera)
    assert text.endswith("a.dng does not tell its ISO speed, by which --camera knows its noise")


# What is refused


def test_other_sizes_cameras_and_exposures_are_refused(tmp_path: Path) -> None:
    for kind in ("size", "camera", "exposure"):
        flat(tmp_path / kind)
    flat(tmp_path / "size" / "more", 1, size=20)
    (tmp_path / "size" / "more" / "a.dng").rename(tmp_path / "size" / "d.dng")
    (tmp_path / "size" / "more").rmdir()
    assert refused(tmp_path / "size").endswith("d.dng does not fit a.dng: 20 x 20 cells, not 16 x 16 cells")
    other = [*profile(), (50708, 2, 0, "Another", True)]
    flat(tmp_path / "camera", 1, extra=other)
    assert refused(tmp_path / "camera").endswith(
        "b.dng does not fit a.dng: Bracketeer simulated camera, not Another"
    )
    make_dng(tmp_path / "exposure" / "c.dng", np.full((32, 32), 300, np.uint16), exposure_time=1 / 15)
    assert refused(tmp_path / "exposure").endswith(
        "c.dng was exposed 4 times as much as a.dng: a burst has one exposure, brackets are restored without "
        "--burst"
    )


def test_numbers_of_frames_that_are_no_burst_are_refused(tmp_path: Path) -> None:
    flat(tmp_path / "one", 1)
    flat(tmp_path / "many", 15)
    assert "one holds a single raw file, a.dng: a burst is 2 to 14" in refused(tmp_path / "one")
    assert "many holds 15 frames, 14 are the most: --frame_num 14" in refused(tmp_path / "many")
    assert "--frame_num 15: " in refused(tmp_path / "many", frame_num=15)
    assert "--frame_num 1: " in refused(tmp_path / "many", frame_num=1)
    assert "--reference 4: " in refused(tmp_path / "many", frame_num=3, reference=4)


def test_what_holds_no_raw_files_is_refused(tmp_path: Path) -> None:
    assert "holds no pictures; expected: 2 to 14 raw files" in refused(tmp_path)
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    assert refused(tmp_path).endswith(
        "a.png is no raw file: a burst is of raw files, brackets may be pictures"
    )


def test_it_is_not_trained_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--dataset_name burst has no targets"):
        BurstDataset(argparse.Namespace(dataroot=tmp_path), "train")


def test_options_of_reading_that_do_not_go_together() -> None:
    for changes, text in (
        ({"reference": 2}, "reference 2 is of bursts"),
        ({"burst": "x3"}, "unknown burst 'x3'; known: x4, denoise"),
        ({"burst": "x4", "border": 2}, "border 2: that is not for bursts"),
        ({"burst": "x4", "ratio": 2.0}, "ratio 2.0: that is not for bursts"),
    ):
        with pytest.raises(UserError, match=text):
            reading_options(**changes)


# Restoring


def restored(*words: object) -> Result:
    return run("restore.py", *words, "--gpu_ids", -1)


@pytest.mark.parametrize(("task", "factor"), [("x4", 4), ("denoise", 1)])
def test_restore_writes_light_picture_and_sheet(tmp_path: Path, task: str, factor: int) -> None:
    folder = write_burst(tmp_path / "street", burst_planes()[..., :24])
    ended = restored(folder, "--burst", task, "--out", tmp_path / "out")
    assert ended.status == 0, ended.err
    assert "4 raw files of 0.0 MP by BurstMerge" in ended.out
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["restored.json", "street.exr", "street.png", "street_sheet.png"]
    size = (64 * factor, 48 * factor, 3)
    assert read_exr(tmp_path / "out" / "street.exr").shape == size
    assert read_picture(tmp_path / "out" / "street.png").shape == size


def test_messages_of_the_program(tmp_path: Path) -> None:
    folder = flat(tmp_path / "one", 1)
    ended = restored(folder, "--burst", "x4")
    assert ended.status == 2 and "a burst is 2 to 14" in ended.err
    ended = restored(folder, "--burst", "x2")
    assert ended.status == 2 and "--burst" in ended.err


def test_the_python_door(tmp_path: Path) -> None:
    planes = burst_planes()
    scene = bracketeer.read(write_burst(tmp_path / "street", planes), burst="x4", frame_num=3)
    assert scene.burst == "x4" and len(scene.frames) == 3 and not scene.is_raw_bracket
    image = bracketeer.load(gpu_ids="-1").restore(scene)
    assert image.image.shape == (1, 3, 256, 256)
    truth = light()[:, 24:-24, 24:-24]
    inside = (slice(None), slice(24, -24), slice(24, -24))
    error = np.sqrt(np.square(image.image[0].numpy()[inside] - truth[inside]).mean())
    assert error < 0.08


def test_a_network_for_brackets_is_refused(tmp_path: Path) -> None:
    scene = read_scene(flat(tmp_path / "street", 5), reading_options(burst="x4"))
    weights = Path("ckpt/small/TMRNet_model_small.pth")
    with pytest.raises(UserError) as error:
        bracketeer.load(weights, gpu_ids="-1").restore(scene)
    assert str(weights) in str(error.value) and "\n" not in str(error.value)


def test_reference_is_checked_at_the_python_door() -> None:
    for wrong in (0, -1, "best", 1.5):
        with pytest.raises(UserError, match="the number of a frame, from 1, or sharpest"):
            reading_options(burst="x4", reference=wrong)


@pytest.mark.parametrize(("net", "task"), [("deeprep_sr", "x4"), ("deeprep_denoise", "denoise")])
def test_weights_that_were_trained_on_bursts(net: str, task: str, tmp_path: Path) -> None:
    """They say the strategy that trained them, which restores no brackets: the burst chooses it."""
    planes = {"out_channels": 3, "scale": 8} if task == "x4" else {"out_channels": 4}
    sizes = network_class(net).sizes["tiny"] | {"in_channels": 4, "alignment": "dis"}
    network = create_network(net, **sizes | planes)
    path = tmp_path / f"{type(network).__name__}_model_1.pth"
    checkpoint.save_weights(path, network.state_dict(), network.arguments, {"strategy": "deeprep"})
    scene = bracketeer.read(flat(tmp_path / "burst"), burst=task)
    restored = bracketeer.load(path, gpu_ids="-1").restore(scene)
    assert restored.image.shape[1] == planes["out_channels"]
    assert restored.image.isfinite().all()
