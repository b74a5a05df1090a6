"""Simulated shots with rows exposed in turn: their noise, their patches, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from data.checks.sve_sim_check import SveSimCheck
from data.draws import Draw
from data.row_exposure import RowExposure, mosaicked
from data.simulate.dng import write_dng
from data.simulate.radiance import LARGEST, Shelf, find_radiance, prepared, read_linear
from data.simulate.row_scenes import DIMMED_STOPS, draw_radiance, draw_row_camera
from data.simulate.row_shots import KINDS, RowSensor, ShotRows, expose_rows
from data.sve_sim_dataset import SveSimDataset, electrons
from util.errors import UserError
from util.imaging.images import write_png8
from util.imaging.radiance import write_radiance
from util.parser import Parser

ROWS = RowExposure()
EXACT = RowSensor(full_well=1e12, read_noise=0.0, converter_noise=0.0, black=0, white=2**16 - 1)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of light and a photograph, of 48x64 px."""
    root = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    for name in ("a.hdr", "b.exr", "c.exr"):
        write_radiance(root / name, np.exp(rng.normal(0, 2, (48, 64, 3))).astype(np.float32))
    write_png8(root / "d.png", rng.integers(0, 256, (48, 64, 3), np.uint8))
    return root


def dataset(root: Path, *words: str, split: str = "train") -> SveSimDataset:
    """The data set by the options that it has itself; patches and pictures of 32 px unless told."""
    parser = Parser()
    parser.add_argument("--patch_size", type=int)
    SveSimDataset.modify_commandline_options(parser, is_train=True)
    opt = parser.parse_args(["--patch_size", "32", "--sim_size", "32", *words])
    for name, value in {"dataroot": root, "max_dataset_size": None, "cache_dir": None}.items():
        setattr(opt, name, value)
    return SveSimDataset(opt, split)


# The sensor


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0.002, 0.05])
def test_noise_follows_its_law_in_both_kinds_of_rows(kind: str, level: float) -> None:
    sensor = RowSensor(kind, full_well=3000.0)
    values = expose_rows(np.full((400, 400, 3), level), ROWS, sensor, np.random.default_rng(0))
    is_long = ROWS.is_long(400)
    for rows, ratio in ((~is_long, 1.0), (is_long, 8.0)):
        gain = ratio if kind == "gain" else 1.0
        law = ratio * gain * level / 3000 + (gain * 3 / 3000) ** 2 + (2**2 + 1 / 12) / 15871**2
        assert sensor.variance(level, ratio) == pytest.approx(law)
        deviation = np.sqrt(law / values[rows].size)
        assert values[rows].mean() == pytest.approx(ratio * level, abs=4 * deviation)
        assert values[rows].var() == pytest.approx(law, rel=0.02)


def test_rows_of_a_higher_gain_see_the_same_photons_and_less_of_the_converters_noise() -> None:
    light = 0.01
    in_light = {kind: RowSensor(kind).variance(light, 8.0) / 64 for kind in KINDS}
    assert in_light["gain"] > 4 * in_light["time"]  # by shot noise
    noisy = RowSensor("gain", full_well=60000.0, converter_noise=6.0)
    low, high = (np.sqrt(noisy.variance(0.0, ratio)) / ratio * 60000 for ratio in (1.0, 8.0))
    assert low == pytest.approx(np.hypot(3, 6 * 60000 / 15871), rel=0.01)
    assert high == pytest.approx(np.hypot(3, 6 * 60000 / 15871 / 8), rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_the_radiance_is_found_where_nothing_clips(kind: str) -> None:
    radiance = np.random.default_rng(0).uniform(0, 0.12, (16, 12, 3))
    sample = ROWS.sample(expose_rows(radiance, ROWS, EXACT._replace(kind=kind), np.random.default_rng(1)))
    found = (sample["frames"] / sample["exposure"][:, None, None, None]).sum(axis=0)[0]
    assert_allclose(found, mosaicked(radiance), atol=0.6 / 65535)


def test_values_clip_at_white_and_keep_the_noise_below_black() -> None:
    values = expose_rows(np.full((64, 64, 3), 1.5), ROWS, RowSensor(), np.random.default_rng(0))
    assert values.max() == 1 == np.median(values)
    dark = expose_rows(np.zeros((64, 64, 3)), ROWS, RowSensor(read_noise=6.0), np.random.default_rng(0))
    assert dark.min() < 0
    assert abs(dark.mean()) < 4 * dark.std() / 64
    codes = RowSensor().codes(np.full((4, 2), 9.0), np.ones(4, bool), 8.0, np.random.default_rng(0))
    assert codes.dtype == np.uint16
    assert (codes == 16383).all()


def test_a_drawn_share_of_the_px_is_beyond_the_short_exposure() -> None:
    rng = np.random.default_rng(0)
    light = np.exp(rng.normal(0, 1, (100, 100, 3))).astype(np.float32)
    for _ in range(20):
        radiance = draw_radiance(rng, light, draw_row_camera(rng))
        assert radiance.min() >= 0
        assert 0.0005 < (radiance.max(axis=-1) > 1).mean() < 0.011
    dimmed = draw_radiance(rng, light, draw_row_camera(rng), dimmed=1.0)
    assert np.quantile(dimmed.max(axis=-1), 0.999) * 1.5 > 2**-DIMMED_STOPS
    assert not np.isnan(draw_radiance(rng, light * 0, draw_row_camera(rng))).any()


# Patches


def test_patches_are_functions_of_their_draw(sources: Path) -> None:
    first, again = dataset(sources, "--sim_scenes", "both"), dataset(sources, "--sim_scenes", "both")
    for index in (0, len(first) - 1):
        draw = Draw(index, 1, 2, 3, 0)
        one, two = first.patch(draw), again.patch(draw)
        other = first.patch(draw._replace(position=4))
        for key in ("frames", "gt", "mask"):
            assert_array_equal(one[key], two[key])
        assert (one["frames"] != other["frames"]).any()


def test_a_patch_is_what_its_truth_gives_with_noise(sources: Path) -> None:
    data = dataset(sources, "--full_well", "1e9", "--sve_read_noise", "0", "--delta_ev", "2")
    assert data.task.protocol[0] == ("exposure ratio", "4")
    assert data.task == data.asked(data.opt)
    for index in range(len(data)):
        sample = data.patch(Draw(index, 0, 1, index, 0))
        assert sample["frames"].shape == (2, 1, 32, 32)
        assert sample["mask"].shape == (1, 32, 32)
        assert_array_equal(sample["exposure"], [1, 4])
        truth = mosaicked(sample["gt"].transpose(1, 2, 0))
        expected = np.minimum(data.pattern.rows_of(truth, 4 * truth), 1)
        assert_allclose(sample["frames"].sum(axis=0)[0], expected, atol=2e-3)


def test_truth_is_clipped_where_the_short_exposure_is_unless_told(sources: Path) -> None:
    clipped, whole = (
        dataset(sources, "--clip_truth", name, split="val").whole(0)["gt"] for name in ("True", "False")
    )
    assert clipped.max() == 1 < whole.max()
    assert_array_equal(clipped, np.minimum(whole, 1))


def test_what_is_validated_on_does_not_change_and_is_not_trained_on(sources: Path) -> None:
    train, val = dataset(sources), dataset(sources, split="val")
    assert [scene.name for scene in train.scenes] == ["a_hdr", "b_exr", "c_exr"]
    assert [scene.name for scene in val.scenes] == ["d_png"]
    one, two = val.whole(0), dataset(sources, split="test").whole(0)
    assert_array_equal(one["frames"], two["frames"])
    assert one["gt"].shape == (3, 32, 32)
    assert one["name"] == "d_png-0"
    assert set(one["meta"]) == {"white_balance", "cam2rgb", "cfa"}
    built_in = dataset(sources, "--sim_scenes", "built_in", split="val")
    assert [scene.name for scene in built_in.scenes] == ["coffee", "rocket"]
    assert built_in.whole(1)["frames"].shape == (2, 1, 32, 32)


def test_light_is_averaged_to_the_size_that_is_asked_for(sources: Path) -> None:
    scene = dataset(sources).scenes[0]
    whole = scene.whole(np.random.default_rng(0), 24)
    assert whole.shape == (24, 24, 3)
    middle = prepared(scene.path)[:, 8:56].astype(np.float32)
    assert_allclose(whole, middle.reshape(24, 2, 24, 2, 3).mean(axis=(1, 3)), rtol=1e-3)


# Files


def test_every_tenth_file_is_held_out_and_folders_tell_the_split(tmp_path: Path) -> None:
    for number in range(21):
        (tmp_path / f"{number:02d}.hdr").touch()
    assert [source.path.stem for source in find_radiance(tmp_path, "val")] == ["09", "19"]
    assert len(find_radiance(tmp_path, "train")) == 19
    (tmp_path / "Train" / "deep").mkdir(parents=True)
    (tmp_path / "Train" / "deep" / "x.exr").touch()
    (tmp_path / "Train" / ".hidden.exr").touch()
    assert [source.name for source in find_radiance(tmp_path, "train")] == ["deep_x_exr"]
    with pytest.raises(UserError, match=r"Test holds no pictures for val; --val_freq 0 trains without"):
        find_radiance(tmp_path, "val")


def test_a_raw_file_is_light_at_half_its_size(tmp_path: Path) -> None:
    colour = {"neutral": (0.5, 1, 0.8), "color_matrices": [np.eye(3)], "illuminants": [21]}
    mosaic = mosaicked(np.broadcast_to(np.uint16([600, 1100, 900]), (32, 48, 3)))
    mosaic -= np.random.default_rng(0).integers(0, 2, mosaic.shape, np.uint16)
    write_dng(tmp_path / "x.dng", mosaic, black=100, white=1100, cfa="RGGB", **colour)
    light = read_linear(tmp_path / "x.dng")
    assert light.shape == (16, 24, 3)
    assert_allclose(light, 1, atol=6e-3)  # as bright as white in every colour


def test_pictures_are_kept_within_bounds_and_copies_follow_their_files(sources: Path, tmp_path: Path) -> None:
    shelf = Shelf(limit=48 * 64 * 3 * 2)
    for name in ("a.hdr", "b.exr", "a.hdr"):
        assert_array_equal(shelf.light(sources / name), prepared(sources / name))
        assert list(shelf.held) == [sources / name]
    path = tmp_path / "x.exr"
    write_radiance(path, np.ones((8, 8, 3), np.float32))
    cache = str(tmp_path / "cache")
    assert_array_equal(Shelf(cache).light(path), np.ones((8, 8, 3)))
    bright = np.ones((8, 8, 3), np.float32)
    bright[0, 0] = 1e9
    write_radiance(path, bright * 2)
    changed = Shelf(cache).light(path)
    assert isinstance(changed, np.memmap)
    assert changed.max() <= LARGEST
    assert len(list((tmp_path / "cache" / "radiance").iterdir())) == 2


# What is refused


def test_options_that_cannot_be_are_refused(sources: Path, tmp_path: Path) -> None:
    for words, message in (
        (("--patch_size", "30"), "--patch_size 30: a multiple of 4, so that the pattern of rows is whole"),
        (("--mask_limits", "0.5"), "--mask_limits 0.5: --guidance_mask binary has 2 limits in rising order"),
        (("--mask_limits", "0.5,0.5"), "has 2 limits in rising order"),
        (("--guidance_mask", "soft", "--mask_limits", "0.1,0.1,0.5,0.9"), "has 4 limits in rising order"),
    ):
        with pytest.raises(UserError, match=message):
            dataset(sources, *words)
    for size in ("30", "8"):
        with pytest.raises(UserError, match=f"--sim_size {size}: a multiple of 4 from 32 on"):
            dataset(sources, "--sim_size", size, split="val")
    with pytest.raises(UserError, match=r"a.hdr has 64x48 px, --patch_size 52 takes 52x52: give a smaller"):
        dataset(sources, "--patch_size", "52").patch(Draw(0, 0, 0, 0, 0))
    with pytest.raises(UserError, match=r"holds no pictures for train; expected: .*--sim_scenes built_in"):
        dataset(tmp_path)
    for text in ("0", "5,3", "1,2,3", "many", "inf"):
        with pytest.raises(Exception, match="a number above 0, or two in rising order"):
            electrons(text)
    assert electrons("3000,30000") == [3000, 30000]
    assert ShotRows().ratio == 8


def test_the_check_names_files_that_are_too_small_or_show_nothing(sources: Path, tmp_path: Path) -> None:
    def findings(root: Path) -> list[tuple[str, str, bool]]:
        check = SveSimCheck(SveSimDataset, root)
        found = [*check.layout(), *(one for path in check.samples() for one in check.sample(path))]
        return [(one.path.name, one.text, one.is_fault) for one in found]

    small = "64x48 px are too few for patches of 128"
    assert [one for one in findings(sources) if one[1] != small] == [
        ("d.png", "a photograph: what is brighter than its white is made up", False)
    ]
    assert len(findings(sources)) == 5
    write_radiance(tmp_path / "black.exr", np.zeros((128, 128, 3), np.float32))
    (tmp_path / "damaged.hdr").write_text("x")
    black, damaged = findings(tmp_path)
    assert black == ("black.exr", "all values are 0", True)
    assert damaged[0] == "damaged.hdr"
    assert damaged[2]
