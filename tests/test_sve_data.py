"""Data set sve: shots of two frames of a bracket, whole and as patches."""

import re
from pathlib import Path

import numpy as np
import pytest

from data.draws import Draw
from data.row_exposure import RowExposure
from tests.sve_sets import light_of, opened, prepare, write_bracket
from util.errors import UserError

RATIO = 8


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of known light, prepared both ways. Not to be written to."""
    root = tmp_path_factory.mktemp("sve") / "set"
    for number in (1, 2):
        write_bracket(root / "Train" / f"scene{number}", light_of(number))
    write_bracket(root / "Test" / "a", light_of(3), np.random.default_rng(0))
    prepare(root, "-j", "1")
    prepare(root, "--sve_truth", "demosaiced")
    return root


def radiance(sample: dict) -> np.ndarray:
    """The Bayer radiance map (H, W) of a sample."""
    return (sample["frames"] / sample["exposure"][:, None, None, None]).sum(0)[0].numpy()


def cfa_sites(gt: np.ndarray) -> np.ndarray:
    """What an RGGB mosaic shows of (3, H, W)."""
    result = gt[1].copy()
    result[::2, ::2], result[1::2, 1::2] = gt[0, ::2, ::2], gt[2, 1::2, 1::2]
    return result


def test_a_whole_sample_and_its_task(root: Path) -> None:
    dataset = opened(root, "test")
    sample = dataset[0]
    assert {name: tuple(sample[name].shape) for name in ("frames", "mask", "gt", "valid", "exposure")} == {
        "frames": (2, 1, 48, 64),
        "mask": (1, 48, 64),
        "gt": (3, 48, 64),
        "valid": (1, 48, 64),
        "exposure": (2,),
    }
    assert (sample["name"], sample["scene"], sample["frame"]) == ("a-3", "a", "3")
    assert sample["meta"]["cfa"] == "RGGB"
    np.testing.assert_allclose(sample["meta"]["white_balance"], [1 / 0.5, 1, 1 / 0.6], rtol=1e-5)
    assert dict(dataset.task.protocol)["exposure ratio"] == "8" and dataset.task.carries == ("mask",)
    assert (dataset.task.period, dataset.task.planes_out, dataset.scores) == ((4, 2), 3, "guided")


def test_rows_alternate_and_the_unit_is_that_of_the_short_frame(root: Path) -> None:
    dataset = opened(root, "train")
    sample = dataset[0]
    rows = RowExposure()
    is_long = rows.is_long(48)
    frames = sample["frames"][:, 0].numpy()
    assert not frames[0, is_long].any() and not frames[1, ~is_long].any()
    light = 4 * light_of(1)[::2, ::2].transpose(2, 0, 1)  # frame 3 saturates at a quarter of of frame 1
    known = sample["valid"][0].numpy() > 0
    np.testing.assert_allclose(sample["gt"].numpy()[:, known], np.minimum(light, 1)[:, known], rtol=0.01)
    seen = known & np.where(is_long[:, None], frames[1] < 1, frames[0] < 1)
    np.testing.assert_allclose(radiance(sample)[seen], cfa_sites(light)[seen], atol=1.5 / 15871)
    np.testing.assert_array_equal(sample["mask"][0].numpy(), rows.guidance(frames.sum(0)))


def test_truth_beyond_the_short_exposure_is_an_option(root: Path) -> None:
    clipped, free = (opened(root, "train", *words)[0]["gt"] for words in ((), ("--clip_truth", "False")))
    assert clipped.max() == 1 and free.max() > 3
    np.testing.assert_array_equal(clipped, free.clamp(max=1))


def test_the_row_order_is_an_option(root: Path) -> None:
    frames = opened(root, "test", "--row_order", "long_first")[0]["frames"]
    assert frames[1, 0, :2].any() and not frames[0, 0, :2].any()


@pytest.mark.parametrize("kind", ["binned", "demosaiced"])
def test_a_patch_shows_at_each_site_what_its_truth_says(root: Path, kind: str) -> None:
    """Whatever the flips, radiance equals truth in the colour of an RGGB mosaic, where nothing is clipped."""
    dataset = opened(root, "train", "--sve_truth", kind)
    for position in range(24):
        patch = dataset[Draw(position % 2, 1, 1, position, 0)]
        assert tuple(patch["frames"].shape) == (2, 1, 16, 16) and tuple(patch["gt"].shape) == (3, 16, 16)
        frames = patch["frames"].numpy()
        seen = (patch["valid"][0].numpy() > 0) & (frames.sum((0, 1)) < 1) & (frames.sum((0, 1)) > 0.03)
        np.testing.assert_allclose(radiance(patch)[seen], cfa_sites(patch["gt"].numpy())[seen], rtol=0.01)


@pytest.mark.parametrize("kind", ["binned", "demosaiced"])
def test_patches_are_windows_of_whole_samples_in_eight_positions(root: Path, kind: str) -> None:
    dataset = opened(root, "train", "--sve_truth", kind, "--clip_truth", "False")
    whole = dataset[0]["gt"].numpy()
    views, corners = set(), set()
    for position in range(60):
        gt = dataset[Draw(0, 1, 1, position, 0)]["gt"].numpy()
        for view in range(8):
            turned = np.rot90(gt[..., :: 1 - 2 * (view // 4)], view % 4, (1, 2))
            for top, left in np.argwhere((whole[:, :-15, :-15] == turned[:, :1, :1]).all(0))[:8]:
                if (whole[:, top : top + 16, left : left + 16] == turned).all():
                    views.add(view)
                    corners.add((top, left))
    assert views == set(range(8)) and len(corners) > 40


def test_patches_are_functions_of_their_draw(root: Path) -> None:
    first, second = (opened(root, "train")[Draw(1, 3, 2, 5, 0)] for _ in range(2))
    other = opened(root, "train")[Draw(1, 3, 3, 5, 0)]
    assert all(np.array_equal(first[name], second[name]) for name in ("frames", "gt", "mask", "valid"))
    assert not np.array_equal(first["gt"], other["gt"])


def test_green_keeps_the_noise_of_one_px(tmp_path: Path) -> None:
    """Noise of the green px equals that of red, not what a mean of two has (section 6, step 6)."""
    light = np.full((96, 128, 3), 0.1)
    write_bracket(tmp_path / "Test" / "flat", light, np.random.default_rng(0))
    prepare(tmp_path)
    mosaic = radiance(opened(tmp_path, "test")[0])
    sites = [mosaic[row::4, column::2].std() for row in (0, 1) for column in (0, 1)]
    expected = np.sqrt(0.4 * 7500 + 9) / 7500
    np.testing.assert_allclose(sites, expected, rtol=0.12)


def test_the_measured_ratio_stands_in_samples(tmp_path: Path) -> None:
    write_bracket(tmp_path / "Test" / "x", light_of(0), gains={4: 1.03, 5: 1.03, 6: 1.03, 7: 1.03})
    prepare(tmp_path)
    sample = opened(tmp_path, "test")[0]
    np.testing.assert_allclose(sample["exposure"], [1, 8 * 1.03], rtol=2e-3)


def message(root: Path, split: str, *words: str) -> str:
    with pytest.raises(UserError) as error:
        opened(root, split, *words)
    return str(error.value)


def test_what_is_not_prepared_is_refused_with_the_command(root: Path, tmp_path: Path) -> None:
    write_bracket(tmp_path / "Test" / "x", light_of(0))
    command = f"python -m data.prepare --dataset_name sve --dataroot {tmp_path}"
    told = message(tmp_path, "test", "--sve_truth", "demosaiced")
    assert told.endswith(f"demosaiced: {command} --sve_truth demosaiced")
    prepare(tmp_path)
    assert len(opened(tmp_path, "test")) == 1
    told = message(tmp_path, "test", "--delta_ev", "2")
    assert told == f"{tmp_path}/.prepared/binned/Test/x lacks frame_5.npy: {command} --delta_ev 2"
    write_bracket(tmp_path / "Test" / "y", light_of(0))
    assert message(tmp_path, "test") == f"{tmp_path}/Test/y is not prepared: {command}"
    (tmp_path / "Test/x/4.dng").write_bytes(b"II")
    assert message(tmp_path, "test") == f"{tmp_path}/Test/x has changed since it was prepared: {command}"
    (tmp_path / "Test/x/4.dng").unlink()
    assert message(tmp_path, "test").startswith(f"cannot read {tmp_path}/Test/x/4.dng")
    assert "bracket_frames 7, not 6: rename it" in message(tmp_path, "test", "--bracket_frames", "6")


def test_sizes_of_patches(root: Path) -> None:
    expected = "--patch_size 18: a multiple of 4, so that the pattern of rows is whole"
    assert message(root, "train", "--patch_size", "18") == expected
    for kind, room in (("binned", 48), ("demosaiced", 94)):
        told = message(root, "train", "--sve_truth", kind, "--patch_size", "96")
        assert re.fullmatch(rf"--patch_size 96 is larger than the {room} px that .*scene1 has room for", told)
    assert tuple(opened(root, "train", "--patch_size", "48")[Draw(0, 0, 0, 0, 0)]["gt"].shape) == (3, 48, 48)


def test_a_shot_has_two_exposures(root: Path) -> None:
    expected = "--frame_num 3: a shot with rows exposed in turn has 2 exposures"
    assert message(root, "test", "--frame_num", "3") == expected


def test_moving_scenes_are_left_out_with_a_note(tmp_path: Path, capsys) -> None:
    lights = np.stack([light_of(0)] * 7)
    for number, light in enumerate(lights):
        light[40:64, 60 + 4 * number : 80 + 4 * number] = 0.02
    write_bracket(tmp_path / "Test" / "walker", lights, np.random.default_rng(0))
    prepare(tmp_path)
    assert message(tmp_path, "test") == f"{tmp_path}: all scenes of split test (1) moved and are left out"
    write_bracket(tmp_path / "Test" / "x", light_of(0))
    prepare(tmp_path)
    capsys.readouterr()
    assert [scene.name for scene in opened(tmp_path, "test").scenes] == ["x"]
    assert "1 of 2 scenes of split test moved and are left out" in capsys.readouterr().err


def test_arrays_of_another_size_are_refused(tmp_path: Path) -> None:
    write_bracket(tmp_path / "Test" / "x", light_of(0))
    prepare(tmp_path)
    place = tmp_path / ".prepared/binned/Test/x"
    np.save(place / "valid.npy", np.ones((4, 4, 1), np.uint8))
    with pytest.raises(UserError, match=f"{place} holds arrays of other sizes: delete it and prepare"):
        opened(tmp_path, "test")[0]
