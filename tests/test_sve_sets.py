"""Simulated brackets for SVEHDRI and shots with rows exposed in turn: their files, and what is refused."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import rawpy
from numpy.testing import assert_array_equal

from data.merging.scenes import open_bracket, split_folders
from data.reading.exif import read_shot
from data.row_exposure import mosaicked
from data.simulate import brackets
from data.simulate.making import make_dataset
from data.simulate.row_shots import BLACK, KINDS, WHITE, RowSensor, ShotRows, write_row_shot
from data.simulate.scenes import BuiltIn
from data.simulate.settings import Settings
from util.errors import UserError
from util.imaging.bayer import PLANES, pack

SOURCES = {"Train": [BuiltIn("astronaut")], "Test": [BuiltIn("coffee")]}
SIZE = (32, 48)
GAIN = ShotRows("gain", 16.0, "GBRG", 1)


def made(out: Path, layout: str, **settings) -> Path:
    assert make_dataset(out, Settings(seed=3, size=SIZE, layout=layout, **settings), 1, SOURCES).written == 2
    return out


@pytest.fixture(scope="module")
def bracket_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("sve") / "set", "sve")


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("shots") / "set", "sve_shots", rows=GAIN)


def stored(path: Path) -> np.ndarray:
    with rawpy.imread(str(path)) as raw:
        return raw.raw_image.copy()


def digests(out: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.rglob("*.*"))]


# Single files


@pytest.mark.parametrize("cfa", PLANES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_shot_is_read_back_with_its_pattern_and_bright_rows(tmp_path: Path, cfa: str, kind: str) -> None:
    path, colours = tmp_path / "x.dng", np.float32([0.02, 0.06, 0.04])
    radiance = np.broadcast_to(colours, (64, 48, 3))
    for first in range(4):
        codes = write_row_shot(path, radiance, ratio=4, kind=kind, cfa=cfa, first_bright_row=first, seed=1)
        assert_array_equal(stored(path), codes)
        values = RowSensor().values(codes)
        rows = (np.arange(64) - first) % 4 < 2
        expected = mosaicked(radiance, cfa) * np.where(rows, 4, 1)[:, None]
        for plane in range(4):
            found, wanted = (pack(image, cfa)[plane].mean() for image in (values, expected))
            assert found == pytest.approx(wanted, rel=0.01)
    with rawpy.imread(str(path)) as raw:
        assert raw.white_level == WHITE
        assert raw.black_level_per_channel == [BLACK] * 4
        assert "".join("RGBG"[colour] for colour in raw.raw_pattern.ravel()) == cfa


def test_a_shot_may_be_a_mosaic_and_has_its_own_levels(tmp_path: Path) -> None:
    light = np.full((16, 16), 0.5)
    facts = {"ratio": 8, "kind": "time", "black": 64, "white": 1023}
    codes = write_row_shot(tmp_path / "x.dng", light, **facts, first_bright_row=0)
    assert (codes[0:2] == 1023).all()
    assert codes[2:4].mean() == pytest.approx(64 + 0.5 * 959, rel=0.01)
    assert_array_equal(write_row_shot(tmp_path / "y.dng", light, **facts, first_bright_row=0), codes)
    other = write_row_shot(tmp_path / "y.dng", light, **facts, first_bright_row=0, seed=1)
    assert (other != codes).any()


# Sets


def test_brackets_are_seven_shots_one_stop_apart(bracket_set: Path) -> None:
    for split, scene in (("train", "astronaut_000000"), ("test", "coffee_000000")):
        (folder,) = split_folders(bracket_set, split)
        assert folder.name == scene
        bracket = open_bracket(folder)
        assert [file.name for file in bracket.files] == [f"{number}.dng" for number in range(1, 8)]
        shots = [read_shot(file, is_raw=True) for file in bracket.files]
        assert {shot.iso for shot in shots} == {800}
        assert_array_equal([shot.time for shot in shots], [2.0**power for power in range(-9, -2)])


def test_the_frames_of_a_bracket_show_one_scene_with_their_own_noise(bracket_set: Path) -> None:
    folder = bracket_set / "Train" / "astronaut_000000"
    frames = [RowSensor().values(stored(folder / f"{number}.dng")) for number in range(1, 8)]
    assert frames[0].shape == (2 * SIZE[0], 2 * SIZE[1])
    good = (frames[5] > 0.1) & (frames[5] < 0.9)
    for number in range(4):
        shorter, longer = (frame[good] for frame in frames[number : number + 2])
        assert longer.sum() / shorter.sum() == pytest.approx(2, rel=0.03)
        light = frames[5][good] / 2 ** (5 - number)  # of the shorter
        law = RowSensor().variance(light, 1.0) + RowSensor().variance(2 * light, 1.0) / 4
        assert np.mean((longer / 2 - shorter) ** 2 / law) == pytest.approx(1, rel=0.1)
    assert 0.01 < (frames[5] >= 1).mean() < 0.2  # what the middle pair is chosen for
    assert (frames[2] >= 1).mean() < 0.01


def test_a_shot_of_a_set_has_its_truth_beside_it(shots: Path) -> None:
    folder = shots / "Test" / "coffee_000000"
    truth = np.load(folder / "truth.npy")
    values = RowSensor().values(stored(folder / "shot.dng"))
    assert truth.dtype == np.float32
    assert truth.shape == (*values.shape, 3)
    rows = (np.arange(len(values)) - 1) % 4 < 2
    expected = mosaicked(truth, "GBRG") * np.where(rows, 16, 1)[:, None]
    for part, ratio in ((rows, 16.0), (~rows, 1.0)):
        good = part[:, None] & (expected < 0.8)
        error = (values - expected)[good]
        assert abs(error.mean()) < 5 * error.std() / np.sqrt(error.size)
        law = RowSensor("gain").variance(expected[good] / ratio, ratio)
        assert np.mean(error**2 / law) == pytest.approx(1, rel=0.1)
    assert json.loads((shots / "simulation.json").read_text())["rows"] == GAIN._asdict()


def test_sets_are_the_same_when_made_again(bracket_set: Path, shots: Path, tmp_path: Path) -> None:
    assert digests(made(tmp_path / "brackets", "sve")) == digests(bracket_set)
    assert digests(made(tmp_path / "shots", "sve_shots", rows=GAIN)) == digests(shots)


# What is refused


def test_options_of_rows_belong_to_shots(monkeypatch: pytest.MonkeyPatch, shots: Path) -> None:
    def refused(message: str, *words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["simulate", *words])
        with pytest.raises(UserError, match=message):
            brackets.main()

    for option, value in (("ratio", "4"), ("cfa", "GRBG"), ("sve_kind", "gain"), ("first_bright_row", "0")):
        refused(
            f"--{option} is for --layout sve_shots: leave it out",
            *("--layout", "sve", "--out", "x", f"--{option}", value),
        )
    refused("--x4 is for raw brackets", "--layout", "sve", "--out", "x", "--x4", "published")
    shot = ("--layout", "sve_shots", "--out", str(shots), "--seed", "3", "--size", *map(str, SIZE))
    refused("expected a number, 1 or more, not '0.5'", *shot, "--ratio", "0.5")
    refused("was made with rows .*: give another folder to --out", *shot, "--ratio", "8")
    options = brackets.parse([*shot, "--sve_kind", "gain", "--ratio", "16", "--cfa", "GBRG"])
    assert brackets.rows_of(options) == GAIN._replace(first_bright_row=2)
