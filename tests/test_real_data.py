"""The real data set: layout, exposures, windows, and patches with and without a cache."""

import argparse
import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data import create_dataset, real_dataset
from data.augment import Augmentation, augment, augment_pattern
from data.reading import block_cache
from tests.bracket_sets import draw, options
from tests.photo_files import make_dng, make_scene, random_mosaic, write_shaded
from util.errors import UserError
from util.imaging.bayer import PLANES, pack, unpack

ALL_AUGMENTATIONS = [Augmentation(*bits) for bits in itertools.product((False, True), repeat=3)]
EXPOSURES = (1, 4, 16, 64, 256)
SIZE = (150, 210)  # of a mosaic: 75 x 105 packed px, more than a block of the cache


def real_options(root: Path, **changes) -> argparse.Namespace:
    settings = {"dataset_name": "real", "model": "real", "centre_quarter": None, "phase": "file"}
    return options(root, **settings | changes)


def write_scene(folder: Path, seed: int, cfa: str = "GRBG", size: tuple[int, int] = SIZE) -> Path:
    """Five random frames with exposure.txt; their exposures by EXIF agree."""
    folder.mkdir(parents=True)
    for number, exposure in enumerate(EXPOSURES, 1):
        mosaic = random_mosaic(10 * seed + number, size)
        make_dng(folder / f"{number}.dng", mosaic, cfa=cfa, exposure_time=exposure / 1000)
    (folder / "exposure.txt").write_text("1 4 16\n64 256\n")
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real")
    for number, scene in enumerate(("a", "b", "c-d")):
        write_scene(root / "Train" / scene, number)
    for number, scene in enumerate("abcd"):
        write_scene(root / "Test" / scene, 5 + number)
    return root


def values_of(folder: Path, cfa: str = "GRBG") -> np.ndarray:
    """Normalised and clipped frames (5, 4, h, w) of a scene of `write_scene`, computed from its seed."""
    seed = {"Train": 0, "Test": 5}[folder.parent.name] + "abcd".index(folder.name[0])
    mosaics = [random_mosaic(10 * seed + number, SIZE) for number in range(1, 6)]
    return np.clip((np.stack([pack(mosaic, cfa) for mosaic in mosaics]) - 64.0) / 959, 0, 1)


# Whole samples


def test_a_whole_sample_is_what_was_measured(root: Path) -> None:
    dataset = create_dataset(real_options(root), "test")
    assert len(dataset) == 4
    sample = dataset[1]
    assert sample["frames"].dtype == torch.float32 and sample["frames"].shape == (5, 4, 75, 105)
    assert_allclose(sample["frames"], values_of(root / "Test" / "b"), atol=1e-6)
    assert sample["exposure"].tolist() == [1 / 16, 1 / 4, 1, 4, 16]
    assert (sample["scene"], sample["frame"], sample["name"]) == ("b", "1", "b-1")
    assert sample["meta"]["cfa"] == "GRBG" and sample["meta"]["orientation"] == 1
    assert "gt" not in sample and dataset.task.channels == 4 and dataset.border == 0


def test_fewer_frames_keep_the_scale_of_the_third(root: Path) -> None:
    sample = create_dataset(real_options(root, frame_num=2), "test")[0]
    assert sample["frames"].shape[0] == 2 and sample["exposure"].tolist() == [1 / 16, 1 / 4]


def test_levels_and_pattern_are_those_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "Test" / "a"
    folder.mkdir(parents=True)
    mosaics = [random_mosaic(number) * 4 + 500 for number in range(5)]
    for number, mosaic in enumerate(mosaics):
        settings = {"black": 512, "white": 4000, "cfa": "BGGR", "exposure_time": 2.0**number}
        make_dng(folder / f"{number}.dng", mosaic, **settings)
    sample = create_dataset(real_options(tmp_path), "test")[0]
    expected = [np.clip((pack(mosaic, "BGGR") - 512.0) / 3488, 0, 1) for mosaic in mosaics]
    assert_allclose(sample["frames"], expected, atol=1e-6)
    assert_allclose(sample["exposure"], (0.25, 0.5, 1, 2, 4))  # by EXIF: there is no exposure.txt
    assert sample["meta"]["cfa"] == "BGGR"


def test_validation_takes_every_third_scene_and_the_published_crop(tmp_path: Path) -> None:
    for scene in "abcd":
        make_scene(tmp_path / "Test" / scene)
    dataset = create_dataset(real_options(tmp_path), "val")
    assert [folder.name for folder in dataset.folders] == ["a", "d"]
    dataset.validation_size, dataset.validation_corner = (4, 6), (2, 3)
    assert dataset._window((15, 21)) == (slice(2, 6), slice(3, 9))
    assert dataset._window((5, 4)) == (slice(1, 5), slice(0, 4))  # moved and cut, so that it lies inside
    published = real_dataset.RealDataset
    assert (published.validation_size, published.validation_corner) == ((128, 512), (1000, 1000))


def test_models_that_enlarge_are_tested_on_the_central_quarter(root: Path) -> None:
    whole = values_of(root / "Test" / "a")
    sample = create_dataset(real_options(root, model="realplus"), "test")[0]
    assert_allclose(sample["frames"], whole[..., 28:46, 39:65], atol=1e-6)  # 3/8 to 5/8 of 75 and 105
    everything = create_dataset(real_options(root, model="realplus", centre_quarter=False), "test")[0]
    assert everything["frames"].shape[-2:] == (75, 105)
    quarter = create_dataset(real_options(root, centre_quarter=True), "test")[0]
    assert_array_equal(quarter["frames"], sample["frames"])


@pytest.mark.parametrize(
    ("phase", "augment", "model", "expected"),
    [
        ("red", "cfa", "real", True),
        ("file", "cfa", "real", False),
        ("red", "published", "real", False),
        ("red", "cfa", "realplus", True),
    ],
)
def test_only_planes_that_lie_as_named_are_a_mosaic(
    root: Path, phase: str, augment: str, model: str, expected: bool
) -> None:
    opt = real_options(root, phase=phase, augment=augment, model=model)
    assert create_dataset(opt, "train").task.mosaic == expected


def test_a_simulated_target_is_given_where_it_fits(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "Test" / "a")
    target = np.random.default_rng(0).uniform(0, 16, (15, 21, 4)).astype(np.float32)
    np.save(folder / "raw_gt.npy", target)
    assert_array_equal(create_dataset(real_options(tmp_path), "test")[0]["gt"], target.transpose(2, 0, 1))
    central = create_dataset(real_options(tmp_path, centre_quarter=True), "test")[0]["gt"]
    assert_array_equal(central, target[5:9, 7:13].transpose(2, 0, 1))
    assert "gt" not in create_dataset(real_options(tmp_path, model="realplus"), "test")[0]


@pytest.mark.parametrize("cfa", PLANES)
def test_mosaics_can_begin_with_red(tmp_path: Path, cfa: str) -> None:
    """All planes, and the target, are those of one RGGB mosaic that lies inside the whole one."""
    folder = write_scene(tmp_path / "Test" / "a", 5, cfa)
    target = np.random.default_rng(0).uniform(0, 16, SIZE).astype(np.float32)
    np.save(folder / "raw_gt.npy", pack(target, cfa).transpose(1, 2, 0))
    sample = create_dataset(real_options(tmp_path, phase="red"), "test")[0]
    top, left = PLANES[cfa][0]
    height, width = (SIZE[0] - top) // 2 * 2, (SIZE[1] - left) // 2 * 2
    part = slice(top, top + height), slice(left, left + width)
    for number, frame in enumerate(sample["frames"].numpy(), 1):
        mosaic = np.clip((random_mosaic(50 + number, SIZE)[part] - 64.0) / 959, 0, 1)
        assert_allclose(unpack(frame, "RGGB"), mosaic, atol=1e-6)
    assert_array_equal(unpack(sample["gt"].numpy(), "RGGB"), target[part])
    assert sample["meta"]["cfa"] == "RGGB"


@pytest.mark.parametrize("phase", ["red", "file"])
def test_rendering_follows_the_first_frame_and_the_window(tmp_path: Path, phase: str) -> None:
    folder = tmp_path / "Test" / "a"
    folder.mkdir(parents=True)
    write_shaded(folder / "1.dng", cfa="GRBG", exposure_time=0.001)
    for number in range(2, 6):
        settings = {"neutral": (0.25, 1, 0.25), "cfa": "GRBG", "exposure_time": number / 10}
        make_dng(folder / f"{number}.dng", random_mosaic(size=(64, 96)), **settings)
    opt = real_options(tmp_path, centre_quarter=True, phase=phase, trust_exposures=True)
    sample = create_dataset(opt, "test")[0]
    assert_allclose(sample["meta"]["white_balance"], (2, 1, 1 / 0.6), rtol=1e-5)
    shading = sample["meta"]["shading"]
    assert shading.shape == (4, 8, 8) and sample["frames"].shape[-2] == 8
    rows = 12 + np.arange(8) + 0.5  # of 32
    assert_allclose(shading.mean(dim=(0, 2)), 1 + 2 * rows / 32, atol=0.01)


# Patches


@pytest.mark.parametrize("cfa", PLANES)
def test_any_pattern_survives_cfa_augmentation(cfa: str) -> None:
    rows, columns = np.mgrid[:14, :14]
    mosaic = 1000 * rows + columns
    colours = {place: "RGGB"[plane] for plane, place in enumerate(PLANES[cfa])}
    ways = set()
    for how in ALL_AUGMENTATIONS:
        planes = augment_pattern(pack(mosaic, cfa).transpose(1, 2, 0), how, cfa)
        result = unpack(planes.transpose(2, 0, 1), cfa)
        y, x = np.divmod(result[:2, :2], 1000)
        assert all(colours[place] == colours[y[place] % 2, x[place] % 2] for place in np.ndindex(2, 2))
        down, right = int(result[1, 0] - result[0, 0]), int(result[0, 1] - result[0, 0])
        assert {abs(down), abs(right)} == {1, 1000}
        assert_array_equal(result, result[0, 0] + down * rows[:12, :12] + right * columns[:12, :12])
        ways.add((down, right))
    assert len(ways) == 8  # flips and transpositions of a piece of the mosaic, all of them


def place_of(patch: np.ndarray, whole: np.ndarray) -> tuple[int, int] | None:
    """Row and column at which the first plane of a patch (T, 4, h, w) lies in the whole frames."""
    side = patch.shape[-1]
    for top, left in np.ndindex(whole.shape[-2] - side + 1, whole.shape[-1] - side + 1):
        window = whole[..., top : top + side, left : left + side]
        if np.allclose(patch[0, 0], window[0, 0], atol=1e-6):
            return top, left
    return None


def test_patches_are_windows_of_all_frames_and_cover_them(root: Path) -> None:
    dataset = create_dataset(real_options(root), "train")
    whole = values_of(root / "Train" / "b")
    places = []
    for position in range(12):
        sample = dataset[draw(1, position)]
        assert set(sample) == {"frames", "exposure", "name"} and sample["name"] == "b-1"
        top, left = place_of(sample["frames"].numpy(), whole)
        assert_allclose(sample["frames"], whole[..., top : top + 16, left : left + 16], atol=1e-6)
        places.append((top, left))
    assert len(set(places)) > 10 and torch.equal(dataset[draw(1, 3)]["frames"], dataset[draw(1, 3)]["frames"])


def test_patches_that_begin_with_red_lie_inside_every_pattern(root: Path) -> None:
    dataset = create_dataset(real_options(root, phase="red"), "train")
    mosaic = np.clip((random_mosaic(1, SIZE)[:, 1:-1] - 64.0) / 959, 0, 1)
    whole = pack(mosaic)[None]
    places = [place_of(dataset[draw(0, position)]["frames"].numpy(), whole) for position in range(8)]
    assert None not in places
    assert max(top for top, _ in places) <= 74 - 16 and max(left for _, left in places) <= 104 - 16


def test_published_augmentation_is_shared_by_a_batch(root: Path) -> None:
    plain, flipped = (
        create_dataset(real_options(root, augment=mode), "train") for mode in ("none", "published")
    )
    for batch in range(6):
        found = set()
        for one in (draw(0, 2 * batch, batch=batch), draw(1, 2 * batch + 1, batch=batch)):
            patch, result = (
                dataset[one]["frames"].permute(0, 2, 3, 1).numpy() for dataset in (plain, flipped)
            )
            found.add(next(how for how in ALL_AUGMENTATIONS if np.array_equal(augment(patch, how), result)))
        assert len(found) == 1


@pytest.mark.parametrize("phase", ["red", "file"])
@pytest.mark.parametrize("mode", ["published", "cfa", "none"])
def test_cached_patches_are_bit_equal(root: Path, tmp_path: Path, mode: str, phase: str) -> None:
    changes = {"augment": mode, "phase": phase, "patch_size": 70}
    direct, cached = (
        create_dataset(real_options(root, cache_dir=cache, **changes), "train")
        for cache in (None, str(tmp_path))
    )
    assert block_cache.BLOCK < 70  # so that blocks meet inside a patch
    for position in range(12):
        one = draw(position % 3, position)
        expected, sample = direct[one], cached[one]
        assert torch.equal(sample["frames"], expected["frames"])
        assert torch.equal(sample["exposure"], expected["exposure"])


def test_raw_files_are_read_once_with_a_cache(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opt = real_options(root, cache_dir=str(tmp_path))
    create_dataset(opt, "train")[draw(0)]
    size = next(tmp_path.rglob("a.blocks")).stat().st_size
    assert size == pytest.approx(2 * 2 * 5 * 4 * 64 * 64 * 2, rel=0.01)  # four blocks of 16 bits, no target
    monkeypatch.setattr(real_dataset, "read_alike", None)
    create_dataset(opt, "train")[draw(0, 1)]


def test_a_cache_notices_other_files_though_they_are_old(tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "Train" / "a", 0)
    opt = real_options(tmp_path, cache_dir=str(tmp_path / "cache"))
    before = create_dataset(opt, "train")[draw(0)]["frames"]
    for old, new in (("1", "x"), ("2", "1"), ("x", "2")):
        (folder / f"{old}.dng").rename(folder / f"{new}.dng")
    swapped = create_dataset(opt, "train")[draw(0)]["frames"]
    assert torch.equal(swapped, before[[1, 0, 2, 3, 4]])
    make_dng(folder / "3.dng", random_mosaic(77, SIZE), cfa="GRBG")
    os.utime(folder / "3.dng", (1, 1))
    replaced = create_dataset(opt, "train")[draw(0)]["frames"]
    changed = [not torch.equal(*pair) for pair in zip(replaced, swapped, strict=True)]
    assert changed == [False, False, True, False, False]


def test_phases_have_caches_of_their_own(root: Path, tmp_path: Path) -> None:
    for phase in ("file", "red"):
        direct, cached = (
            create_dataset(real_options(root, phase=phase, cache_dir=cache), "train")[draw(0)]["frames"]
            for cache in (None, str(tmp_path))
        )
        assert torch.equal(cached, direct)


# Mistakes


def test_the_layout_is_named_where_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no folder Train; expected: Train/ and Test/ with <scene>/"):
        create_dataset(real_options(tmp_path), "train")
    (tmp_path / "Train").mkdir()
    with pytest.raises(UserError, match="Train holds no scenes; expected"):
        create_dataset(real_options(tmp_path), "train")


def test_too_few_files_are_refused(tmp_path: Path) -> None:
    make_scene(tmp_path / "Test" / "a", (1, 4, 16, 64))
    dataset = create_dataset(real_options(tmp_path), "test")
    with pytest.raises(UserError, match=r"Test/a: 4 files \*\.dng, 5 are needed for --frame_num 5"):
        dataset[0]


def test_two_files_are_too_few_for_a_scale(tmp_path: Path) -> None:
    make_scene(tmp_path / "Test" / "a", (1, 4))
    dataset = create_dataset(real_options(tmp_path, frame_num=2), "test")
    message = r"2 files \*\.dng, 3 are needed as exposures are relative to the third's"
    with pytest.raises(UserError, match=message):
        dataset[0]


def test_suffixes_may_be_in_capitals(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "Test" / "a")
    for file in list(folder.iterdir())[::2]:
        file.rename(file.with_suffix(".DNG"))
    frames = create_dataset(real_options(tmp_path), "test")[0]["frames"]
    assert_allclose(frames[:, 0, 0, 0] * 959, (10, 20, 30, 40, 50), rtol=1e-5)


def test_a_target_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "Test" / "a")
    np.save(folder / "raw_gt.npy", np.full((15, 21, 4), np.inf, np.float32))
    with pytest.raises(UserError, match=r"raw_gt\.npy: holds values that are not finite"):
        create_dataset(real_options(tmp_path), "test")[0]


def test_exposures_must_rise_with_the_names(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "Test" / "a", (1, 4, 64, 16, 256))
    dataset = create_dataset(real_options(tmp_path), "test")
    with pytest.raises(UserError, match=r"Test/a: exposures .* do not rise as the names do"):
        dataset[0]
    (folder / "exposure.txt").write_text("1 4 16 64 256")
    assert dataset[0]["exposure"].tolist() == [1 / 16, 1 / 4, 1, 4, 16]


def test_a_patch_larger_than_the_frame_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"--patch_size 75 is larger than the 74 px of .*1\.dng"):
        create_dataset(real_options(root, augment="cfa", patch_size=75), "train")


def test_later_scenes_are_measured_too(tmp_path: Path) -> None:
    write_scene(tmp_path / "Train" / "a", 0)
    write_scene(tmp_path / "Train" / "b", 1, size=(30, 42))
    dataset = create_dataset(real_options(tmp_path), "train")
    dataset[draw(0)]
    with pytest.raises(UserError, match=r"--patch_size 16 is larger than the 15 px of .*b/1\.dng"):
        dataset[draw(1)]


def test_a_target_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "Test" / "a")
    np.save(folder / "raw_gt.npy", np.zeros((14, 21, 4), np.float32))
    message = r"raw_gt\.npy: shape \(14, 21, 4\), not \(15, 21, 4\) as its brackets"
    with pytest.raises(UserError, match=message):
        create_dataset(real_options(tmp_path), "test")[0]


def test_a_damaged_frame_is_named_and_can_be_left_out(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "set"))
    damaged = copy / "Train" / "a" / "3.dng"
    damaged.write_bytes(damaged.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"Train/a/3\.dng: damaged"):
        create_dataset(real_options(copy), "train")[draw(0)]
    sample = create_dataset(real_options(copy, skip_damaged=True), "train")[draw(0)]
    assert sample["name"] == "b-1" and "left out" in capsys.readouterr().err
