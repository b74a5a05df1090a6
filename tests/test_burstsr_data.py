"""BurstSR: levels, exposure, mirrors that keep the Bayer phase, order of frames, metadata, whole bursts."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data import burstsr_metadata, check
from data.augment import Augmentation
from data.burstsr_dataset import mirrored_frames, mirrored_target, split_of
from data.draws import Draw
from data.loading import create_validation_loader
from data.reading.burstsr_meta import read_meta
from tests.burst_sets import opened, options
from tests.burstsr_sets import (
    BLACK,
    MATRIX,
    MESSAGES,
    RATIO,
    SHOT,
    SIZE,
    change_meta,
    mosaicked,
    spoil,
    truth,
    write_set,
)
from tests.foreign import Command, foreign_classes
from tests.photo_files import make_dng
from util.errors import UserError

WAYS = [Augmentation(horizontal, vertical) for horizontal in (False, True) for vertical in (False, True)]
STEP = 1 / 1023
EXACT = {"rtol": 0, "atol": 1e-4}  # of a target that was stored in 14 bits


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set that is not to be written to."""
    return write_set(tmp_path_factory.mktemp("burstsr"))


@pytest.fixture
def own(written: Path, tmp_path: Path) -> Path:
    """A copy that may be spoiled."""
    return shutil.copytree(written, tmp_path / "set")


def draw(position: int, index: int = 0) -> Draw:
    return Draw(index, 0, 1, position, 0)


# Values


def test_levels_and_exposure(written: Path) -> None:
    dataset = opened("burstsr", "val", written, frame_num=14)
    assert len(dataset) == 2
    sample, target = dataset[0], truth(0)
    assert sample["frames"].shape == (14, 4, *SIZE)
    assert sample["frames"].dtype == torch.float32
    assert_allclose(sample["gt"].numpy(), target, **EXACT)
    assert sample["gt"].min() < -0.05
    assert sample["gt"].max() > 1.05
    seen = np.clip(mosaicked(target), -0.05, 0.88)
    for number, frame in enumerate(sample["frames"].numpy()):
        assert_allclose(frame, seen + number * STEP, rtol=0, atol=0.51 * STEP)
    assert sample["frames"].min() < 0
    assert sample["exposure"].tolist() == [1] * 14
    assert (sample["name"], sample["scene"], sample["frame"]) == ("0008_0000-00", "0008_0000", "00")
    assert dataset.border == 40
    assert dataset.scores == "aligned"


def test_more_light_on_the_phone_raises_the_target(own: Path) -> None:
    tags = {f"Image {name}": [top / bottom] for name, (top, bottom) in SHOT.items()}
    tags["Image ISOSpeedRatings"] = [100]
    change_meta(own / "val/0008_0000/samsung_00/meta_info.pkl", exif_data=tags)
    sample = opened("burstsr", "val", own)[0]
    assert_allclose(sample["gt"].numpy(), truth(0) / 2, **EXACT)
    assert_allclose(RATIO, 1.8085, atol=1e-4)


def test_rendering(written: Path) -> None:
    meta = opened("burstsr", "val", written)[0]["meta"]
    assert meta["white_balance"].tolist() == [2, 1, 1.5]
    assert_allclose(meta["cam2rgb"].numpy(), MATRIX, rtol=1e-6)
    assert meta["cfa"] == "RGGB"


@pytest.mark.parametrize("matrix", [None, np.zeros((3, 4)), np.ones((1, 3)), np.zeros((4, 3)), "none"])
def test_no_known_matrix(matrix, own: Path) -> None:
    change_meta(own / "val/0008_0000/samsung_00/meta_info.pkl", color_matrix=matrix)
    meta = opened("burstsr", "val", own)[0]["meta"]
    assert meta["cam2rgb"].tolist() == np.eye(3).tolist()


def test_matrices_of_xyz(written: Path) -> None:
    """White stays white, and colours become stronger."""
    matrix = read_meta(written / "val/0008_0000/canon", 3).rendering()["cam2rgb"]
    assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
    assert (np.diag(matrix) > 1).all()


# Splits and order


def test_splits(written: Path, own: Path) -> None:
    assert [split_of(Path("val") / name) for name in ("0008_1", "0021_1", "0014_1", "0221_1")] == [
        *("val", "test", "unused", "train")
    ]
    assert split_of(Path("val/0222_1")) == split_of(Path("val/mine")) == "val"
    for name in ("0008_9999", "0021_0001", "0014_0001"):
        shutil.copytree(own / "train/0000_0001", own / "train" / name)
    assert [burst.name for burst in opened("burstsr", "train", own).bursts] == ["0000_0001", "0001_0000"]
    assert [burst.name for burst in opened("burstsr", "test", own).bursts] == ["0008_0000", "0010_0003"]
    assert [burst.name for burst in opened("burstsr", "val", own, max_dataset_size=1).bursts] == ["0008_0000"]


def test_evaluation_is_in_order_and_fixed(written: Path) -> None:
    few, many = (opened("burstsr", "val", written, frame_num=count) for count in (5, 14))
    assert_array_equal(few[1]["frames"], many[1]["frames"][:5])
    assert_array_equal(many[1]["frames"], many[1]["frames"])


def numbers_of(frames: torch.Tensor) -> list[int]:
    """The numbers of frames, by which they are brighter than the first."""
    return [round(float((frame - frames[0]).mean() / STEP)) for frame in frames]


def test_training_draws_other_frames_in_random_order(written: Path) -> None:
    dataset = opened("burstsr", "train", written, frame_num=14)
    orders = [numbers_of(dataset[draw(position)]["frames"]) for position in range(6)]
    assert all(order[0] == 0 and sorted(order) == list(range(14)) for order in orders)
    assert len({tuple(order) for order in orders}) == 6
    few = opened("burstsr", "train", written, frame_num=4)
    drawn = [numbers_of(few[draw(position)]["frames"]) for position in range(40)]
    assert all(order[0] == 0 and len(set(order)) == 4 for order in drawn)
    assert {number for order in drawn for number in order} == set(range(14))


def test_a_patch_is_a_function_of_its_draw(written: Path) -> None:
    dataset = opened("burstsr", "train", written)
    first, again = dataset[draw(3, 1)], dataset[draw(3, 1)]
    assert first.keys() == again.keys() == {"frames", "exposure", "gt", "name"}
    assert_array_equal(first["frames"], again["frames"])
    assert_array_equal(first["gt"], again["gt"])


def test_validation_at_the_published_batch_size(written: Path) -> None:
    """Where the published loader drops its only batch, as one that is not full, and validates nothing."""
    opt = options(written, dataset_name="burstsr", batch_size=16, workers=0, gpu_ids="-1", frame_num=3)
    batches = list(create_validation_loader(opt))
    assert [batch["frames"].shape for batch in batches] == [(1, 3, 4, *SIZE)] * 2


# Mirrors


@pytest.mark.parametrize("how", WAYS)
def test_mirrors_keep_phase_and_alignment(how: Augmentation) -> None:
    target = truth(5)
    frames = mirrored_frames(mosaicked(target)[None], how)[0]
    assert frames.shape == (4, *SIZE)
    mirrored = mirrored_target(target, how)
    assert mirrored.shape == target.shape
    height, width = (side - mirror for side, mirror in zip(SIZE, (how.vertical, how.horizontal), strict=True))
    seen = mosaicked(mirrored)
    assert_allclose(frames[:, :height, :width], seen[:, :height, :width], rtol=0, atol=1e-6)
    for plane in range(4):  # the last cells are those before them
        assert_array_equal(
            frames[plane, height:], frames[plane, height - 1 : height].repeat(SIZE[0] - height, 0)
        )


def test_patches_are_aligned(written: Path) -> None:
    dataset = opened("burstsr", "train", written, frame_num=1)
    patches = [dataset[draw(position, position % 2)] for position in range(16)]
    for patch in patches:
        assert patch["frames"].shape == (1, 4, 6, 6)
        assert patch["gt"].shape == (3, 48, 48)
        seen = np.clip(mosaicked(patch["gt"].numpy()), -0.05, 0.88)
        assert_allclose(patch["frames"][0, :, :5, :5], seen[:, :5, :5], rtol=0, atol=0.6 * STEP)
    assert len({float(patch["gt"].sum()) for patch in patches}) == 16


def test_patch_of_a_whole_frame(written: Path) -> None:
    assert opened("burstsr", "train", written, patch_size=12)[draw(0)]["frames"].shape == (3, 4, 12, 12)


# Metadata


def test_json_says_the_same_and_is_preferred(own: Path, monkeypatch, capsys) -> None:
    before = opened("burstsr", "val", own)[0]
    monkeypatch.setattr("sys.argv", ["burstsr_metadata", "--dataroot", str(own)])
    assert burstsr_metadata.main() == 0
    assert "60 of 60 meta_info.pkl written as meta_info.json" in capsys.readouterr().out
    for path in own.rglob("meta_info.pkl"):
        path.unlink()
    after = opened("burstsr", "val", own)[0]
    assert_array_equal(before["gt"], after["gt"])
    assert_array_equal(before["frames"], after["frames"])
    record = own / "val/0008_0000/samsung_00/meta_info.json"
    assert json.loads(record.read_text())["black_level"] == BLACK
    record.write_text("{")
    with pytest.raises(UserError, match=r"meta_info\.json is damaged: copy it again"):
        opened("burstsr", "val", own)[0]


def test_metadata_that_cannot_be_read(own: Path, monkeypatch, capsys) -> None:
    spoil(own / "train/0000_0001", "pickle")
    monkeypatch.setattr("sys.argv", ["burstsr_metadata", "--dataroot", str(own)])
    assert burstsr_metadata.main() == 1
    printed = capsys.readouterr()
    assert "59 of 60" in printed.out
    assert "samsung_01/meta_info.pkl: damaged" in printed.err
    monkeypatch.setattr("sys.argv", ["burstsr_metadata", "--dataroot", str(own / "none")])
    with pytest.raises(UserError, match=r"there is no meta_info\.pkl in it or below"):
        burstsr_metadata.main()


def test_metadata_are_not_run(own: Path, tmp_path: Path) -> None:
    marker = tmp_path / "was_here"
    path = own / "val/0008_0000/samsung_00/meta_info.pkl"
    change_meta(path, im_preview=Command(f"touch {marker}"))
    opened("burstsr", "val", own)[0]
    change_meta(path, black_level=Command(f"touch {marker}"))
    with pytest.raises(UserError, match="black_level is not of 1 dimensions"):
        opened("burstsr", "val", own)[0]
    assert not marker.exists()


def test_fractions_of_newer_versions(own: Path) -> None:
    """A subclass of a fraction, by its text or its two parts."""
    with foreign_classes() as foreign:
        tags = {
            "Image ExposureTime": foreign.IfdTag([foreign.NewRatio("1/60")]),
            "Image FNumber": foreign.IfdTag([foreign.NewRatio(17, 10)]),
            "Image ISOSpeedRatings": foreign.IfdTag([200]),
        }
        path = own / "val/0008_0000/samsung_00/meta_info.pkl"
        change_meta(path, exif_data=tags)
    assert_allclose(opened("burstsr", "val", own)[0]["gt"].numpy(), truth(0), **EXACT)


# Faults


@pytest.mark.parametrize("what", MESSAGES)
def test_spoilt_bursts(what: str, own: Path) -> None:
    spoil(own / "val/0008_0000", what)
    with pytest.raises(UserError, match=MESSAGES[what]):
        opened("burstsr", "val", own)[0]
    spoil(own / "train/0000_0001", what)
    dataset = opened("burstsr", "train", own, frame_num=14, skip_damaged=True)
    assert dataset[draw(0)]["name"] == "0001_0000"


def test_what_cannot_be_opened(own: Path) -> None:
    with pytest.raises(UserError, match="--frame_num 15: bursts of burstsr have 14 frames"):
        opened("burstsr", "val", own, frame_num=15)
    with pytest.raises(UserError, match=r"--patch_size 13 is larger than the 12 px of .*0000_0001"):
        opened("burstsr", "train", own, patch_size=13)
    shutil.rmtree(own / "val")
    with pytest.raises(UserError, match="has no folder val; --val_freq 0 trains without validation"):
        opened("burstsr", "val", own)
    (own / "val").mkdir()
    with pytest.raises(UserError, match="val holds no bursts of this split; expected: train/ and val/"):
        opened("burstsr", "val", own)


def findings(root: Path, monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["check", "--dataset_name", "burstsr", "--dataroot", str(root)])
    status = check.main()
    return status, capsys.readouterr().out


def test_check(own: Path, monkeypatch, capsys) -> None:
    status, text = findings(own, monkeypatch, capsys)
    assert status == 0
    assert text == "4 samples: 0 faults in 0 places, 0 notes\n"
    spoil(own / "train/0000_0001", "size")
    spoil(own / "train/0001_0000", "pickle")
    (own / "val/0008_0000/canon/im_raw.png").unlink()
    tags = {f"Image {name}": [2 * top / bottom] for name, (top, bottom) in SHOT.items()}
    change_meta(own / "val/0010_0003/samsung_02/meta_info.pkl", exif_data=tags | {"Image FNumber": [1.7]})
    shutil.copytree(own / "val/0010_0003", own / "val/0021_0000")
    status, text = findings(own, monkeypatch, capsys)
    assert status == 1
    assert "samsung_01/im_raw.png: (11, 14) px, but frame 0 has (12, 14)" in text
    assert "0001_0000/samsung_01: meta_info.pkl: damaged, or not a pickle" in text
    assert "canon: cannot read" in text
    assert "0010_0003/samsung_02: exposed 4 times as long as frame 0" in text
    assert "note: " in text
    assert "0021_0000: its scene is of the split 'test': it is not read" in text


def test_check_of_brightness(own: Path, monkeypatch, capsys) -> None:
    tags = {f"EXIF {name}": [top / bottom] for name, (top, bottom) in SHOT.items()}
    change_meta(
        own / "val/0008_0000/canon/meta_info.pkl",
        exif_data=tags | {"EXIF ExposureTime": [1]},
        black_level=[0] * 4,
    )
    status, text = findings(own, monkeypatch, capsys)
    assert status == 1
    assert "after the exposures were matched" in text


# Whole bursts


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A scene as a folder and one as a zip file."""
    scene = tmp_path / "full/val/0008"
    for number in range(3):
        folder = scene / f"samsung_{number:02d}"
        folder.mkdir(parents=True)
        make_dng(folder / "im_raw.dng", seed_mosaic(number))
    (scene / "canon").mkdir()
    (scene / "canon/im_raw.CR2").write_bytes(b"not read")
    with zipfile.ZipFile(tmp_path / "full/val/0010.zip", "w") as archive:
        for path in sorted(scene.rglob("im_raw.*")):
            archive.write(path, Path("0010") / path.relative_to(scene))
    return tmp_path / "full"


def seed_mosaic(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 1000, (30, 42)).astype(np.uint16)


def test_whole_bursts(full: Path) -> None:
    dataset = opened("burstsr_full", "test", full)
    assert len(dataset) == 2
    unpacked, zipped = dataset[0], dataset[1]
    assert unpacked["frames"].shape[:2] == (3, 4)
    assert "gt" not in unpacked
    assert (zipped["scene"], zipped["frame"], zipped["name"]) == ("0010", "im_raw", "0010-im_raw")
    assert_array_equal(unpacked["frames"], zipped["frames"])
    assert len({float(frame.sum()) for frame in unpacked["frames"]}) == 3
    assert unpacked["meta"]["cfa"] == "RGGB"
    one = opened("burstsr_full", "test", full, frame_num=1)[1]["frames"]
    assert_array_equal(one, unpacked["frames"][:1])


def test_whole_bursts_that_cannot_be_read(full: Path) -> None:
    (full / "val/0010.zip").write_bytes(b"PK\x03\x04 no archive")
    (full / "val/0008/samsung_01/im_raw.dng").unlink()
    dataset = opened("burstsr_full", "test", full)
    with pytest.raises(UserError, match=r"0010\.zip cannot be unpacked"):
        dataset[1]
    with pytest.raises(UserError, match=r"0008 has 2 files \*\.dng: --frame_num 3 is too many"):
        dataset[0]
    with pytest.raises(UserError, match="has no ground truth: train and validate on burstsr"):
        opened("burstsr_full", "val", full)
    shutil.rmtree(full / "val")
    with pytest.raises(UserError, match="has no folder val"):
        opened("burstsr_full", "test", full)
    (full / "train").mkdir()
    with pytest.raises(UserError, match="train holds no scenes"):
        opened("burstsr_full", "test", full)
