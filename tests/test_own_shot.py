"""One's own shots whose rows are exposed in turn: the folder data set, both doors, messages."""

import argparse
from pathlib import Path

import numpy as np
import pytest

import bracketeer
from data.folder_dataset import FolderDataset
from data.own_rows import shot_task
from data.photos import read_scene, reading_options
from data.row_exposure import RowExposure
from data.simulate.row_shots import write_row_shot
from models.networks import create_network, network_class
from tests.photo_files import make_dng, write_picture
from tests.programs import Result, run
from tests.test_row_pairs import light
from util import checkpoint
from util.errors import UserError
from util.imaging.images import read_picture
from util.imaging.radiance_exr import read_exr

RATIO = 8
TURNED = {"cfa": "GBRG", "first_bright_row": 2}  # whose rows must be turned round
PROTOCOL = {"exposure ratio": "8", **dict(RowExposure().protocol())}


def radiance() -> np.ndarray:
    """Camera RGB (128, 192, 3), of which the longer exposure clips the highlights."""
    return light("astronaut", 0, (128, 192)) / 3


def write_shot(path: Path, **changes) -> Path:
    """A shot as DNG; returns its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_row_shot(path, radiance(), **{"ratio": RATIO, "kind": "gain"} | changes)
    return path.parent


def opened(root: Path, **changes) -> FolderDataset:
    options = vars(reading_options(sve=True)) | {"dataroot": root} | changes
    return FolderDataset(argparse.Namespace(**options), "test")


def refused(root: Path, **changes) -> str:
    with pytest.raises(UserError) as error:
        opened(root, **changes).whole(0)
    assert "\n" not in str(error.value)
    return str(error.value)


# The data set


def test_a_sample_is_what_networks_are_trained_on(tmp_path: Path) -> None:
    write_shot(tmp_path / "a" / "one.dng")
    write_shot(tmp_path / "b" / "two.dng", kind="time", **TURNED)
    write_shot(tmp_path / "b" / "three.dng", ratio=2, first_bright_row=1)
    dataset = opened(tmp_path)
    samples = [dataset.whole(index) for index in range(len(dataset))]
    assert [sample["name"] for sample in samples] == ["a-one", "b-three", "b-two"]
    assert dataset.opt.frame_num == 2
    for sample, ratio in zip(samples, (RATIO, 2, RATIO), strict=True):
        frames, exposure = sample["frames"], sample["exposure"]
        height, width = frames.shape[2:]
        assert frames.shape == (2, 1, height, width) and sample["mask"].shape == (1, height, width)
        assert frames.dtype == exposure.dtype == sample["mask"].dtype == np.float32
        assert height % 4 == width % 2 == 0
        assert exposure[0] == 1 and abs(exposure[1] / ratio - 1) < 0.02
        assert not frames[0, 0, 2::4].any() and not frames[1, 0, 0::4].any()
        assert sample["meta"]["cfa"] == "RGGB" and "gt" not in sample
    assert samples[2]["meta"]["orientation"] == 4


def test_the_task_is_that_of_the_weights(tmp_path: Path) -> None:
    write_shot(tmp_path / "one.dng")
    task = opened(tmp_path, row_order="long_first").task
    assert (task.channels, task.planes_out, task.period, task.white) == (1, 3, (4, 2), 1.0)
    assert task.carries == ("mask",) and dict(task.protocol)["row order"] == "long_first"
    assert "exposure ratio" not in dict(task.protocol)
    asked = argparse.Namespace(sve=True, model="sve", **_pattern_options())
    assert FolderDataset.asked(asked) == shot_task(asked)
    asked.model = "syn"
    with pytest.raises(UserError, match="restored by --model sve, not by --model syn"):
        FolderDataset.asked(asked)


def _pattern_options() -> dict:
    return {"row_order": "short_first", "guidance_mask": "binary", "mask_limits": None}


def test_options_that_are_not_for_shots(tmp_path: Path) -> None:
    write_shot(tmp_path / "one.dng")
    for changes in ({"ratio": 2.0}, {"border": 4}, {"response": "srgb"}, {"camera": "a.json"}, {"white": 9}):
        assert "that is not for --sve True" in refused(tmp_path, **changes)
    assert "--frame_num 3: with --sve True a raw file has 2" in refused(tmp_path, frame_num=3)
    assert len(opened(tmp_path, frame_num=2)) == 1
    assert "3 limits" not in refused(tmp_path, mask_limits=[0.1, 0.2, 0.3])


def test_files_that_are_no_such_shots(tmp_path: Path) -> None:
    plain = np.tile(np.linspace(100, 900, 128).astype(np.uint16), (128, 1))
    (tmp_path / "plain").mkdir()
    make_dng(tmp_path / "plain" / "plain.dng", plain)
    assert "plain.dng: its rows do not alternate in exposure" in refused(tmp_path / "plain")
    (tmp_path / "pictures").mkdir()
    write_picture(tmp_path / "pictures" / "a.png", np.zeros((16, 16, 3), np.uint8))
    assert "a.png is no raw file: --sve True is for raw files" in refused(tmp_path / "pictures")


def test_a_shot_is_not_taken_for_a_dark_file(tmp_path: Path) -> None:
    write_shot(tmp_path / "one.dng")
    assert "one.dng: its rows alternate in exposure (ratio 8" in refused(tmp_path, sve=None, model="syn")


def test_shots_are_not_taken_for_a_bracket(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_shot(tmp_path / f"{name}.dng")
    (tmp_path / "exposure.txt").write_text("1 4\n")
    changes = {"sve": None, "model": "syn", "frame_num": None, "trust_exposures": True}
    assert "two.dng: its rows alternate in exposure (ratio 8" in refused(tmp_path, **changes)


# The doors


def restored(*words: object) -> Result:
    return run("restore.py", *words, "--gpu_ids", -1)


def test_restore_writes_each_shot_upright(tmp_path: Path) -> None:
    write_shot(tmp_path / "shots" / "plain.dng")
    write_shot(tmp_path / "shots" / "turned.dng", **TURNED)
    out = tmp_path / "out"
    ended = restored(tmp_path / "shots", "--sve", "True", "--out", out, "--row_order", "long_first")
    assert ended.status == 0, ended.err
    assert "plain: 1 raw file of 0.0 MP by RowMerge, rows exposed 1 : " in ended.out
    names = [f"{name}{suffix}" for name in ("plain", "turned") for suffix in (".exr", ".png", "_sheet.png")]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "restored.json"])
    plain, turned = (read_exr(out / f"{name}.exr")[..., 1] for name in ("plain", "turned"))
    assert read_picture(out / "turned.png").shape[:2] == turned.shape
    likeness = [_likeness(plain, other) for other in (turned, turned[::-1])]
    assert likeness[0] > 0.97 > likeness[1] + 0.1


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two pictures, cut to the part that both have from the middle out."""
    height, width = (min(sides) // 2 * 2 - 8 for sides in zip(one.shape, other.shape, strict=True))
    parts = []
    for picture in (one, other):
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        part = picture[top : top + height, left : left + width]
        parts.append(part.reshape(height // 4, 4, -1, 4)[..., : part.shape[1] // 4 * 4].mean((1, 3)).ravel())
    return float(np.corrcoef(*parts)[0, 1])


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write_shot(tmp_path / "good.dng")
    make_dng(tmp_path / "bad.dng", np.tile(np.linspace(100, 900, 128).astype(np.uint16), (128, 1)))
    ended = restored(tmp_path, "--sve", "True", "--save_imgs", "False")
    assert ended.status == 2
    assert "bad.dng: its rows do not alternate" in ended.err
    assert (tmp_path / "restored" / "good.exr").is_file()


def test_the_python_door_merges_without_weights(tmp_path: Path) -> None:
    scene = bracketeer.read(write_shot(tmp_path / "one.dng"), sve=True)
    assert scene.rows is not None and not scene.is_raw_bracket
    assert scene.megapixels == pytest.approx(128 * 192 / 1e6)
    image = bracketeer.load(gpu_ids="-1").restore(scene)
    assert image.image.shape == (1, 3, 128, 192)
    error = image.image[0].numpy().transpose(1, 2, 0)[8:-8, 8:-8] - radiance()[8:-8, 8:-8]
    assert np.sqrt(np.square(error).mean()) < 0.05
    assert image.sheet().shape[1] == 4 * 192


def _weights(path: Path, **protocol: str) -> Path:
    network = create_network("svenet", **network_class("svenet").sizes["tiny"])
    facts = {"strategy": "sve", "protocol": PROTOCOL | protocol}
    checkpoint.save_weights(path, network.state_dict(), network.arguments, facts)
    return path


def test_weights_know_their_ratio_and_order(tmp_path: Path) -> None:
    scene = bracketeer.read(write_shot(tmp_path / "one" / "one.dng"), sve=True)
    image = bracketeer.load(_weights(tmp_path / "a.pth"), gpu_ids="-1").restore(scene)
    assert image.image.shape == (1, 3, 128, 192)
    with pytest.raises(UserError, match="trained with an exposure ratio of 2"):
        bracketeer.load(_weights(tmp_path / "b.pth", **{"exposure ratio": "2"}), gpu_ids="-1").restore(scene)
    long_first = _weights(tmp_path / "c.pth", **{"row order": "long_first"})
    with pytest.raises(UserError, match="was trained with row order long_first"):
        bracketeer.load(_weights(tmp_path / "c.pth", **{"row order": "long_first"}), gpu_ids="-1").restore(
            scene
        )
    other = read_scene(tmp_path / "one" / "one.dng", reading_options(sve=True, row_order="long_first"))
    long_first = _weights(tmp_path / "d.pth", **{"row order": "long_first"})
    assert bracketeer.load(long_first, gpu_ids="-1").restore(other).image.isfinite().all()


def test_reading_options_of_shots(tmp_path: Path) -> None:
    for changes, text in (
        ({"row_order": "odd_first"}, "unknown row_order 'odd_first'; known: short_first, long_first"),
        ({"guidance_mask": "hard"}, "unknown guidance_mask 'hard'"),
        ({"sve": True, "burst": "x4"}, "burst x4: that is not for sve"),
        ({"sve": True, "border": 2}, "--border 2: that is not for --sve True"),
    ):
        with pytest.raises(UserError, match=text):
            reading_options(**changes)
    write_shot(tmp_path / "a.dng")
    write_shot(tmp_path / "b.dng")
    with pytest.raises(UserError, match="holds 2 raw files, each a shot of its own"):
        read_scene(tmp_path, reading_options(sve=True))


def test_the_test_program(tmp_path: Path) -> None:
    write_shot(tmp_path / "shots" / "one.dng", **TURNED)
    words = ("--name", "a", "--checkpoints_dir", tmp_path, "--dataset_name", "folder", "--sve", "True")
    words += ("--dataroot", tmp_path / "shots", "--gpu_ids", -1)
    ended = run("test.py", "--model", "sve", *words)
    assert ended.status == 0, ended.err
    folder = tmp_path / "a" / "output_folder_reinhard_exposure_merge" / "shots"
    assert read_picture(folder / "one.png").shape == (124, 192, 3)
    ended = run("test.py", "--model", "syn", *words)
    assert ended.status == 2 and "--sve True: such shots are restored by --model sve" in ended.err
