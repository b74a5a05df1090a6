"""Data sets of short and long raw frames: pairs, levels, gains, patches, drawn noise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data import low_light
from data.augment import Augmentation, augment, augment_cfa
from data.low_light import longer
from data.reading.named_exposures import find_pairs
from data.reading.raw import begin_with_red
from data.simulate.sensors import FOLDER, named_sensor
from options.test_options import TestOptions
from tests.bracket_sets import draw
from tests.low_light_sets import (
    SIZE,
    long_values,
    opened,
    random_light,
    short_values,
    touch_benchmark,
    write_frame,
    write_scene,
)
from util.errors import UserError

C = 15583
A7S2 = named_sensor("SonyA7S2")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sid")
    for seed, scene in enumerate(("00001", "00002", "10001", "20001")):
        write_scene(root, scene, seed, ("0.1", "0.033") if scene == "00001" else ("0.1",))
    (root / "short" / "00001_01_0.1s.dng").touch()  # another burst is not used
    return root


# Whole samples


def test_a_whole_sample_is_what_was_measured(root: Path) -> None:
    dataset = opened(root, "sid", "test", "--pairs", "all")
    assert [pair.short.name for pair in dataset.pairs] == ["10001_00_0.1s.dng", "20001_00_0.1s.dng"]
    sample = dataset[0]
    assert sample["frames"].shape == (1, 4, *SIZE) and sample["frames"].dtype == torch.float32
    assert_allclose(sample["frames"][0], short_values(2, 0.1), atol=1e-7)
    assert_allclose(sample["gt"], long_values(2), atol=1e-7)
    assert_allclose(sample["exposure"], [0.01])
    assert_allclose(sample["ratio"], [100])
    assert_allclose(sample["gain"], [A7S2.gain_of_iso(800) / C], rtol=1e-6)
    assert (sample["name"], sample["scene"], sample["frame"]) == ("10001-00_0.1s", "10001", "00_0.1s")
    assert sample["meta"]["cfa"] == "RGGB" and dataset.group(sample) == "x100"
    assert dataset.task.carries == ("gain", "ratio") and dataset.task.white == 1


def test_ratios_end_at_300(root: Path) -> None:
    assert [pair.ratio for pair in find_pairs(root) if pair.scene == "00001"] == [300, 100]


def test_sides_of_the_centre(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_light, "CENTRE", 8)
    sample = opened(root, "sid", "test")[0]
    assert_allclose(sample["gt"], long_values(2)[:, 6:14, 10:18], atol=1e-7)
    assert opened(root, "sid", "test", "--crop", "none")[0]["gt"].shape == (4, *SIZE)
    assert opened(root, "sid", "val")[0]["gt"].shape == (4, 8, 8)


def test_gain_by_camera(root: Path, tmp_path: Path) -> None:
    by_number = opened(root, "sid", "test", "--include", "3")[0]["gain"]
    assert_allclose(by_number, [named_sensor("NikonD850").gain_of_iso(800) / C], rtol=1e-6)
    own = tmp_path / "own.json"
    own.write_text((FOLDER / "NikonD850.json").read_text())
    assert_array_equal(opened(root, "sid", "test", "--camera", str(own))[0]["gain"], by_number)
    with pytest.raises(UserError, match="--camera and --include both name the camera"):
        opened(root, "sid", "test", "--camera", str(own), "--include", "3")


def test_levels_and_mosaics_that_begin_elsewhere(tmp_path: Path) -> None:
    for folder, time in (("short", 0.1), ("long", 10)):
        path = tmp_path / folder / f"10001_00_{time}s.dng"
        stored = write_frame(path, random_light(0) / 20, time, cfa="GRBG", black=500, white=4000)
    begun = begin_with_red(stored.transpose(1, 2, 0), "GRBG").transpose(2, 0, 1)
    for words, white in (((), 16383), (("--white_level", "file"), 4000)):
        sample = opened(tmp_path, "sid", "test", *words)[0]
        assert_allclose(sample["gt"], np.clip((begun - 500.0) / (white - 500), 0, 1), atol=1e-6)
        assert sample["gt"].shape == (4, 20, 27) and sample["meta"]["cfa"] == "RGGB"


# Which pairs


def test_splits_go_by_the_first_digit(root: Path, tmp_path: Path) -> None:
    assert [pair.scene for pair in opened(root, "sid", "train").pairs] == ["00001", "00001", "00002"]
    assert [pair.scene for pair in opened(root, "sid", "val").pairs] == ["20001"]
    write_scene(tmp_path, "00001", 0)
    write_scene(tmp_path, "10001", 1)
    assert [pair.scene for pair in opened(tmp_path, "sid", "val").pairs] == ["10001"]


def test_the_benchmark_is_tested_where_it_is_whole(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture
) -> None:
    touch_benchmark(tmp_path)
    dataset = opened(tmp_path, "sid", "test")
    assert len(dataset) == 45 and "note: the 45 pairs of the published benchmark" in capsys.readouterr().err
    assert sorted(pair.ratio for pair in dataset.pairs) == [100] * 15 + [250] * 15 + [300] * 15
    assert len(opened(tmp_path, "sid", "test", "--pairs", "all")) == 48
    with pytest.raises(UserError, match=r"--pairs benchmark: .* has 0 of its 45 pairs"):
        opened(root, "sid", "test", "--pairs", "benchmark")


def test_pairs_of_a_list(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("00001_00_0.033s.dng 00001_00_10s.dng 250\n\n10001_00_0.1s.dng 10001_00_10s.dng\n")
    pairs = opened(root, "sid", "test", "--pairs", str(path)).pairs
    assert [(pair.scene, pair.ratio) for pair in pairs] == [("00001", 250), ("10001", 100)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.dng", "line 2: 1 words; expected: short long"),
        ("10001_00_0.1s.dng 10001_00_10s.dng 1 2", "line 2: 4 words; expected: short long"),
        ("10001_00_0.1s.dng 10001_00_10s.dng x", "line 2: 'x' is no ratio"),
        ("10001_00_0.1s.dng 10001_00_10s.dng 0.5", "line 2: 10001_00_0.1s.dng was not exposed shorter"),
        ("10009_00_0.1s.dng 10001_00_10s.dng", r"line 2: there is no .*/short/10009_00_0.1s.dng"),
        ("", "lists no pairs"),
    ],
)
def test_lists_that_are_wrong(root: Path, tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"\n{line}\n")
    with pytest.raises(UserError, match=f"^{path}.*{message}"):
        opened(root, "sid", "test", "--pairs", str(path))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no folder short; expected: short/ and long/"):
        opened(tmp_path, "sid", "test")
    write_scene(tmp_path, "10001", 0)
    with pytest.raises(UserError, match=r"no pairs of scenes 0\.\.\.; expected"):
        opened(tmp_path, "sid", "train")
    with pytest.raises(UserError, match="there is no such list of pairs"):
        opened(tmp_path, "sid", "test", "--pairs", "nowhere.txt")
    (tmp_path / "long" / "10001_00_10s.dng").rename(tmp_path / "long" / "10002_00_10s.dng")
    with pytest.raises(
        UserError, match=r"short/10001_00_0.1s.dng has no long exposure: there is no .*10001_00"
    ):
        opened(tmp_path, "sid", "test")
    for time in (10, 30):
        (tmp_path / "long" / f"10001_00_{time}s.dng").touch()
    with pytest.raises(UserError, match=r"has two long exposures, .*10001_00_10s.dng and 10001_00_30s.dng"):
        opened(tmp_path, "sid", "test")


def test_frames_that_cannot_be_used(tmp_path: Path) -> None:
    write_scene(tmp_path, "10001", 0)
    short = tmp_path / "short" / "10001_00_0.1s.dng"
    write_frame(short, random_light(0), 0.1, iso=None)
    with pytest.raises(UserError, match=f"^{short} does not tell its ISO"):
        opened(tmp_path, "sid", "test")[0]
    write_frame(short, random_light(0, (20, 30)), 0.1)
    with pytest.raises(UserError, match=r"has 30 x 20 cells, .* 28 x 20: not a pair"):
        low_light.size_of.cache_clear()
        opened(tmp_path, "sid", "test")[0]


def test_a_folder_with_a_name_of_its_own_is_the_default(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.chdir(root.parent)
    (root.parent / "datasets" / "SID").mkdir(parents=True)
    (root.parent / "datasets" / "SID" / "Sony").symlink_to(root)
    opt = TestOptions().parse(["--name", "x", "--model", "eld", "--dataset_name", "sid", "--net", "unet"])
    assert opt.dataroot == "datasets/SID/Sony"


# Patches of pairs


def test_a_patch_is_the_same_part_of_both(root: Path, tmp_path: Path) -> None:
    plain = opened(root, "sid", "train")
    cached = opened(root, "sid", "train", "--cache_dir", str(tmp_path / "cache"))
    for position in range(4):
        sample = plain[draw(index=0, position=position)]
        frame, gt = sample["frames"][0].numpy(), sample["gt"].numpy()
        assert frame.shape == gt.shape == (4, 8, 8)
        whole = long_values(0)
        rng = draw(position=position).generator()
        top, left = (int(rng.integers(side - 7)) for side in SIZE)
        assert_allclose(gt, whole[:, top : top + 8, left : left + 8], atol=1e-7)
        short = short_values(0, 1 / 30)[:, top : top + 8, left : left + 8]
        assert_allclose(frame, short, atol=1e-7)
        again = cached[draw(index=0, position=position)]
        for key in ("frames", "gt", "gain", "ratio", "exposure"):
            assert_array_equal(again[key], sample[key])
    cached[draw(index=1)]
    files = sorted(path.name for path in (tmp_path / "cache").rglob("*.blocks"))
    assert files == ["00001_00_0.033s.dng.blocks", "00001_00_0.1s.dng.blocks", "00001_00_10s.dng.blocks"]


@pytest.mark.parametrize("how", ["published", "cfa"])
def test_augmentation_moves_both(root: Path, how: str) -> None:
    whole = long_values(0).transpose(1, 2, 0)
    size = 9 if how == "cfa" else 8
    dataset = opened(root, "sid", "train", "--augment", how)
    for position in range(4):
        sample = dataset[draw(position=position)]
        rng = draw(position=position).generator()
        top, left = (int(rng.integers(side - size + 1)) for side in SIZE)
        part, drawn = whole[top : top + size, left : left + size], Augmentation.draw(rng)
        expected = augment_cfa(part, drawn) if how == "cfa" else augment(part, drawn)
        assert_allclose(sample["gt"], expected.transpose(2, 0, 1), atol=1e-7)
        ratio = sample["frames"][0] / sample["gt"].clamp(min=1e-4)
        assert float(ratio[sample["gt"] > 0.3].std()) < 1e-4


def test_the_published_grid(root: Path) -> None:
    dataset = opened(root, "sid", "train", "--patches", "grid")
    assert len(dataset) == 3 * 6  # 20 x 28 px hold 2 x 3 patches of 8, with 2 px around them
    for cell, (row, column) in enumerate(np.ndindex(2, 3)):
        expected = long_values(0)[:, 2 + 8 * row :, 2 + 8 * column :][:, :8, :8]
        assert_allclose(dataset[draw(index=cell)]["gt"], expected, atol=1e-7)
    assert dataset[draw(index=6)]["name"] == "00001-00_0.1s"


def test_the_published_grid_of_a_sony(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_light, "size_of", lambda path: (1424, 2128))
    dataset = opened(root, "sid", "train", "--patches", "grid", "--patch_size", "512")
    rng, path = np.random.default_rng(), dataset.pairs[0].long
    corners = [dataset.corner(rng, path, cell) for cell in range(dataset.cells)]
    assert corners == [(200 + 512 * row, 40 + 512 * column) for row in range(2) for column in range(4)]


def test_patches_that_do_not_fit(root: Path) -> None:
    with pytest.raises(UserError, match="--patch_size 21 is larger than the 20 px of"):
        opened(root, "sid", "train", "--patch_size", "21")
    with pytest.raises(UserError, match="--patch_size 20 is larger than the 19 px of"):
        opened(root, "sid", "train", "--patch_size", "20", "--augment", "cfa")


def test_longer_exposures_are_drawn_with_their_ratio(root: Path) -> None:
    gt, gain, rng = np.full((4, 64, 64), 0.4, np.float32), 1e-4, np.random.default_rng(0)
    frame = (rng.poisson(gt / 300 / gain) * gain).astype(np.float32)
    for _ in range(5):
        exposed, ratio = longer(frame, gt, gain, 300.0, rng)
        assert 100 <= ratio < 300
        assert exposed.mean() * ratio == pytest.approx(0.4, rel=0.01)
        assert exposed.var() == pytest.approx(gain * 0.4 / ratio, rel=0.05)
    assert longer(frame, gt, gain, 100.0, rng)[1] == 100
    sample = opened(root, "sid", "train", "--syn_noise")[draw(index=0)]
    assert 100 <= float(sample["ratio"]) < 300
    assert_allclose(sample["exposure"] * sample["ratio"], [1], rtol=1e-6)


def test_gain_by_the_levels_of_the_file(tmp_path: Path) -> None:
    """Values per photoelectron are on the scale of the frames, whose white is that of the file."""
    write_scene(tmp_path, "10001", 0)
    published, own = (
        opened(tmp_path, "sid", "test", "--white_level", level)[0] for level in ("published", "file")
    )
    electrons = [sample["frames"] / sample["gain"] for sample in (published, own)]
    assert electrons[0].mean().item() == pytest.approx(electrons[1].mean().item() * 15583 / 15871, rel=2e-2)
    assert published["gain"].item() != own["gain"].item()
