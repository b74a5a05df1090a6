"""Data sets of three LDR exposures: values, layouts, messages, patches with and without a cache, check."""

import argparse
import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from numpy.testing import assert_array_equal

from data import create_dataset
from data.checks.sig17align_check import Sig17alignCheck
from data.draws import EpochBatches
from data.loading import create_loader, samples
from data.reading import block_cache
from data.reading.ldr_frames import RecentScenes, find_label
from data.reading.stated_exposures import Ratio, Stated, check_stated, measured_ratios, read_stated
from data.sig17align_dataset import Sig17alignDataset
from tests import bracket_sets
from tests.bracket_sets import draw
from tests.ldr_sets import make_ldr_set, merged, write_scene
from util.errors import UserError
from util.imaging.radiance import write_radiance
from util.imaging.radiance_hdr import read_hdr
from util.imaging.tiff_pictures import read_tiff
from util.parser import Parser
from util.task import Task

SIZE = (72, 88)
STAGE1, STAGE2 = ("color_label",), ("color_label", "structure_label")


def options(root: Path, **changes) -> argparse.Namespace:
    settings = {
        "dataset_name": "sig17align",
        "frame_num": 3,
        "align_inputs": "auto",
        "net": "ahdrnet",
        "model": "selfhdr1",
        "targets": STAGE1,
        "structure_label_path": None,
        "structure_labels": False,
    }
    return bracket_sets.options(root, **settings | changes)


def opened(root: Path, split: str = "test", **changes):
    return create_dataset(options(root, **changes), split)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be written to."""
    return make_ldr_set(tmp_path_factory.mktemp("ldr") / "set", size=SIZE)


@pytest.fixture
def own(shared: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(shared, tmp_path / "set"))


def structure_labels(root: Path, folder: Path, value: float = 0.5) -> Path:
    """Structure labels of all training scenes: the value, plus a hundredth of the scene's number."""
    for scene in (root / "Training").iterdir():
        label = np.full((*SIZE, 3), value + int(scene.name) / 100, np.float32)
        write_radiance(folder / f"{scene.name}.exr", label)
    return folder


def stored(folder: Path) -> np.ndarray:
    """Frames (3, 3, H, W) of a folder as the files have them."""
    return np.stack([read_tiff(folder / f"{number}.tif") for number in (1, 2, 3)]).transpose(0, 3, 1, 2)


def planes(path: Path) -> np.ndarray:
    return read_hdr(path).transpose(2, 0, 1)


# Values


def test_whole_samples_are_exact(shared: Path) -> None:
    dataset = opened(shared)
    assert len(dataset) == 1
    assert (dataset.task, dataset.border) == (Task(3, 1.0, 1), 0)
    assert dataset.one_per_scene
    assert dataset.scores == "radiance"
    sample, folder = dataset[0], shared / "Test" / "001"
    assert (sample["name"], sample["scene"], sample["meta"]) == ("001", "001", {})
    assert sample["frames"].dtype == sample["gt"].dtype == sample["exposure"].dtype == torch.float32
    expected = (stored(folder) / 65536.0) ** 2.2
    assert_array_equal(sample["frames"], expected.astype(np.float32))
    assert sample["frames"].max() == np.float32((65535 / 65536) ** 2.2)
    assert sample["exposure"].tolist() == [1, 4, 16]
    assert_array_equal(sample["gt"], planes(folder / "HDRImg.hdr"))
    assert_array_equal(sample["color_label"], planes(shared / "Test_align" / "001" / "HDRImg.hdr"))


def test_frames_divided_by_exposures_are_on_the_scale_of_the_labels(shared: Path) -> None:
    sample = opened(shared, align_inputs="yes")[0]
    medium, exposure = sample["frames"][1], sample["exposure"][1]
    seen = (medium > 0.01) & (medium < 0.99)
    assert float((medium / exposure - sample["gt"])[seen].abs().max()) < 0.003


def test_colour_labels_of_the_test_set_are_the_merge(shared: Path) -> None:
    frames = [read_tiff(shared / "Test_align" / "001" / f"{number}.tif") for number in (1, 2, 3)]
    expected = merged(frames, np.array([1, 4, 16])).transpose(2, 0, 1)
    error = np.abs(opened(shared)[0]["color_label"].numpy() - expected)
    assert (error <= expected.max(axis=0) / 256).all()  # RGBE


def test_exposures_are_relative_to_the_shortest(own: Path) -> None:
    (own / "Test" / "001" / "exposure.txt").write_text("-3\n-1\n1\n")
    assert opened(own)[0]["exposure"].tolist() == [1, 4, 16]


def test_eight_bits_are_divided_by_256(own: Path) -> None:
    for path in (own / "Test" / "001").glob("*.tif"):
        tifffile.imwrite(path, (read_tiff(path) >> 8).astype(np.uint8), photometric="rgb")
    codes = stored(own / "Test" / "001")
    assert codes.dtype == np.uint8
    assert_array_equal(opened(own)[0]["frames"], ((codes / 256.0) ** 2.2).astype(np.float32))


def test_validation_sees_the_upper_left_corner(tmp_path: Path) -> None:
    write_scene(tmp_path, "Test", "001", (520, 530))
    corner, whole = opened(tmp_path, "val")[0], opened(tmp_path)[0]
    assert corner["frames"].shape == (3, 3, 512, 512)
    assert torch.equal(corner["frames"], whole["frames"][..., :512, :512])
    assert torch.equal(corner["gt"], whole["gt"][..., :512, :512])
    assert "color_label" not in corner


def test_true_labels_are_optional_and_scenes_can_be_few(own: Path) -> None:
    for path in own.glob("T*/*/HDRImg.hdr"):
        if not path.parent.parent.name.endswith("_align"):
            path.unlink()
    assert "gt" not in opened(own)[0]
    with pytest.raises(
        UserError, match=r"gt of scene 001: true labels are needed, but --val_freq 0 validates"
    ):
        opened(own, "val")
    assert opened(own, "train", patch_size=16)[draw()].keys() == {"frames", "exposure", "name", "color_label"}
    assert len(opened(own, "train", max_dataset_size=1)) == 1


# Which frames


@pytest.mark.parametrize(
    ("split", "net", "choice", "aligned"),
    [
        ("test", "fshdr", "auto", True),
        ("test", "ahdrnet", "auto", False),
        ("val", "fshdr", "auto", False),
        ("test", "fshdr", "no", False),
        ("val", "ahdrnet", "yes", True),
    ],
)
def test_align_inputs(shared: Path, split: str, net: str, choice: str, aligned: bool) -> None:
    sample = opened(shared, split, net=net, align_inputs=choice)[0]
    codes = stored(shared / ("Test_align" if aligned else "Test") / "001")
    assert_array_equal(sample["frames"], ((codes / 65536.0) ** 2.2).astype(np.float32))


def test_structure_labels_are_made_of_aligned_training_scenes(shared: Path) -> None:
    dataset = opened(shared, structure_labels=True)
    assert [sample["scene"] for sample in dataset] == ["001", "002"]
    codes = stored(shared / "Training_align" / "002")
    assert_array_equal(dataset[1]["frames"], ((codes / 65536.0) ** 2.2).astype(np.float32))
    assert_array_equal(dataset[1]["gt"], planes(shared / "Training" / "002" / "HDRImg.hdr"))


def sen_scene(folder: Path, count: int, numbers: str, name: str = "exposures.txt") -> None:
    """`count` frames of 8 x 8 px; the number of each is its value."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        image = np.full((8, 8, 3), number, np.uint16)
        tifffile.imwrite(folder / f"{number:02d}.tiff", image, photometric="rgb")
    (folder / name).write_text(numbers)


@pytest.mark.parametrize(("count", "taken"), [(3, (1, 2, 3)), (4, (2, 3, 4)), (5, (2, 3, 4)), (7, (3, 4, 5))])
def test_sen_takes_the_middle_frames(tmp_path: Path, count: int, taken: tuple[int, ...]) -> None:
    stops = [-4 + 1.5 * number for number in range(count)]
    sen_scene(tmp_path / "Scenes" / "a", count, "\n".join(map(str, stops)))
    dataset = opened(tmp_path, dataset_name="sen")
    assert (dataset.targets, dataset.task) == ((), Task(3, 1.0, 1, scale=None))
    sample = dataset[0]
    assert_array_equal(sample["frames"][:, 0, 0, 0], ((np.array(taken) / 65536) ** 2.2).astype(np.float32))
    assert sample["exposure"].tolist() == pytest.approx([1, 2**1.5, 8])
    assert "gt" not in sample


def test_sen_takes_aligned_frames(tmp_path: Path) -> None:
    sen_scene(tmp_path / "Scenes" / "a", 5, "0 1 2 3 4")
    with pytest.raises(
        UserError, match=r"no folder .*Scenes_align/a: python -m data.align .*sen .*inputs no"
    ):
        opened(tmp_path, dataset_name="sen", net="fshdr")
    sen_scene(tmp_path / "Scenes_align" / "a", 3, "")
    sample = opened(tmp_path, dataset_name="sen", net="fshdr")[0]
    assert_array_equal(sample["frames"][:, 0, 0, 0], ((np.arange(1, 4) / 65536) ** 2.2).astype(np.float32))
    assert sample["exposure"].tolist() == [1, 2, 4]


def test_tursun_takes_frames_5_7_9_and_times(tmp_path: Path) -> None:
    sen_scene(tmp_path / "dataset" / "a", 10, " ".join(str(0.01 * 2**n) for n in range(10)), "exposure.txt")
    sample = opened(tmp_path, dataset_name="tursun")[0]
    assert_array_equal(sample["frames"][:, 0, 0, 0], ((np.array([5, 7, 9]) / 65536) ** 2.2).astype("f4"))
    assert sample["exposure"].tolist() == pytest.approx([1, 4, 16])


# Patches


@pytest.mark.parametrize("cached", [False, True])
def test_patches_are_cut_alike_from_frames_and_labels(shared: Path, tmp_path: Path, cached: bool) -> None:
    labels = structure_labels(shared, tmp_path / "labels")
    cache_dir = str(tmp_path / "cache") if cached else None
    dataset = opened(
        shared, "train", targets=STAGE2, structure_label_path=str(labels), cache_dir=cache_dir, patch_size=70
    )
    assert block_cache.BLOCK < 70  # so that blocks meet inside a patch
    corners = set()
    for position in range(8):
        index = position % 2
        sample, folder = dataset[draw(index, position)], shared / "Training" / f"{index + 1:03d}"
        assert sample.keys() == {"frames", "exposure", "name", "color_label", "structure_label"}
        whole = ((stored(folder) / 65536.0) ** 2.2).astype(np.float32)
        places = [
            (top, left)
            for top in range(SIZE[0] - 69)
            for left in range(SIZE[1] - 69)
            if np.array_equal(whole[..., top : top + 70, left : left + 70], sample["frames"])
        ]
        assert len(places) == 1
        rows, columns = (slice(first, first + 70) for first in places[0])
        color = planes(shared / "Training_align" / folder.name / "HDRImg.hdr")
        assert_array_equal(sample["color_label"], color[:, rows, columns])
        assert_array_equal(sample["structure_label"], np.full((3, 70, 70), 0.5 + (index + 1) / 100, "f4"))
        assert all(value.is_contiguous() for key, value in sample.items() if torch.is_tensor(value))
        corners.add(places[0])
    assert len(corners) > 5


def test_new_structure_labels_are_noticed(shared: Path, tmp_path: Path) -> None:
    labels = structure_labels(shared, tmp_path / "labels")
    settings = {
        "targets": STAGE2,
        "structure_label_path": str(labels),
        "cache_dir": str(tmp_path / "cache"),
    }
    first = opened(shared, "train", **settings)[draw()]
    structure_labels(shared, labels, 0.25)
    for path in labels.iterdir():
        os.utime(path, ns=(0, 10**18))
    second = opened(shared, "train", **settings)[draw()]
    assert torch.equal(first["frames"], second["frames"])
    assert torch.allclose(first["structure_label"] - second["structure_label"], torch.tensor(0.25))
    assert len(list((tmp_path / "cache").rglob("*.blocks"))) == 1


def test_true_labels_to_learn_from(shared: Path) -> None:
    sample = opened(shared, "train", targets=("gt",))[draw()]
    assert sample.keys() == {"frames", "exposure", "name", "gt"}
    assert sample["gt"].shape == (3, 16, 16)


def test_batches_do_not_depend_on_workers(shared: Path) -> None:
    batches = []
    for workers in (0, 2):
        opt = options(shared, workers=workers, gpu_ids="-1", epoch_iters=3)
        dataset = create_dataset(opt, "train")
        batches.append(list(samples(create_loader(dataset, opt, EpochBatches(len(dataset), opt)))))
    for one, other in zip(*batches, strict=True):
        assert one["name"] == other["name"]
        for key in ("frames", "exposure", "color_label"):
            assert torch.equal(one[key], other[key])


def test_recent_scenes_are_bounded_by_their_bytes(shared: Path) -> None:
    dataset = opened(shared, "train")
    scenes = [dataset._scene(folder) for folder in dataset.folders]
    size = SIZE[0] * SIZE[1] * (3 * 3 * 2 + 3 * 4)
    assert len(_held(RecentScenes(limit=2 * size), scenes)) == 2
    assert len(_held(RecentScenes(limit=2 * size - 1), scenes)) == 1
    assert len(_held(RecentScenes(limit=1), scenes)) == 1


def _held(recent: RecentScenes, scenes: list) -> dict:
    for scene in scenes:
        assert recent.get(scene) is recent.get(scene)
    return recent.held


# Exposure files


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("0 2", "stops", "2 numbers for 3 frames"),
        ("0 2 4 6", "stops", "4 numbers for 3 frames"),
        ("0 4 2", "stops", "0 4 2 do not rise"),
        ("0 0 2", "stops", "0 0 2 do not rise"),
        ("0 two 4", "stops", "could not convert string to float: 'two'"),
        ("0 nan 4", "stops", "are not finite"),
        ("1 4 16", "stops", "1 4 16 look like times, but must be stops"),
        ("1/60 1/15 1/4", "stops", "look like times"),
        ("-2 0 2", "times", "-2 0 2 look like stops, but must be times"),
        ("20 21 22", "times", "20 21 22 look like stops, but must be times"),
        ("4 2 1", "times", "4 2 1 do not rise"),
    ],
)
def test_bad_exposure_files(tmp_path: Path, text: str, unit: str, message: str) -> None:
    path = tmp_path / "exposure.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=f"^{path}: .*{message}"):
        read_stated(path, 3, unit)


@pytest.mark.parametrize("text", ["0 2 4 # stops", "# stops\n0\n2 # medium\n4\n#", "0,2,4#1,2,3"])
def test_comments_in_exposure_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "exposure.txt"
    path.write_text(text)
    assert read_stated(path, 3, "stops").exposures.tolist() == [1, 4, 16]


@pytest.mark.parametrize(
    ("name", "found"),
    [("exposure.txt", "exposures.txt"), ("exposures.txt", "exposure.txt"), ("exposure.txt", "Exposure.TXT")],
)
def test_exposure_files_of_another_name_are_named(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / found).write_text("0 2 4")
    with pytest.raises(
        UserError, match=f"^{tmp_path / name} does not exist, but {found} does: rename that: it"
    ):
        read_stated(tmp_path / name, 3, "stops")


def test_missing_and_unreadable_exposure_files(tmp_path: Path) -> None:
    path = tmp_path / "exposure.txt"
    with pytest.raises(UserError, match=f"^{path} does not exist: it must hold .* in stops"):
        read_stated(path, 3, "stops")
    path.write_bytes(b"\xff\xfe\xfa\x00")
    with pytest.raises(UserError, match=f"^{path}: cannot be read"):
        read_stated(path, 3, "stops")


@pytest.mark.parametrize(
    ("numbers", "unit", "ratios", "doubted"),
    [
        ((0.25, 1, 4), "stops", (4, 4), "times"),
        ((5, 7, 9), "times", (4, 4), "stops"),
        ((5, 7, 9), "times", (None, 5), "stops"),
        ((10, 12, 14), "times", (4, 4), "stops"),
        ((5, 7, 9), "times", (None, None), None),
        ((1, 4, 15), "times", (4, 3), None),
        ((1, 4, 16), "times", (1.1, 1.1), None),  # even steps: no stops
        ((0, 2, 4), "stops", (1.1, 1.1), None),  # no times: one is 0
        ((1, 3, 5), "stops", (16, 16), None),  # neither fits
        ((0.5, 1, 2), "stops", (2, 2), "times"),  # 1.41 and 2 as stops
        ((0.25, 0.5, 1), "stops", (2, 2), "times"),
        ((0.25, 0.5, 1), "stops", (1.8, None), "times"),
        ((1, 2, 3), "times", (2, 2), "stops"),
        ((1, 2, 3), "times", (1.8, 1.6), None),  # as far from 2 and 2 as from 2 and 1.5
        ((1, 3, 4), "stops", (4**0.7, 2**0.7), None),  # a tone curve
        ((1, 3, 4), "stops", (4**0.5, 2**0.5), None),
    ],
)
def test_the_frames_tell_the_unit(numbers, unit: str, ratios, doubted: str | None) -> None:
    stated = Stated(Path("e.txt"), np.array(numbers, float), unit)
    ratios = [ratio and Ratio(ratio, ratio) for ratio in ratios]
    if doubted is None:
        return check_stated(stated, ratios)
    with pytest.raises(UserError, match=f"^e.txt seems to hold {doubted}, but must hold {unit}: "):
        check_stated(stated, ratios)


def shown(light: np.ndarray, *exposures: float) -> list[Ratio | None]:
    return measured_ratios([np.minimum(light * exposure, 1) for exposure in exposures])


@pytest.mark.parametrize("numbers", [(0, 2, 4), (0, 1, 4)])
@pytest.mark.parametrize("exposures", [(16, 4, 1), (1, 16, 4), (4, 1, 16)])
def test_frames_that_get_darker_are_refused(numbers, exposures) -> None:
    light = np.exp2(np.random.default_rng(0).uniform(-8, 0, (64, 64)))
    expected = (
        r"^e.txt rises, but of the frames used, number [23] is 0\.\d+ times as bright as number [12]: are"
    )
    with pytest.raises(UserError, match=expected):
        check_stated(Stated(Path("e.txt"), np.array(numbers, float), "stops"), shown(light, *exposures))


@pytest.mark.parametrize(
    ("numbers", "unit"), [((0, 2, 4), "stops"), ((1, 4, 16), "times"), ((1, 2, 5), "times")]
)
def test_copies_of_one_frame_are_refused(numbers, unit: str) -> None:
    light = np.exp2(np.random.default_rng(0).uniform(-8, 0, (64, 64)))
    expected = (
        r"^e.txt rises \d times, but of .* 2 is 1 times as bright as number 1: have they the same exposure\?"
    )
    with pytest.raises(UserError, match=expected):
        check_stated(Stated(Path("e.txt"), np.array(numbers, float), unit), shown(light, 1, 1, 1))


@pytest.mark.parametrize(
    "light",
    [
        np.full((64, 64), 2.0),  # white in all frames
        np.full((64, 64), 1e-4),
        np.concatenate([np.full((62, 64), 1e-4), np.full((2, 64), 0.3)]),  # too little is well exposed
    ],
)
def test_frames_that_tell_nothing_are_not_refused(light: np.ndarray) -> None:
    check_stated(Stated(Path("e.txt"), np.array((0.0, 2, 4)), "stops"), shown(light, 1, 1, 1))


def test_light_that_does_not_depend_on_exposure_is_no_copy() -> None:
    """Such as a border, or a lifted black, that holds most of what is well exposed."""
    light = np.exp2(np.random.default_rng(0).uniform(-10, -5, (64, 64)))
    frames = [np.maximum(np.minimum(light * exposure, 1), 0.03) for exposure in (1, 4, 16)]
    check_stated(Stated(Path("e.txt"), np.array((0.0, 2, 4)), "stops"), measured_ratios(frames))


@pytest.mark.parametrize("curve", [1.0, 0.5, 0.25])
def test_tone_curves_and_clipping_are_no_fault(curve: float) -> None:
    light = np.exp2(np.random.default_rng(0).uniform(-12, 4, (64, 64)))
    ratios = measured_ratios([np.minimum(light * exposure, 1) ** curve for exposure in (1, 2, 4)])
    check_stated(Stated(Path("e.txt"), np.array((0.0, 1, 2)), "stops"), ratios)


def test_swapped_and_copied_frames_are_refused_when_a_scene_is_read(own: Path) -> None:
    folder = own / "Test" / "001"
    swap(folder / "1.tif", folder / "3.tif")
    with pytest.raises(UserError, match=rf"^{folder}/exposure.txt rises, but .* are they in order"):
        opened(own)[0]
    for number in (1, 3):
        shutil.copy(folder / "2.tif", folder / f"{number}.tif")
    with pytest.raises(UserError, match=rf"^{folder}/exposure.txt rises 4 times, but .* same exposure"):
        opened(own)[0]


@pytest.mark.parametrize("cached", [False, True])
def test_the_unit_is_checked_when_a_scene_is_read(own: Path, tmp_path: Path, cached: bool) -> None:
    path = own / "Training" / "001" / "exposure.txt"
    path.write_text("0.25 1 4")
    dataset = opened(own, "train", cache_dir=str(tmp_path / "cache") if cached else None)
    with pytest.raises(UserError, match=f"^{path} seems to hold times"):
        dataset[draw()]


# Messages


def write_like(path: Path, size: tuple[int, int]) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, np.zeros((*size, 3), np.uint16), photometric="rgb")
    else:
        write_radiance(path, np.zeros((*size, 3), np.float32))


@pytest.mark.parametrize(
    ("file", "split"),
    [("Test/001/2.tif", "test"), ("Test/001/HDRImg.hdr", "test"), ("Test/001/3.tif", "val")],
)
def test_other_sizes(own: Path, file: str, split: str) -> None:
    write_like(own / file, (60, 88))
    expected = f"{file}: 88 x 60 px, but .*Test/001/1.tif has 88 x 72 px; all images of a scene"
    with pytest.raises(UserError, match=expected):
        opened(own, split)[0]


def test_labels_of_another_size_in_training(own: Path, tmp_path: Path) -> None:
    labels = structure_labels(own, tmp_path / "labels")
    write_like(labels / "001.exr", (72, 80))
    dataset = opened(own, "train", targets=STAGE2, structure_label_path=str(labels))
    with pytest.raises(UserError, match=r"001.exr: 80 x 72 px, but .*/001/1.tif has 88 x 72 px"):
        dataset[draw()]


def test_a_scene_of_two_frames(own: Path) -> None:
    (own / "Training" / "002" / "3.tif").unlink()
    with pytest.raises(UserError, match=r"Training/002 holds 2 frames \*.tif, 3 are needed: expected: Train"):
        opened(own, "train")
    dataset = opened(own, "train", skip_damaged=True)
    assert dataset[draw(1)]["name"] == "001"


def test_scenes_of_the_original_layout_are_to_be_flattened(own: Path) -> None:
    (own / "Test" / "001").rename(own / "001")
    for name in ("EXTRA", "PAPER"):
        shutil.copytree(own / "001", own / "Test" / name / "001")
    with pytest.raises(
        UserError, match=f"^{own}/Test/EXTRA holds folders of scenes: move those into {own}/Test"
    ):
        opened(own)
    assert any("PAPER and EXTRA of Kalantari's Test are to be flattened" in line for line in findings(own))


def test_negative_labels(own: Path) -> None:
    path, label = own / "Test" / "001" / "HDRImg.exr", np.full((*SIZE, 3), 0.5, np.float32)
    label[0, 0] = -9e-4
    write_radiance(path, label)
    assert opened(own)[0]["gt"].unique().tolist() == [0, 0.5]
    assert not any("negative" in line for line in findings(own))
    label[0, 0] = -0.02
    write_radiance(path, label)
    with pytest.raises(UserError, match=rf"^{path}: holds negative values, down to -0.02: set them to 0$"):
        opened(own)[0]


def test_lzw(own: Path) -> None:
    expected = opened(own)[0]["frames"]
    for path in (own / "Test" / "001").glob("*.tif"):
        cv2.imwrite(str(path), read_tiff(path)[..., ::-1])
        with tifffile.TiffFile(path) as file:
            assert file.pages.first.compression == tifffile.COMPRESSION.LZW
    assert torch.equal(opened(own)[0]["frames"], expected)


def test_missing_folders(own: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--dataroot .*none is not a folder; expected there: Training/ and"):
        opened(tmp_path / "none")
    shutil.rmtree(own / "Test")
    with pytest.raises(UserError, match=r"has no folder Test; expected: Training/ and Test/ with <scene>/"):
        opened(own)
    with pytest.raises(UserError, match=r"has no folder Test; --val_freq 0 trains without validation"):
        opened(own, "val")
    (own / "Test").mkdir()
    with pytest.raises(UserError, match=r"Test holds no scenes; expected"):
        opened(own)


def test_missing_colour_labels_say_what_makes_them(own: Path) -> None:
    (own / "Training_align" / "002" / "HDRImg.hdr").unlink()
    command = f"python -m data.align --dataset_name sig17align --dataroot {own} makes it"
    with pytest.raises(UserError, match=rf"no .*align/002/HDRImg.hdr or .exr, color_label .* 002: {command}"):
        opened(own, "train")
    shutil.rmtree(own / "Training_align")
    with pytest.raises(UserError, match=command):
        opened(own, "train")
    with pytest.raises(UserError, match=rf"there is no folder .*Training_align/001: {command}"):
        opened(own, structure_labels=True)


def test_missing_true_and_structure_labels(own: Path, tmp_path: Path) -> None:
    (own / "Training" / "001" / "HDRImg.hdr").unlink()
    with pytest.raises(
        UserError, match=r"no .*001/HDRImg.hdr or .exr, gt of scene 001: true labels are needed"
    ):
        opened(own, "train", targets=("gt",))
    with pytest.raises(
        UserError, match=r"--model selfhdr2 learns from structure labels: .*--structure_label"
    ):
        opened(own, "train", targets=STAGE2, model="selfhdr2")
    folder = str(tmp_path / "none")
    with pytest.raises(
        UserError, match=rf"no {folder}/001.hdr or .exr.*structure_labels True.*train_selfhdr"
    ):
        opened(own, "train", targets=STAGE2, structure_label_path=folder)


def test_damaged_files(own: Path) -> None:
    path = own / "Test" / "001" / "1.tif"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"{path} is damaged"):
        opened(own)[0]
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match=f"{path} is damaged or is not a TIFF"):
        opened(own)[0]
    tifffile.imwrite(path, np.zeros((*SIZE, 3), np.float32), photometric="rgb")
    with pytest.raises(UserError, match=f"{path}: frames are pictures of 8 or 16 bits, it holds float32"):
        opened(own)[0]
    (own / "Training" / "001" / "1.tif").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"Training/001/1.tif is damaged or is not a TIFF"):
        opened(own, "train")
    label = np.full((*SIZE, 3), np.nan, np.float32)
    shutil.copy(own / "Training" / "002" / "1.tif", path)
    write_radiance(own / "Test" / "001" / "HDRImg.exr", label)
    with pytest.raises(UserError, match=r"HDRImg.exr: holds values that are not finite"):
        opened(own)[0]


def test_patches_that_do_not_fit(shared: Path) -> None:
    assert opened(shared, "train", patch_size=72)[draw()]["frames"].shape == (3, 3, 72, 72)
    with pytest.raises(UserError, match=r"--patch_size 73 is larger than the 72 px of .*001/1.tif"):
        opened(shared, "train", patch_size=73)


@pytest.mark.parametrize("name", ["sig17align", "sen", "tursun"])
def test_another_number_of_frames_is_refused(shared: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"^--frame_num 5: --dataset_name {name} has 3 frames per scene$"):
        opened(shared, dataset_name=name, frame_num=5)


@pytest.mark.parametrize(("name", "folder"), [("sen", "Scenes"), ("tursun", "dataset")])
def test_messages_of_sets_without_labels(tmp_path: Path, name: str, folder: str) -> None:
    for split in ("train", "val"):
        with pytest.raises(UserError, match=f"^--dataset_name {name} has no labels: test.py restores it"):
            opened(tmp_path, split, dataset_name=name)
    with pytest.raises(UserError, match=f"has no folder {folder}; expected: {folder}/<scene>/"):
        opened(tmp_path, dataset_name=name)
    (tmp_path / folder).mkdir()
    with pytest.raises(UserError, match=f"{folder} holds no scenes"):
        opened(tmp_path, dataset_name=name)
    sen_scene(tmp_path / folder / "a", 2, "0 1")
    fewest = {"sen": 3, "tursun": 9}[name]
    with pytest.raises(UserError, match=rf"{folder}/a holds 2 frames \*.tif, {fewest} are needed; expected"):
        opened(tmp_path, dataset_name=name)


# Options


def test_published_names_of_options() -> None:
    for is_train, words, key, value in (
        (True, ["--stru_lable_path", "x"], "structure_label_path", "x"),
        (True, ["--structure_label_path", "x"], "structure_label_path", "x"),
        (False, ["--stage0_inference", "True"], "structure_labels", True),
        (False, [], "structure_labels", False),
        (False, [], "align_inputs", "auto"),
    ):
        parser = Parser()
        parser.add_argument("--frame_num", type=int, default=5)
        Sig17alignDataset.modify_commandline_options(parser, is_train)
        opt = parser.parse_strictly(words)
        assert getattr(opt, key) == value
        assert opt.frame_num == 3


def test_suffixes_of_labels_count_in_any_case(own: Path) -> None:
    folder = own / "Test" / "001"
    (folder / "HDRImg.hdr").rename(folder / "HDRImg.HDR")
    assert find_label(folder, "HDRImg") == folder / "HDRImg.HDR"
    assert_array_equal(opened(own)[0]["gt"], planes(folder / "HDRImg.HDR"))
    write_radiance(folder / "HDRImg.exr", np.ones((*SIZE, 3), np.float32))
    (folder / "HDRImg.exr").rename(folder / "HDRImg.EXR")
    assert opened(own)[0]["gt"].unique().tolist() == [1]
    assert find_label(folder / "none", "HDRImg") is None


def test_the_exact_label_counts(tmp_path: Path) -> None:
    assert find_label(tmp_path, "a") is None
    (tmp_path / "a.hdr").touch()
    assert find_label(tmp_path, "a") == tmp_path / "a.hdr"
    (tmp_path / "a.exr").touch()
    assert find_label(tmp_path, "a") == tmp_path / "a.exr"


# The check


def findings(root: Path) -> list[str]:
    check = Sig17alignCheck(Sig17alignDataset, root)
    found = [*check.layout(), *(finding for folder in check.samples() for finding in check.sample(folder))]
    return [f"{finding.path.relative_to(root)}: {finding.text}" for finding in found]


def test_a_good_set_is_clean(shared: Path) -> None:
    assert findings(shared) == []


def swap(first: Path, second: Path) -> None:
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def scaled_label(path: Path, factor: float) -> None:
    write_radiance(path, read_hdr(path) * np.float32(factor))


def stale_aligned(root: Path) -> None:
    """Aligned frames that lie 12 px off."""
    for number in (1, 3):
        path = root / "Training_align" / "001" / f"{number}.tif"
        tifffile.imwrite(path, np.roll(read_tiff(path), 12, axis=1), photometric="rgb")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda root: (root / "Test/001/2.tif").unlink(), "Test/001: .*holds 2 frames"),
        (lambda root: write_like(root / "Test/001/3.tif", (60, 88)), "Test/001: .*3.tif: 88 x 60 px, but"),
        (lambda root: (root / "Test/001/exposure.txt").write_text("0 4 2"), "/exposure.txt: .*do not rise"),
        (lambda root: (root / "Test/001/exposure.txt").write_text("0.25 1 4"), "seems to hold times"),
        (
            lambda root: swap(root / "Test/001/1.tif", root / "Test/001/3.tif"),
            "Test/001/exposure.txt: rises, but of the frames used, number 2 is 0.2.* times as bright as",
        ),
        (lambda root: scaled_label(root / "Test/001/HDRImg.hdr", 3), "HDRImg.hdr: 3 times as bright as the"),
        (lambda root: scaled_label(root / "Training_align/001/HDRImg.hdr", 0.3), "HDRImg.hdr: 0.3 times as"),
        (lambda root: (root / "Training_align/001/HDRImg.hdr").unlink(), "Training_align/001: there is no"),
        (lambda root: (root / "Training_align/001/1.tif").unlink(), "Training_align/001: .*holds 2 frames"),
        (lambda root: shutil.rmtree(root / "Training_align/001"), "Training_align/001: there is no folder"),
        (stale_aligned, "Training_align/001/1.tif: is further from the medium frame"),
        (lambda root: shutil.rmtree(root / "Test_align"), "Test_align: there is no such folder: python"),
        (lambda root: shutil.rmtree(root / "Test/001"), "Test_align/001: there is no scene"),
        (lambda root: (root / "Test/001/1.tif").write_bytes(b"x"), "Test/001/1.tif: is damaged"),
    ],
)  # fmt: skip
def test_faults(own: Path, spoil, expected: str) -> None:
    spoil(own)
    lines = findings(own)
    assert any(re.search(expected, line) for line in lines), lines


def test_nan_and_saturation(own: Path) -> None:
    label = read_hdr(own / "Test/001/HDRImg.hdr")
    label[0, 0, 0], label[1, 1, 1] = np.nan, -1
    write_radiance(own / "Test/001/HDRImg.exr", label)
    tifffile.imwrite(own / "Training/001/1.tif", np.full((*SIZE, 3), 65535, np.uint16), photometric="rgb")
    lines = findings(own)
    assert "Test/001/HDRImg.exr: 1 values are not finite" in lines
    assert "Test/001/HDRImg.exr: 1 values are negative" in lines
    assert "Training/001/1.tif: 100% of the values are saturated" in lines
