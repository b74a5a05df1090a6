"""Bursts of photographs, and SyntheticBurst read."""

import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data.draws import Draw
from data.reading.burst_meta import read_burst_meta
from data.reading.photographs import find_photographs
from data.reading.plane_png import read_planes, write_planes
from data.simulate import burst, unprocessing
from data.simulate.brackets import Settings, parse
from tests.burst_sets import MESSAGES, opened, rng, simulate, spoil, write_photographs
from util.errors import UserError
from util.imaging.images import read_picture


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "set")


@pytest.fixture
def bursts(simulated: Path, tmp_path: Path) -> Path:
    """A copy of the simulated set that may be spoiled."""
    return shutil.copytree(simulated, tmp_path / "set")


def test_a_burst_is_a_function_of_its_draw(photographs: Path) -> None:
    dataset = opened("synburst_train", "train", photographs)
    draw = Draw(4, 0, 1, 7, 0)
    first, again, other = dataset[draw], dataset[draw], dataset[draw._replace(position=8)]
    assert first["frames"].shape == (3, 4, 6, 6)
    assert first["gt"].shape == (3, 48, 48)
    assert first["exposure"].tolist() == [1, 1, 1]
    assert first["name"] == "train-04"
    assert_array_equal(first["frames"], again["frames"])
    assert_array_equal(first["gt"], again["gt"])
    assert not np.array_equal(first["gt"], other["gt"])
    assert 0 <= first["frames"].min() < first["frames"].max() <= 1


def test_fewer_frames_are_the_first_ones(photographs: Path) -> None:
    few, many = (opened("synburst_train", "val", photographs, frame_num=count)[0] for count in (2, 5))
    assert_array_equal(few["frames"], many["frames"][:2])
    assert_array_equal(few["gt"], many["gt"])


def test_validation_is_fixed_and_shown_with_its_camera(photographs: Path) -> None:
    first, again = (opened("synburst_train", "val", photographs, seed=seed)[1] for seed in (0, 1))
    assert_array_equal(first["frames"], again["frames"])
    assert (first["scene"], first["frame"]) == ("val", "19")
    meta = first["meta"]
    shown = unprocessing.display(first["gt"].numpy(), {name: np.asarray(v) for name, v in meta.items()})
    assert shown.shape == (48, 48, 3)
    assert meta["cfa"] == "RGGB"
    assert 1.9 <= meta["white_balance"][0] <= 2.4


def test_photographs_are_shared_out(photographs: Path, tmp_path: Path) -> None:
    names = {
        split: [path.stem for path in find_photographs(photographs, split)] for split in ("train", "val")
    }
    assert names["val"] == ["09", "19"]
    assert len(names["train"]) == 18
    for place in ("train/canon", "test/canon"):
        (tmp_path / place).mkdir(parents=True)
        shutil.copy(photographs / "00.png", tmp_path / place / f"{place[:2]}.png")
    assert [path.stem for path in find_photographs(tmp_path, "train")] == ["tr"]
    assert [path.stem for path in find_photographs(tmp_path, "val")] == ["te"]
    (tmp_path / "test" / "canon" / "te.png").unlink()
    with pytest.raises(UserError, match=r"test holds no photographs to validate on; --val_freq 0 .*expected"):
        opened("synburst_train", "val", tmp_path)


def test_eight_bit_bursts_can_be_asked_for(photographs: Path) -> None:
    exact, rounded = (
        opened("synburst_train", "val", photographs, burst_bits=bits)[0] for bits in ("float", "8")
    )
    assert_array_equal(exact["gt"], rounded["gt"])
    assert 0 < (exact["frames"] - rounded["frames"]).abs().mean() < 2 / 255


def test_a_damaged_photograph_is_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"a\.jpg is damaged"):
        opened("synburst_train", "train", tmp_path)[Draw(0, 0, 1, 0, 0)]


# SyntheticBurst


def test_a_simulated_set_is_read_back(simulated: Path) -> None:
    dataset = opened("synburst", "test", simulated, frame_num=14)
    sample = dataset[1]
    assert len(dataset) == 2
    assert sample["frames"].shape == (14, 4, 16, 20)
    assert sample["gt"].shape == (3, 128, 160)
    assert (sample["name"], sample["scene"]) == ("0001-00", "0001")
    codes = read_picture(simulated / "test" / "canon" / "coffee_000001.png")
    again = burst.take_burst(
        codes, (16, 20), 14, Settings(layout="synburst").rng("Test", "coffee", 1, "burst")
    )
    assert_allclose(sample["frames"], again.frames, atol=0.51 / 2**14)
    assert_allclose(sample["gt"], again.gt, atol=0.51 / 2**14)
    assert_allclose(sample["meta"]["cam2rgb"], again.camera.cam2rgb)
    assert_array_equal(opened("synburst", "val", simulated)[1]["frames"], sample["frames"][:3])
    assert len(opened("synburst_train", "train", simulated)) == 1
    assert len(opened("synburst_train", "val", simulated)) == 2


def test_planes_are_those_that_opencv_has_first(tmp_path: Path) -> None:
    planes = rng().integers(0, 2**14, (4, 3, 5), dtype=np.uint16)
    write_planes(tmp_path / "raw.png", planes)
    assert_array_equal(read_planes(tmp_path / "raw.png", 4), planes)
    stored = cv2.imread(str(tmp_path / "raw.png"), cv2.IMREAD_UNCHANGED)
    assert_array_equal(stored[..., 0], planes[0])
    write_planes(tmp_path / "rgb.png", planes[:3])
    assert_array_equal(read_picture(tmp_path / "rgb.png").transpose(2, 0, 1), planes[2::-1])  # file order


def test_published_meta_is_read(tmp_path: Path) -> None:
    entries = {
        "rgb2cam": torch.eye(3),
        "cam2rgb": torch.arange(9.0).reshape(3, 3),
        "rgb_gain": torch.tensor([1.25]),
        "red_gain": torch.tensor([2.0]),
        "blue_gain": torch.tensor([1.5]),
        "smoothstep": True,
        "gamma": True,
        "shot_noise_level": 0.01,
    }
    (tmp_path / "meta_info.pkl").write_bytes(pickle.dumps(entries))
    meta = read_burst_meta(tmp_path)
    assert_array_equal(meta["white_balance"], np.float32([2, 1, 1.5]))
    assert_array_equal(meta["cam2rgb"], np.arange(9, dtype=np.float32).reshape(3, 3))
    assert meta["rgb_gain"].shape == ()
    assert float(meta["rgb_gain"]) == 1.25


def test_bursts_without_targets_can_be_tested_on(bursts: Path) -> None:
    shutil.rmtree(bursts / "gt")
    sample = opened("synburst", "test", bursts)[0]
    assert "gt" not in sample
    assert_array_equal(sample["meta"]["white_balance"], 1)


@pytest.mark.parametrize("what", MESSAGES)
def test_what_is_wrong_is_named(bursts: Path, what: str) -> None:
    spoil(bursts, what)
    with pytest.raises(UserError, match=MESSAGES[what]):
        opened("synburst", "test", bursts)[0]


def test_wrong_use_is_refused(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train on photographs, by --dataset_name synburst_train"):
        opened("synburst", "train", simulated)
    with pytest.raises(UserError, match="no folder bursts; expected: bursts/<burst>"):
        opened("synburst", "test", tmp_path)
    (tmp_path / "bursts").mkdir()
    with pytest.raises(UserError, match="holds no bursts"):
        opened("synburst", "test", tmp_path)
    with pytest.raises(UserError, match="0000 has 14 frames: --frame_num 15 is too many"):
        opened("synburst", "test", simulated, frame_num=15)[0]
    with pytest.raises(UserError, match="nothing moves before photographs with --layout synburst"):
        parse(["--layout", "synburst", "--out", "x", "--foreground", "0.5"])
