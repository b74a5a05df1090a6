"""One's own photographs: raw and developed stacks, the programs, and what a user may get wrong."""

import argparse
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data import create_dataset
from data.folder_dataset import FolderDataset
from data.scene_files import find_scenes
from options.test_options import TestOptions
from tests.photo_files import SHARED, make_dng, make_scene, random_mosaic, write_picture, write_shaded
from tests.programs import run, succeed
from util.errors import UserError
from util.imaging.bayer import PLANES, pack, unpack
from util.imaging.images import read_picture
from util.imaging.radiance_exr import read_exr
from util.imaging.radiance_hdr import read_hdr
from util.imaging.tonemap import mu_law, srgb_decode, srgb_encode

ROOT = Path(__file__).resolve().parents[1]
real_stacks = pytest.mark.skipif(not (SHARED / "stack").is_dir(), reason="the real stacks are not here")


def folder_options(root: Path, **changes) -> argparse.Namespace:
    settings = {
        "dataset_name": "folder",
        "model": "syn",
        "frame_num": None,
        "max_dataset_size": None,
        "sve": None,
        "trust_exposures": False,
        "response": "srgb",
        "white": None,
        "border": 0,
        "ratio": None,
        "camera": None,
    }
    return argparse.Namespace(dataroot=str(root), **settings | changes)


def opened(root: Path, **changes) -> FolderDataset:
    return create_dataset(folder_options(root, **changes), "test")


def write_stack(folder: Path, times: tuple[float, ...] = (0.01, 0.04, 0.16), suffix: str = ".jpg") -> Path:
    """Grey pictures of value 40 * number, the first by name taken for `times[0]` seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, time in enumerate(times, 1):
        picture = np.full((24, 32, 3), 40 * number, np.uint8)
        write_picture(folder / f"{number}{suffix}", picture, time=time, iso=100)
    return folder


# Raw scenes


def test_raw_frames_are_sorted_by_exposure(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "night", (16, 1, 4))
    dataset = opened(folder, trust_exposures=True)  # its frames are flat
    assert (len(dataset), dataset.task.channels, dataset.border, dataset.task.scale) == (1, 4, 0, None)
    sample = dataset[0]
    assert sample["frames"].shape == (3, 4, 15, 21) and sample["frames"].dtype == torch.float32
    assert_allclose(sample["frames"][:, 0, 0, 0] * 959, (20, 30, 10), rtol=1e-5)  # files 2, 3, 1
    assert_allclose(sample["exposure"], (1 / 16, 1 / 4, 1))
    assert (sample["scene"], sample["frame"], sample["name"]) == ("night", "2", "night-2")
    assert sample["meta"]["cfa"] == "RGGB" and sample["meta"]["white_balance"][0] == 2


def test_values_under_black_and_above_white_are_clipped(tmp_path: Path) -> None:
    mosaics = [random_mosaic(1) + 20, random_mosaic(2) + 20]
    for number, mosaic in enumerate(mosaics):
        make_dng(tmp_path / f"{number}.dng", mosaic, exposure_time=4.0**number)
    frames = opened(tmp_path)[0]["frames"]
    expected = (np.stack([pack(mosaic) for mosaic in mosaics]) - 64.0) / 959
    assert expected.min() < 0 and expected.max() > 1
    assert_allclose(frames, np.clip(expected, 0, 1), atol=1e-6)


@pytest.mark.parametrize("cfa", PLANES)
def test_mosaics_begin_with_red(tmp_path: Path, cfa: str) -> None:
    """Networks that have seen RGGB only are given nothing else."""
    mosaics = [random_mosaic(1), random_mosaic(2)]
    for number, mosaic in enumerate(mosaics):
        make_dng(tmp_path / f"{number}.dng", mosaic, cfa=cfa, exposure_time=4.0**number)
    sample = opened(tmp_path)[0]
    top, left = PLANES[cfa][0]
    for frame, mosaic in zip(sample["frames"].numpy(), mosaics, strict=True):
        expected = (mosaic[top : 30 - top, left : 42 - left] - 64.0) / 959
        assert_allclose(unpack(frame, "RGGB"), np.clip(expected, 0, 1), atol=1e-6)
    assert sample["meta"]["cfa"] == "RGGB"


def test_iso_and_f_number_count_as_exposure(tmp_path: Path) -> None:
    settings = [(1 / 100, 100, 4.0), (1 / 100, 400, 4.0), (1 / 100, 100, 1.0)]
    for number, (time, iso, f_number) in enumerate(settings):
        make_dng(tmp_path / f"{number}.dng", exposure_time=time, iso=iso, f_number=f_number)
    assert_allclose(opened(tmp_path, trust_exposures=True)[0]["exposure"], (1 / 16, 1 / 4, 1), rtol=1e-4)


def test_a_folder_of_scenes(tmp_path: Path) -> None:
    for name in ("b", "a"):
        make_scene(tmp_path / name, (1, 4))
    (tmp_path / "notes").mkdir()
    (tmp_path / ".trash").mkdir()
    opt = folder_options(tmp_path)
    dataset = create_dataset(opt, "test")
    assert [sample["scene"] for sample in (dataset[0], dataset[1])] == ["a", "b"]
    assert opt.frame_num == 2  # what a network must take
    assert len(opened(tmp_path, max_dataset_size=1)) == 1
    assert find_scenes(tmp_path / "a") == [tmp_path / "a"]


def test_scenes_that_are_links_keep_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    for name in ("a", "b"):
        folder = make_scene(tmp_path / name / "night", (1, 4))
        (tmp_path / "links" / f"from_{name}").symlink_to(folder)
    assert [scene.name for scene in opened(tmp_path / "links").scenes] == ["from_a", "from_b"]


def test_frames_are_chosen_over_the_whole_range(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "a", tuple(2.0**stop for stop in range(11)))
    with pytest.raises(UserError, match=r"a holds 11 frames, 9 are the most: --frame_num 9 takes that many"):
        opened(folder)
    sample = opened(folder, frame_num=3)[0]
    assert_allclose(sample["exposure"], (1 / 16, 2, 64))
    assert_allclose(sample["frames"][:, 0, 0, 0] * 959, (10, 60, 110), rtol=1e-5)
    assert len(opened(folder, frame_num=9)[0]["frames"]) == 9


def test_pictures_beside_raw_files_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = make_scene(tmp_path / "a", (1, 4, 16))
    write_stack(folder)
    assert opened(folder).task.channels == 4
    assert "the raw files are taken, not the pictures beside them" in capsys.readouterr().err
    write_picture(folder / "4.jpg", np.zeros((24, 32, 3), np.uint8))
    with pytest.raises(UserError, match=r"4\.jpg is no raw file, 1\.dng is one: keep one kind in a folder"):
        opened(folder)


@pytest.mark.parametrize("suffix", [".dng", ".png"])
def test_a_border_is_left_out(tmp_path: Path, suffix: str) -> None:
    for number in range(2):
        if suffix == ".dng":
            make_dng(tmp_path / f"{number}.dng", random_mosaic(number))
        else:
            picture = np.random.default_rng(number).integers(0, 256, (30, 42, 3), dtype=np.uint8)
            write_picture(tmp_path / f"{number}.png", picture)
    (tmp_path / "exposure.txt").write_text("1 4")
    whole, dataset = opened(tmp_path)[0]["frames"], opened(tmp_path, border=5)
    border = 2 if suffix == ".dng" else 4
    assert dataset.border == 4  # whole cells
    enlarged = opened(tmp_path, border=5, model="synplus")
    assert enlarged.border == 16 and torch.equal(enlarged[0]["frames"], dataset[0]["frames"])
    assert_array_equal(dataset[0]["frames"], whole[..., border:-border, border:-border])
    with pytest.raises(UserError, match=r"--border 16 leaves nothing of .*0\."):
        opened(tmp_path, border=16)[0]


def test_rendering_follows_the_shortest_frame_and_the_border(tmp_path: Path) -> None:
    make_dng(tmp_path / "1.dng", random_mosaic(size=(64, 96)), exposure_time=0.1, neutral=(0.25, 1, 0.25))
    write_shaded(tmp_path / "2.dng", exposure_time=0.01)
    meta = opened(tmp_path, border=8, trust_exposures=True)[0]["meta"]
    assert_allclose(meta["white_balance"], (2, 1, 1 / 0.6), rtol=1e-5)
    rows = 4 + 24 / 8 * (np.arange(8) + 0.5)  # of 32
    assert_allclose(meta["shading"].mean(dim=(0, 2))[1:-1], 1 + 2 * rows[1:-1] / 32, atol=0.01)


# Mistakes


@pytest.mark.parametrize("times", [(), (1,)])
def test_a_single_picture_or_none_is_refused(tmp_path: Path, times: tuple) -> None:
    folder = write_stack(tmp_path / "a", times)
    message = "a single picture, 1.jpg: brackets are 2 or more" if times else "holds no pictures; expected"
    with pytest.raises(UserError, match=message):
        opened(folder)


def test_too_many_frames_wished_for_are_refused(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "a", (1, 4))
    with pytest.raises(UserError, match=r"--frame_num 3: .*a holds 2 frames"):
        opened(folder, frame_num=3)


def test_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"folder has no targets: test\.py restores it"):
        create_dataset(folder_options(tmp_path), "train")


def test_a_missing_folder_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a folder; expected there: 2 to 9 raw files"):
        opened(tmp_path / "none")


def test_frames_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "a", (1, 4))
    make_dng(folder / "3.dng", random_mosaic(size=(28, 40)), exposure_time=1.0)
    with pytest.raises(UserError, match=r"3\.dng does not fit 1\.dng: 20 x 14 cells, not 21 x 15"):
        opened(folder)[0]
    folder = write_stack(tmp_path / "b")
    write_picture(folder / "4.jpg", np.zeros((24, 30, 3), np.uint8), time=1.0, iso=100)
    with pytest.raises(UserError, match=r"4\.jpg does not fit 1\.jpg: 30 x 24 px, not 32 x 24"):
        opened(folder)[0]


def test_scenes_of_both_kinds_are_refused(tmp_path: Path) -> None:
    make_scene(tmp_path / "a", (1, 4))
    write_stack(tmp_path / "b")
    with pytest.raises(UserError, match="has scenes of raw files and scenes of pictures: restore them apart"):
        opened(tmp_path)


def test_what_is_no_raw_file_is_refused(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.nef").write_bytes(b"no raw file" * 999)
    (tmp_path / "exposure.txt").write_text("1 4")
    with pytest.raises(UserError, match=r"0\.nef is not a raw file of a kind that LibRaw reads"):
        opened(tmp_path)[0]


# Stacks of pictures


def test_a_stack_of_pictures_is_linear_rgb(tmp_path: Path) -> None:
    dataset = opened(write_stack(tmp_path / "a", (0.16, 0.01, 0.04)), trust_exposures=True)
    assert dataset.task.channels == 3
    sample = dataset[0]
    assert sample["frames"].shape == (3, 3, 24, 32) and sample["frames"].dtype == torch.float32
    levels = srgb_decode(np.array([80, 120, 40]) / 255)
    assert_allclose(sample["frames"][:, 1, 5, 5], levels, rtol=1e-5)
    assert_allclose(sample["exposure"], (1 / 16, 1 / 4, 1))
    assert sample["meta"] == {} and sample["name"] == "a-2"


def test_channels_are_rgb(tmp_path: Path) -> None:
    for number, suffix in enumerate((".png", ".PNG")):
        picture = np.zeros((20, 20, 3), np.uint8)
        picture[...] = 255, 128, 0
        write_picture(tmp_path / f"{number}{suffix}", picture)
    (tmp_path / "exposure.txt").write_text("1 4")
    pixel = opened(tmp_path, response="linear")[0]["frames"][0, :, 3, 3]
    assert_allclose(pixel, (1, 128 / 255, 0), rtol=1e-6)


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    folder = write_stack(tmp_path / "a")
    (folder / "2.jpg").write_bytes(b"")
    (folder / "exposure.txt").write_text("1 2 3")
    with pytest.raises(UserError, match=r"2\.jpg is damaged or is not a picture"):
        opened(folder)[0]


# The programs


def restored(root: Path, out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Linear picture and PNG that test.py makes of the only scene, without weights."""
    options = f"--name x --model syn --dataset_name folder --dataroot {root} --checkpoints_dir {out}"
    words = ("--gpu_ids", -1, "-j", 0, "--save_hdr", "exr", "--tonemap", "mu_law")
    succeed("test.py", *options.split(), *words)
    (radiance,) = out.rglob("*.exr")
    (picture,) = out.glob("x/output_*/**/*.png")
    assert radiance.relative_to(out).parts[-2:] == (root.name, "1.exr")
    assert len(list(out.glob("x/report_*/*.png"))) == 1
    return read_exr(radiance), read_picture(picture)


def test_raw_files_become_linear_light_and_a_picture(tmp_path: Path) -> None:
    """Grey light of 0.05 of the shortest frame's white, which is 16."""
    folder = tmp_path / "scene"
    folder.mkdir()
    balance = np.array([[0.5, 1.0], [1.0, 0.6]])  # of an RGGB cell under SETTINGS' neutral
    for number, exposure in enumerate((1, 4, 16), 1):
        cells = np.clip(np.tile(0.05 * exposure * balance, (40, 60)), 0, 1)
        mosaic = np.round(64 + 959 * cells).astype(np.uint16)
        make_dng(folder / f"{number}.dng", mosaic, exposure_time=exposure / 100)
    light, picture = restored(folder, tmp_path / "out")
    assert light.shape == picture.shape == (80, 120, 3)
    assert_allclose(np.median(light, axis=(0, 1)), 0.05 * 16, rtol=0.03)
    assert_allclose(np.median(picture / 65535), mu_law(np.array(0.05)), atol=0.01)


def test_pictures_are_for_the_eye_by_default() -> None:
    words = ["--name", "x", "--dataset_name", "folder", "--dataroot", "/data"]
    assert TestOptions().parse(words).tonemap == "reinhard"
    assert TestOptions().parse([*words, "--tonemap", "mu_law"]).tonemap == "mu_law"


def test_pictures_become_linear_light_and_a_picture(tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    for number, exposure in enumerate((1, 4, 16), 1):
        code = np.round(255 * srgb_encode(np.clip(np.array([0.04, 0.02, 0.01]) * exposure, 0, 1)))
        write_picture(folder / f"{number}.png", np.tile(code.astype(np.uint8), (60, 80, 1)))
    (folder / "exposure.txt").write_text("1 4 16")
    light, picture = restored(folder, tmp_path / "out")
    assert light.shape == picture.shape == (60, 80, 3)
    assert_allclose(np.median(light, axis=(0, 1)), [0.64, 0.32, 0.16], rtol=0.1)


def test_a_scan_ends_with_one_line(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.nef").write_bytes(b"no raw file" * 999)
    (tmp_path / "exposure.txt").write_text("1 4")
    ended = run("test.py", "--name", "x", "--dataset_name", "folder", "--dataroot", tmp_path, "--gpu_ids", -1)
    assert ended.status == 2
    assert ended.err.splitlines()[-1].startswith("error: ") and "0.nef is not a raw file" in ended.err


def test_the_script_tells_how_it_is_used(tmp_path: Path) -> None:
    script = ROOT / "syn_bash" / "restore_photos.sh"
    for arguments in ([], [tmp_path / "missing"]):
        ended = subprocess.run(["bash", script, *arguments], capture_output=True, text=True, check=False)
        assert ended.returncode == 2 and ended.stderr.startswith("usage: ") and not ended.stdout


# Real stacks


@real_stacks
def test_exif_of_a_stack_that_contradicts_its_list(capsys: pytest.CaptureFixture) -> None:
    dataset = opened(SHARED / "stack_motion")
    assert [len(scene.files) for scene in dataset.scenes] == [3, 5]
    assert_allclose(dataset.scenes[0].exposures, (0.25, 1, 4))
    assert_allclose(dataset.scenes[1].exposures, (0.25, 0.5, 1, 2, 4))
    notes = capsys.readouterr().err
    assert notes.count("note: ") == 1 and "sculpture_garden/ev.txt: 5.tif was exposed 16 times" in notes


@real_stacks
def test_an_estimated_curve_makes_real_exposures_agree() -> None:
    """Quantiles of frames over exposure, in stops: a camera's tone curve is not that of sRGB."""
    spread = {}
    for response in ("srgb", "debevec"):
        sample = opened(SHARED / "stack_motion" / "sculpture_garden", response=response)[0]
        frames = sample["frames"][:, :, ::3, ::3].flatten(2).sort(dim=-1).values  # (T, 3, N)
        light = frames / sample["exposure"][:, None, None]
        good = (frames[1:] < 0.8) & (frames[:-1] > 0.02)
        spread[response] = float((light[1:] / light[:-1]).log2().abs()[good].mean())
    assert spread["debevec"] < 0.1 and spread["srgb"] > 0.3


@real_stacks
def test_the_memorial_church_agrees_with_its_radiance_map() -> None:
    sample = opened(SHARED / "stack" / "memorial", frame_num=9, response="debevec")[0]
    frames, exposure = sample["frames"].numpy(), sample["exposure"].numpy()[:, None, None, None]
    weights = np.where((frames > 0.02) & (frames < 0.9), exposure, 0)
    light = ((frames / exposure * weights).sum(0) / np.maximum(weights.sum(0), 1e-9))[1, 40:-40, 20:-20]
    truth = read_hdr(SHARED / "hdr" / "memorial.hdr")[40:-40, 20:-20, 1]
    good = (light > 0) & (truth > 0)
    assert good.mean() > 0.9
    assert np.corrcoef(np.log(light[good]), np.log(truth[good]))[0, 1] > 0.99
