"""Brackets merged to ground truth: radiance, motion, exposures, and how preparation goes on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from data.checks.sve_check import SveCheck
from data.merging.merge import Merge, trust
from data.merging.neighbours import compare, moved_share
from data.merging.prepared import read_facts
from data.merging.scenes import open_bracket, pair_of, split_folders
from data.prepare import parse, prepare_all
from data.sve_dataset import SveDataset
from tests.sve_sets import light_of, prepare, write_bracket
from util.errors import UserError
from util.imaging.bayer import pack


def message(root: Path, *words: str) -> str:
    with pytest.raises(UserError) as error:
        prepare(root, *words)
    return str(error.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scenes without noise."""
    for number in (1, 2):
        write_bracket(tmp_path / "set" / "Train" / f"scene{number}", light_of(number))
    return tmp_path / "set"


def truth_of(root: Path, scene: str, kind: str = "binned") -> np.ndarray:
    return np.load(root / ".prepared" / kind / "Train" / scene / "truth.npy")


def arrays(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


# Merge


def test_trust_rises_and_falls() -> None:
    values = np.float32([-0.1, 0.01, 0.03, 0.05, 0.5, 0.85, 0.9, 0.95, 1])
    np.testing.assert_allclose(trust(values), [0, 0, 0.5, 1, 1, 1, 0.5, 0, 0], atol=1e-6)


def test_weights_are_exposure_times_trust() -> None:
    merge = Merge()
    merge.add(np.full((1, 1, 4), 0.30, np.float32), 1.0)
    merge.add(np.full((1, 1, 4), 0.62, np.float32), 2.0)
    np.testing.assert_allclose(merge.radiance(), (0.30 + 2 * 0.31) / 3, rtol=1e-6)


def test_what_no_frame_shows_well_is_of_the_shortest_or_the_longest() -> None:
    merge = Merge()
    merge.add(np.float32([[[0.97, 1.0, 0.001, -0.002]]]), 1.0)
    merge.add(np.float32([[[1.0, 1.0, 0.002, -0.001]]]), 4.0)
    np.testing.assert_allclose(merge.radiance(), [[[0.97, 1.0, 0.0005, -0.00025]]], rtol=1e-6)
    assert not merge.is_known()[0, 0]


def test_the_truth_is_the_light(root: Path) -> None:
    prepare(root)
    light = light_of(1)[::2, ::2]
    known = np.load(root / ".prepared/binned/Train/scene1/valid.npy")[..., 0]
    assert np.array_equal(known == 0, light.min(axis=-1) > 1)
    np.testing.assert_allclose(truth_of(root, "scene1")[known > 0], light[known > 0], rtol=0.01)


@pytest.mark.parametrize("cfa", ["GRBG", "BGGR"])
def test_the_truth_of_a_noisy_mosaic_that_begins_with_another_colour(tmp_path: Path, cfa: str) -> None:
    """The mean over a flat scene: noise leaves less than a percent."""
    light = np.full((96, 128, 3), [0.02, 0.1, 0.05])
    write_bracket(tmp_path / "Train" / "x", light, np.random.default_rng(0), cfa=cfa)
    prepare(tmp_path)
    truth = truth_of(tmp_path, "x")
    assert truth.shape == (48 - (cfa == "BGGR"), 63, 3)
    np.testing.assert_allclose(truth.mean(axis=(0, 1)), [0.02, 0.1, 0.05], rtol=0.01)
    assert (truth.std(axis=(0, 1)) / truth.mean(axis=(0, 1)) < 0.02).all()


def test_a_demosaiced_truth_keeps_what_was_measured(root: Path) -> None:
    prepare(root, "--sve_truth", "demosaiced")
    truth = truth_of(root, "scene1", "demosaiced")
    valid = np.load(root / ".prepared/demosaiced/Train/scene1/valid.npy")[..., 0]
    assert truth.shape == (96, 128, 3) and valid.shape == (96, 128)
    light = light_of(1)
    for site, colour in (((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), 2)):
        at = np.s_[site[0] :: 2, site[1] :: 2]
        known = valid[at] > 0
        np.testing.assert_allclose(truth[at][..., colour][known], light[at][..., colour][known], rtol=0.01)
    assert not valid[:32, :40].any() and valid[34:, 42:].all()  # the lamp ends at 24, 32: 8 px are uncertain


# Exposures


def test_a_frame_that_is_brighter_than_said_does_not_spoil_the_truth(tmp_path: Path, capsys) -> None:
    write_bracket(tmp_path / "Train" / "x", light_of(3), gains={4: 1.1})
    prepare(tmp_path)
    facts = read_facts(tmp_path / ".prepared/binned/Train/x")
    np.testing.assert_allclose(facts.exposures, [1, 2, 4, 8.8, 16, 32, 64], rtol=1e-3)
    err = capsys.readouterr().err
    assert "4.dng is 1.1 times as bright as its exposure says" in err
    light = light_of(3)[::2, ::2]
    np.testing.assert_allclose(truth_of(tmp_path, "x")[20:], light[20:], rtol=0.01)


def test_a_reversed_list_is_refused(root: Path) -> None:
    path = root / "Train/scene2/exposure.txt"
    path.write_text("64 32 16 8 4 2 1\n")
    said = message(root)
    assert "6.dng is 0.5 times as bright as 7.dng, but was exposed 2 times as long" in said
    assert said.endswith(f"by {path}: are these the exposures, and in this order?")


def test_a_missing_step(root: Path) -> None:
    (root / "Train/scene2/7.dng").rename(root / "7.dng")
    found = f"{root}/Train/scene2 holds 6 raw files (1.dng to 6.dng), expected 7 (--bracket_frames)"
    assert message(root) == f"{found}: complete it, or take it out"
    (root / "7.dng").rename(root / "Train/scene2/7.dng")
    (root / "Train/scene2/4.dng").unlink()
    expected = "5.dng is 2 EV above 3.dng, expected 1: a shot is missing"
    assert message(root) == f"{root}/Train/scene2: {expected}"
    shutil.copy(root / "Train/scene1/7.dng", root / "Train/scene2/8.dng")
    (root / "Train/scene2/exposure.txt").write_text("1 2 4 16 32 64 128\n")
    assert message(root) == f"{root}/Train/scene2: {expected}"
    (root / "Train/scene2/exposure.txt").write_text("1 2 4 8 16 32 48\n")
    assert message(root).endswith("8.dng is 0.667 EV above 7.dng, expected 1: a shot does not belong here")
    assert not (root / ".prepared").exists()


def test_nominal_shutter_times_are_rounded_to_thirds_of_a_stop(root: Path) -> None:
    folder = root / "Train/scene1"
    (folder / "exposure.txt").write_text("1/60 1/30 1/15 1/8 1/4 1/2 1\n")
    assert [file.name for file in open_bracket(folder).files] == [f"{number}.dng" for number in range(1, 8)]


def test_jpegs_are_passed_over_and_fewer_frames_are_an_option(root: Path) -> None:
    for scene in ("scene1", "scene2"):
        (root / "Train" / scene / "1.JPG").touch()
        for number in (6, 7):
            (root / "Train" / scene / f"{number}.dng").unlink()
    assert prepare(root, "--bracket_frames", "5").prepared == 2
    assert sorted(file.name for file in (root / ".prepared/binned/Train/scene1").glob("f*")) == [
        "frame_2.npy",
        "frame_5.npy",
    ]


def test_the_pair_lies_in_the_middle() -> None:
    pairs = [pair_of(stops) for stops in (1, 2, 3, 4, 5, 6)]
    assert pairs == [(3, 4), (2, 4), (2, 5), (1, 5), (1, 6), (0, 6)]
    for stops, count in ((2.5, 7), (5, 5)):
        with pytest.raises(UserError, match=f"--delta_ev {stops:g}: in brackets of {count}, frames are 1 EV"):
            pair_of(stops, count)


# Motion


def noisy(light: np.ndarray, exposure: float, rng: np.random.Generator) -> np.ndarray:
    return np.minimum(rng.poisson(light * exposure * 7500) / 7500, 1).astype(np.float32)


def test_noise_and_a_flat_gain_are_no_motion_and_a_displaced_patch_is() -> None:
    rng = np.random.default_rng(0)
    light = pack(light_of(0)[..., 1]).transpose(1, 2, 0)[:, 32:]
    shorter, longer = noisy(light, 4, rng), noisy(light, 8 * 1.04, rng)
    still = compare(shorter, longer, 2)
    assert abs(still.gain - 1.04) < 0.003 and not still.moved.any() and still.compared.sum() > 12
    longer[16:24, 16:24] *= 0.7
    moved = compare(shorter, longer, 2)
    assert moved.moved.sum() == 1 and moved.moved[2, 2]
    assert moved_share([still, moved]) == 1 / still.compared.sum()


def test_a_moving_scene_is_left_out_by_name(root: Path, capsys) -> None:
    lights = np.stack([light_of(0)] * 7)
    for number, light in enumerate(lights):
        light[40:64, 60 + 4 * number : 80 + 4 * number] = 0.02
    write_bracket(root / "Train" / "walker", lights, np.random.default_rng(0))
    assert prepare(root) == (3, 1, 3, 3)
    place = root / ".prepared/binned/Train/walker"
    moved = read_facts(place).moved
    text = f"is left out: {moved:.2%} of it moved between frames, 1.00% may"
    line = f"{root}/Train/walker {text}"
    assert 0.1 < moved < 0.3
    assert line in capsys.readouterr().err
    assert [*arrays(place)] == ["scene.json"]
    assert prepare(root) == (0, 1, 3, 3)
    assert line in capsys.readouterr().err
    assert "motion_limit 0.01, not 0.2: rename it" in message(root, "--motion_limit", "0.2")
    findings = SveCheck(SveDataset, root).sample(root / "Train" / "walker")
    assert [found.text for found in findings] == [text]


# Going on


def test_going_on_gives_what_an_unbroken_run_does(root: Path, tmp_path: Path) -> None:
    prepare(root)
    whole = arrays(root / ".prepared")
    shutil.rmtree(root / ".prepared/binned/Train/scene2")
    (root / ".prepared/binned/Train/.scene2.999999.partial").mkdir()
    assert prepare(root) == (1, 0, 2, 2)
    assert arrays(root / ".prepared") == whole
    assert not list((root / ".prepared/binned/Train").glob(".*"))
    other = tmp_path / "elsewhere"
    assert prepare(root, "--prepared", str(other)) == (2, 0, 2, 2)
    assert arrays(other) == whole


def test_another_ratio_adds_its_frames_alone(root: Path) -> None:
    prepare(root)
    before = arrays(root / ".prepared")
    prepare(root, "--delta_ev", "2")
    after = arrays(root / ".prepared")
    assert {name.split("/")[-1] for name in after.keys() - before.keys()} == {"frame_5.npy"}
    assert all(after[name] == before[name] for name in before)


def test_changed_files_are_prepared_anew(root: Path, capsys) -> None:
    prepare(root)
    shutil.rmtree(root / "Train/scene2")
    write_bracket(root / "Train/scene2", light_of(5))
    assert prepare(root) == (1, 0, 2, 2)
    assert "made of other raw files: they are prepared anew (1, scene2 the first)" in capsys.readouterr().err
    np.testing.assert_allclose(truth_of(root, "scene2")[20:], light_of(5)[40::2, ::2], rtol=0.01)


def test_a_stop_keeps_what_is_done(root: Path) -> None:
    answers = iter((False, True))
    count = prepare_all(parse(["--dataroot", str(root)]), lambda: next(answers))
    assert count == (1, 0, 1, 2)
    assert prepare(root) == (1, 0, 2, 2)


def test_a_damaged_record_and_wrong_options(root: Path, tmp_path: Path) -> None:
    prepare(root)
    place = root / ".prepared/binned/Train/scene1"
    (place / "scene.json").write_text("{}")
    assert message(root) == (f"{place}/scene.json is damaged: delete {place} and prepare the scene again")
    (root / ".prepared/binned/record.json").write_text("[]")
    assert "binned was prepared with bracket_frames None, not 7; motion_limit" in message(root)
    assert "--bracket_frames 1: a bracket is 2 or more" in message(root, "--bracket_frames", "1")
    assert f"--dataroot {tmp_path}/none is not a folder; expected: <scene>/" in message(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path}/empty holds no scenes; expected: <scene>/" in message(tmp_path / "empty")


# Splits


def test_scenes_are_split_by_scene_always_alike(tmp_path: Path) -> None:
    for number in range(1, 178):
        (tmp_path / f"scene{number}").mkdir()
    parts = {split: split_folders(tmp_path, split) for split in ("train", "val", "test")}
    assert [len(parts[split]) for split in ("train", "val", "test")] == [141, 18, 18]
    everything = [folder for part in parts.values() for folder in part]
    assert len(set(everything)) == 177
    numbers = [int(folder.name[5:]) for folder in parts["test"]]
    assert numbers == sorted(numbers) and numbers == [
        int(folder.name[5:]) for folder in split_folders(tmp_path, "test")
    ]


def test_few_scenes_and_folders_of_splits(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert [folder.name for folder in split_folders(tmp_path, "test")] == ["a"]
    with pytest.raises(UserError, match="no scenes of split val; --val_freq 0 trains without validation"):
        split_folders(tmp_path, "val")
    for name in ("Train/b", "Test/c"):
        (tmp_path / name).mkdir(parents=True)
    found = {split: split_folders(tmp_path, split)[0].name for split in ("train", "val", "test")}
    assert found == {"train": "b", "val": "c", "test": "c"}


# Check


def test_the_check(root: Path) -> None:
    check = SveCheck(SveDataset, root)
    assert check.sample(root / "Train/scene1") == []
    (root / "Train/scene1/3.dng").write_bytes(b"II nonsense")
    assert "3.dng" in check.sample(root / "Train/scene1")[0].text
    write_bracket(root / "Train/bright", 20 * light_of(0))
    write_bracket(root / "Train/dark", 0.002 * light_of(0))
    texts = [found.text for name in ("bright", "dark") for found in check.sample(root / "Train" / name)]
    assert "of the values are clipped: the truth is not known there" in texts[0]
    assert "of the values are below 2% of white" in texts[-1]
    shutil.rmtree(root / "Train/scene1")
    prepare(root, "--motion_limit", "0.9")
    write_bracket(root / "Train/late", light_of(0))
    texts = [found.text for found in SveCheck(SveDataset, root).layout()]
    assert "is not prepared yet: python -m data.prepare --dataset_name sve --dataroot" in " ".join(texts)
