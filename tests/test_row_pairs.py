"""Rows that alternate in exposure: found, measured, and brought to where the pattern begins."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from skimage import data as pictures

from data.reading.raw import normalise, read_raw
from data.reading.row_pairs import (
    FEWEST_BLOCKS,
    RowPairs,
    begun,
    check_rows_alike,
    checked_row_pairs,
    clipping_level,
    row_pairs,
    row_shot,
)
from data.row_exposure import ORDERS, RowExposure, mosaicked
from data.simulate.row_shots import KINDS, RowSensor, write_row_shot
from tests.photo_files import SHARED, make_dng, random_mosaic
from util.errors import UserError
from util.imaging.bayer import PLANES, pack, unpack
from util.imaging.rendering import oriented

CONTENTS = (("astronaut", 0), ("chelsea", 10), ("coffee", 40), ("rocket", 20))
RATIOS = (2, 4, 8, 16, 32)


def light(name: str = "astronaut", start: int = 0, size: tuple[int, int] = (192, 320)) -> np.ndarray:
    """Linear camera RGB (H, W, 3) of a photograph."""
    picture = getattr(pictures, name)()[start : start + size[0], start : start + size[1]] / 255
    return (picture**2.2).astype(np.float32) * np.float32([0.5, 1, 0.6])


def shot_planes(
    radiance: np.ndarray, ratio: float, first: int, cfa: str, kind: str, sensor: RowSensor | None = None
) -> np.ndarray:
    """Packed values (4, h, w) of a noisy shot whose brighter rows begin at `first`."""
    sensor = sensor or RowSensor(kind)
    is_long = (np.arange(len(radiance)) - first) % 4 < 2
    codes = sensor.codes(mosaicked(radiance, cfa), is_long, ratio, np.random.default_rng(int(ratio) + first))
    return pack(sensor.values(codes), cfa)


# What is found


@pytest.mark.parametrize("brightness", [0.5, 3.0])  # of the longer exposure, whose highlights clip
def test_order_and_ratio_of_all_patterns(brightness: float) -> None:
    found = []
    for number, (ratio, cfa, kind) in enumerate(product(RATIOS, PLANES, KINDS)):
        first, content = number % 4, CONTENTS[number // 4 % len(CONTENTS)]
        planes = shot_planes(light(*content) * (brightness / ratio), ratio, first, cfa, kind)
        pairs = row_pairs(planes, cfa)
        found.append(pairs.is_clear and pairs.first == first and abs(pairs.ratio / ratio - 1) < 0.02)
    assert sum(found) == len(found) == 40


def test_gradients_and_clipped_or_black_parts_do_not_matter() -> None:
    ramp = np.linspace(0.1, 0.01, 256)[:, None, None] * np.ones((1, 128, 3))
    ramp[:128, :64], ramp[:128, 64:] = 3, 0
    pairs = row_pairs(shot_planes(ramp, 8, 1, "RGGB", "time"), "RGGB")
    assert pairs.is_clear
    assert pairs.first == 1
    assert abs(pairs.ratio / 8 - 1) < 0.02


def test_brighter_rows_that_saturate_below_white(tmp_path: Path) -> None:
    level, sensor, is_long = 0.8, RowSensor("gain"), (np.arange(192) - 2) % 4 < 2
    codes = sensor.codes(mosaicked(light()) / 3, is_long, 8, np.random.default_rng(0))
    top = round(512 + level * (16383 - 512))
    codes[is_long] = np.minimum(codes[is_long], top)
    make_dng(tmp_path / "a.dng", codes, black=512, white=16383)
    shot = row_shot(tmp_path / "a.dng", read_raw(tmp_path / "a.dng"), "short_first")
    assert abs(shot.ratio / 8 - 1) < 0.02
    assert (shot.values[is_long][codes[is_long] == top] == 1).all()
    untouched = codes < 512 + 0.97 * level * (16383 - 512)
    assert np.abs(shot.values - sensor.values(codes))[untouched].max() < 1e-6
    assert (shot.values[~is_long] == sensor.values(codes)[~is_long]).all()


def test_clipping_levels() -> None:
    rng = np.random.default_rng(0)
    noisy = rng.normal(0.7, 0.01, (64, 256))
    assert clipping_level(noisy) == 1
    assert clipping_level(np.minimum(noisy, 0.71)) == pytest.approx(0.71)
    assert clipping_level(np.minimum(noisy + 0.3, 1)) == 1
    assert clipping_level(np.full((4, 4), 0.3)) == clipping_level(np.empty((0, 4))) == 1


def test_ordinary_files_have_no_such_rows() -> None:
    files = [SHARED / "raw" / name for name in ("Blackmagic.dng", "colorchart.dng", "kodak_dc50.kdc")]
    if not files[0].is_file():
        pytest.skip("no real raw files at hand")
    for file in files:
        image = read_raw(file)
        planes = normalise(image.planes, image.black, image.white).transpose(2, 0, 1)
        pairs = row_pairs(planes, image.cfa)
        assert not pairs.is_clear
        assert abs(pairs.ratio - 1) < 0.01
        check_rows_alike(file, planes)


@pytest.mark.parametrize("brightness", [0.05, 0.5, 3.0])
def test_simulated_ordinary_files_have_no_such_rows(brightness: float) -> None:
    for content in CONTENTS:
        planes = shot_planes(light(*content) * brightness, 1, 0, "RGGB", "time")
        assert not row_pairs(planes, "RGGB").is_clear
        check_rows_alike(Path("a.dng"), np.clip(planes, 0, 1))


@pytest.mark.parametrize("name", ["brick", "grass", "gravel", "text", "page", "camera"])
def test_textures_have_no_such_rows(name: str) -> None:
    texture = getattr(pictures, name)() / 255
    for step in (1, 2, 3):
        small = texture[::step, ::step]
        small = small[: len(small) // 2 * 2, : small.shape[1] // 2 * 2]
        assert not row_pairs(pack(small), "RGGB").is_clear


@pytest.mark.parametrize("period", [2, 3.7, 3.95, 4.05, 4.3, 5, 8])
def test_fine_stripes_are_no_such_rows(period: float) -> None:
    for phase in (0, 0.8, 1.6):
        rows = 0.3 * (1 + 0.9 * np.sin(2 * np.pi * np.arange(256) / period + phase))
        assert not row_pairs(pack(np.tile(rows[:, None], (1, 256))), "RGGB").is_clear


def test_stripes_of_four_rows_on_a_part_of_the_frame_are_no_such_rows() -> None:
    values = np.full((256, 256), 0.2)
    values[:, :150] *= np.where(np.arange(256) % 4 < 2, 1.8, 0.2)[:, None]
    assert not row_pairs(pack(values), "RGGB").is_clear


@pytest.mark.parametrize("level", [0.0, 0.01, 0.1])
def test_noise_has_no_such_rows(level: float) -> None:
    noise = np.random.default_rng(0).normal(level, 0.02, (4, 64, 96))
    assert not row_pairs(noise, "RGGB").is_clear


def test_a_frame_smaller_than_a_block() -> None:
    assert row_pairs(np.full((4, 3, 3), 0.5), "RGGB") == RowPairs(0, 1.0, 0.0, 0)


# Messages


def test_a_file_without_the_pattern_is_refused_with_what_was_measured() -> None:
    planes = pack(mosaicked(light()))
    with pytest.raises(UserError) as error:
        checked_row_pairs(Path("a.dng"), planes, "RGGB")
    assert "a.dng: its rows do not alternate in exposure: rows " in str(error.value)
    assert "of each four are 1.00 times as bright as rows" in str(error.value)
    assert "of the blocks agree)" in str(error.value)


def test_a_dark_file_cannot_be_told() -> None:
    with pytest.raises(UserError, match=r"a.dng: whether .* 0 blocks of its 96 x 64 px are neither dark"):
        checked_row_pairs(Path("a.dng"), np.zeros((4, 32, 48)), "RGGB")


def test_a_file_with_the_pattern_is_no_dark_file() -> None:
    planes = shot_planes(light() / 8, 8, 2, "RGGB", "gain")
    with pytest.raises(UserError, match=r"a.dng: its rows alternate in exposure \(ratio 8.0\): --sve True"):
        check_rows_alike(Path("a.dng"), planes)


@pytest.mark.parametrize(
    ("changes", "is_clear"), [({}, True), ({"ratio": 1.4}, False), ({"agreement": 0.5}, False)]
)
def test_what_is_clear(changes: dict, is_clear: bool) -> None:
    pairs = RowPairs(0, 2.0, 0.9, FEWEST_BLOCKS)
    assert pairs._replace(**changes).is_clear == is_clear
    assert not pairs._replace(blocks=FEWEST_BLOCKS - 1).is_clear


# Where the pattern begins


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cfa", PLANES)
@pytest.mark.parametrize("first", range(4))
def test_every_mosaic_begins_with_red_and_with_its_first_pair(cfa: str, first: int, order: str) -> None:
    rows, columns = np.mgrid[:22, :14]
    colours = unpack(np.tile(np.arange(4.0)[:, None, None], (1, 11, 7)), cfa)
    is_long = (rows - first) % 4 < 2
    part, is_turned = begun(colours + 10 * is_long + 100 * rows + 10000 * columns, cfa, first, order)
    height, width = part.shape
    assert height % 4 == 0 < height
    assert height >= 22 - 6
    assert width in (12, 14)
    assert (pack(part % 10)[[0, 3]] == np.array([0, 3])[:, None, None]).all()
    assert (part // 10 % 10 == RowExposure(8.0, order).is_long(height)[:, None]).all()
    steps = np.diff(part // 100 % 100, axis=0)
    assert (steps == (-1 if is_turned else 1)).all()


def test_a_file_gives_the_radiance_at_its_sites(tmp_path: Path) -> None:
    radiance = light(size=(96, 128)) / 2
    levels = {"full_well": 1e9, "read_noise": 0.0}
    write_row_shot(
        tmp_path / "a.dng", radiance, ratio=4, kind="time", cfa="GRBG", first_bright_row=2, **levels
    )
    shot = row_shot(tmp_path / "a.dng", read_raw(tmp_path / "a.dng"), "short_first")
    assert abs(shot.ratio / 4 - 1) < 0.01
    assert shot.meta["cfa"] == "RGGB"
    sample = RowExposure(shot.ratio).sample(shot.values)
    measured = (sample["frames"][:, 0] / sample["exposure"][:, None, None]).sum(0)
    expected = mosaicked(radiance[:, 1:-1])
    is_clipped = RowExposure(4).is_long(96)[:, None] & (expected * 4 > 0.99)
    assert np.abs(measured - expected)[~is_clipped].max() < 0.005
    assert is_clipped.any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rows_that_were_turned_round_are_turned_back(tmp_path: Path, orientation: int) -> None:
    radiance = light(size=(96, 128)) / 4
    codes = write_row_shot(tmp_path / "a.dng", radiance, ratio=4, kind="time", cfa="GBRG", first_bright_row=0)
    turned = [(274, 3, 1, orientation, True)]
    make_dng(tmp_path / "b.dng", codes, cfa="GBRG", black=512, white=16383, extra=turned)
    image = read_raw(tmp_path / "b.dng")
    assert image.orientation == orientation
    shot = row_shot(tmp_path / "b.dng", image, "short_first")
    values = (codes.astype(np.float32) - 512) / (16383 - 512)
    whole = oriented(values, orientation)
    assert np.abs(oriented(shot.values, shot.meta["orientation"]) - whole).max() < 1e-6


def test_a_plain_file_is_refused(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", random_mosaic(size=(128, 128)))
    with pytest.raises(UserError, match=r"a.dng"):
        row_shot(tmp_path / "a.dng", read_raw(tmp_path / "a.dng"), "short_first")
