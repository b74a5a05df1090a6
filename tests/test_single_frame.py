"""A single dark raw file: how its gain and the ratio of its amplification are known, and what it becomes."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bracketeer
from data.reading.frame_noise import measured_gain
from data.simulate.dng import write_dng
from data.simulate.sensors import named_sensor
from tests.programs import run, succeed
from tests.test_folder import opened
from util.errors import UserError
from util.imaging.radiance_exr import read_exr

BLACK, WHITE = 512, 16383
DOUBLE, ASCII = 12, 2  # types of a TIFF tag


def dark_light(size: tuple[int, int] = (192, 256)) -> np.ndarray:
    """A mosaic of smooth light in [0, 0.01], where 1 is the white level."""
    rows, columns = np.meshgrid(*(np.linspace(0, 1, side) for side in size), indexing="ij")
    return 0.0005 + 0.0095 * (0.5 + 0.5 * np.sin(5 * rows) * np.cos(4 * columns)) ** 2


def write_dark(folder: Path, gain: float = 2.0, light: np.ndarray | None = None, extra=(), **changes) -> Path:
    """A raw file of `gain` ADU per photoelectron and read noise of 3 ADU."""
    rng = np.random.default_rng(0)
    light = dark_light() if light is None else light
    counts = rng.poisson(light * (WHITE - BLACK) / gain)
    adu = BLACK + counts * gain + rng.normal(0, 3 * (light.max() > 0), light.shape)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"cfa": "RGGB", "neutral": (0.5, 1, 0.6), "color_matrices": [np.eye(3)], "illuminants": [21]}
    settings |= {"black": BLACK, "white": WHITE, "exposure_time": 0.04, "iso": 1600} | changes
    write_dng(folder / "dark.dng", np.rint(adu).clip(0, WHITE).astype(np.uint16), extra=extra, **settings)
    return folder


def test_gain_of_the_noise_profile(tmp_path: Path) -> None:
    profile = (51041, DOUBLE, 6, (3e-4, 1e-7, 2e-4, 1e-7, 4e-4, 1e-7), True)
    dataset = opened(write_dark(tmp_path / "a", extra=[profile]), ratio=50.0)
    sample = dataset[0]
    assert (dataset.task.carries, dataset.task.white, dataset.task.channels) == (("gain", "ratio"), 1.0, 4)
    assert sample["frames"].shape == (1, 4, 96, 128)
    assert_allclose(sample["gain"], [2e-4])  # that of green
    assert_allclose([sample["ratio"][0], 1 / sample["exposure"][0]], 50, rtol=1e-6)


def test_gain_of_a_calibrated_camera(tmp_path: Path) -> None:
    """Known by its name in the file, or named by its calibration."""
    sony = named_sensor("SonyA7S2").gain_of_iso(1600) / (WHITE - BLACK)
    model = [(271, ASCII, 0, "SONY", True), (272, ASCII, 0, "ILCE-7SM2", True)]
    assert_allclose(opened(write_dark(tmp_path / "a", extra=model))[0]["gain"], sony, rtol=1e-5)
    nikon = Path("data/simulate/calibrations/NikonD850.json")
    gain = opened(write_dark(tmp_path / "b", extra=model), camera=str(nikon))[0]["gain"]
    assert_allclose(gain, named_sensor("NikonD850").gain_of_iso(1600) / (WHITE - BLACK), rtol=1e-5)


@pytest.mark.parametrize("gain", [0.5, 2, 8])
def test_gain_of_the_noise(tmp_path: Path, gain: float) -> None:
    found = opened(write_dark(tmp_path / "a", gain))[0]["gain"] * (WHITE - BLACK)
    assert_allclose(found, gain, rtol=0.15)


def test_no_gain_without_differences_of_brightness() -> None:
    noise = np.random.default_rng(0).normal(0.1, 0.01, (4, 256, 256))
    assert measured_gain(noise) is None


def test_ratio_by_the_brightest_parts(tmp_path: Path) -> None:
    sample = opened(write_dark(tmp_path / "a"))[0]
    light = sample["frames"] * sample["ratio"]
    assert 60 < sample["ratio"] < 100  # the light goes to 0.01
    assert_allclose(np.quantile(light.numpy(), 0.99), 0.8, rtol=0.1)
    assert opened(write_dark(tmp_path / "b", light=0.1 + 78 * dark_light()))[0]["ratio"] == 1


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dark\.dng: values per photoelectron are not known"):
        opened(write_dark(tmp_path / "a", light=np.full((96, 96), 0.01)))[0]
    model = [(272, ASCII, 0, "NIKON D850", True)]
    with pytest.raises(UserError, match=r"dark\.dng: damaged or cut short: all its px hold only 512"):
        opened(write_dark(tmp_path / "b", light=np.zeros((96, 96)), extra=model))[0]
    write_dark(tmp_path / "c" / "one")
    for number in (1, 4):
        write_dark(tmp_path / "c" / "two", exposure_time=float(number))
        (tmp_path / "c" / "two" / "dark.dng").rename(tmp_path / "c" / "two" / f"{number}.dng")
    with pytest.raises(UserError, match="scenes of one frame and of several: restore them apart"):
        opened(tmp_path / "c")
    with pytest.raises(UserError, match=r"none\.json: no calibration of a camera"):
        opened(tmp_path / "a", camera="none.json")


def test_restored_by_the_merge(tmp_path: Path) -> None:
    """Without weights: amplified, and less noisy than it was."""
    folder = write_dark(tmp_path / "night")
    done = succeed("restore.py", folder, "--net", "exposure_merge", "--ratio", 80, "--gpu_ids", -1)
    assert "80 times brighter" in done.out
    light = read_exr(folder / "restored" / "night.exr")
    assert 0.3 < np.quantile(light[..., 1], 0.99) < 1.2
    result = run("restore.py", folder, "--ratio", "0.5", "--gpu_ids", -1)
    assert result.status == 2 and "expected a number, 1 or more" in result.err


def test_restored_by_the_weights_that_come_along(tmp_path: Path) -> None:
    """Nearer to the light than the amplified frame is, by the program and by the Python door."""
    folder = write_dark(tmp_path / "night")
    done = succeed("restore.py", folder, "--ratio", 80, "--gpu_ids", -1, "--save_imgs", "False")
    assert re.search("by UNet(?: in bf16)?, 80 times brighter", done.out)
    assert read_exr(folder / "restored" / "night.exr").shape == (192, 256, 3)
    scene, green = bracketeer.read(folder, ratio=80.0), dark_light()[1::2, ::2] * 80
    noise = np.abs(scene.frames[0, 2] * 80 - green).mean()
    for steps, share in ((0, 0.7), (2, 1)):
        restorer = bracketeer.load("ckpt/dark/UNet_model_dark.pth", gpu_ids="-1", iter_num=steps)
        assert np.abs(restorer.restore(scene).image[0, 2].numpy() - green).mean() < share * noise


def test_a_bright_file_needs_no_amplification(tmp_path: Path) -> None:
    folder = write_dark(tmp_path / "day", light=0.1 + 78 * dark_light())
    done = succeed("restore.py", folder, "--gpu_ids", -1, "--save_imgs", "False", "--iter_num", 2)
    assert "1 times brighter" in done.out


def test_options_of_a_single_file_are_not_for_brackets(tmp_path: Path) -> None:
    for number in (1, 4):
        write_dark(tmp_path / "two", exposure_time=float(number))
        (tmp_path / "two" / "dark.dng").rename(tmp_path / "two" / f"{number}.dng")
    with pytest.raises(UserError, match=r"--ratio is for a single raw file, and .*two holds 2"):
        opened(tmp_path / "two", ratio=50.0)
