"""Raw files: mosaic, pattern and levels, what cannot be read, and the writing of DNG."""

import os
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rawpy
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from data.reading.exif import Shot, read_shot, read_tags
from data.reading.raw import normalise, packed_size, read_alike, read_raw
from data.simulate.camera import Camera
from data.simulate.dng import write_real_sample
from tests.photo_files import (
    LONG,
    RATIONAL,
    SHARED,
    SHORT,
    SRATIONAL,
    UNDEFINED,
    make_dng,
    random_mosaic,
    write_picture,
)
from util.errors import UserError
from util.imaging.bayer import PLANES, pack, unpack

ASCII = 2
ACTIVE_AREA, REPEAT, BLACK, DELTA_H, DELTA_V = 50829, 50713, 50714, 50715, 50716
real_files = pytest.mark.skipif(not (SHARED / "raw").is_dir(), reason="the real raw files are not here")


def packed(mosaic: np.ndarray, cfa: str) -> np.ndarray:
    return pack(mosaic, cfa).transpose(1, 2, 0)


# Writing


@pytest.mark.parametrize("cfa", PLANES)
def test_libraw_reads_a_written_dng_bit_by_bit(tmp_path: Path, cfa: str) -> None:
    mosaic = make_dng(tmp_path / "a.dng", cfa=cfa)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert_array_equal(raw.raw_image_visible, mosaic)
        letters = "".join("RGBG"[index] for index in raw.raw_pattern.ravel())
        assert letters == cfa
        assert raw.black_level_per_channel == [64] * 4 and raw.white_level == 1023
        assert_allclose(raw.camera_whitebalance[:3], (2, 1, 1 / 0.6), rtol=1e-6)


def test_a_dng_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*a\.dng"):
        make_dng(tmp_path / "file" / "a.dng")


def simulated_sample() -> SimpleNamespace:
    rng = np.random.default_rng(3)
    return SimpleNamespace(
        frames=[rng.integers(0, 1024, (16, 20, 4), dtype=np.uint16) for _ in range(5)],
        gt=rng.uniform(0, 16, (16, 20, 4)).astype(np.float32),
        noise={1: [(0.0012 * number, 1e-5 * number) for number in range(1, 6)]},
        camera=Camera(red_gain=2.0, blue_gain=1.6),
    )


def test_a_simulated_sample_becomes_grbg_files_of_the_same_mosaic(tmp_path: Path) -> None:
    sample = simulated_sample()
    folder = tmp_path / "Test" / "scene"
    write_real_sample(folder, sample)
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"{number}.dng" for number in range(1, 6)),
        "exposure.txt",
        "raw_gt.npy",
    ]
    assert (folder / "exposure.txt").read_text().split() == ["1", "4", "16", "64", "256"]
    for number, frame in enumerate(sample.frames, 1):
        image = read_raw(folder / f"{number}.dng")
        assert image.cfa == "GRBG" and image.white == 1023 and image.black.tolist() == [64] * 4
        values = unpack(normalise(image.planes, image.black, image.white).transpose(2, 0, 1), "GRBG")
        expected = unpack(frame.transpose(2, 0, 1), "RGGB")[:, 1:-1] / 1023
        assert np.abs(values - expected).max() <= 0.5 / (1023 - 64) + 1e-6
        assert read_shot(folder / f"{number}.dng", is_raw=True) == Shot(
            4 ** (number - 1) / 1024, 1600.0, None
        )
    target = np.load(folder / "raw_gt.npy")
    assert_array_equal(
        unpack(target.transpose(2, 0, 1), "GRBG"), unpack(sample.gt.transpose(2, 0, 1), "RGGB")[:, 1:-1]
    )


def test_the_colours_of_a_simulated_sample_are_found_again(tmp_path: Path) -> None:
    sample = simulated_sample()
    write_real_sample(tmp_path / "scene", sample)
    meta = read_raw(tmp_path / "scene" / "1.dng").meta()
    assert_allclose(meta["white_balance"], (2.0, 1.0, 1.6), rtol=1e-5)
    assert_allclose(meta["cam2rgb"], np.linalg.inv(sample.camera.rgb2cam), atol=2e-3)


def test_a_simulated_sample_has_the_tags_that_the_published_reader_asks_for(tmp_path: Path) -> None:
    """Both matrices and their lights, and the noise law of each frame."""
    sample = simulated_sample()
    write_real_sample(tmp_path / "scene", sample)
    for number, noise in enumerate(sample.noise[1], 1):
        with tifffile.TiffFile(tmp_path / "scene" / f"{number}.dng") as file:
            tags = {tag.code: tag.value for tag in file.pages[0].tags}
        assert tags[51041] == noise
        assert (tags[50778], tags[50779]) == (17, 21)  # standard light A, D65
        assert tags[50721] == tags[50722] and len(tags[50721]) == 18


# Mosaic and pattern


@pytest.mark.parametrize("cfa", PLANES)
def test_planes_are_packed_by_colour(tmp_path: Path, cfa: str) -> None:
    mosaic = make_dng(tmp_path / "a.dng", cfa=cfa)
    image = read_raw(tmp_path / "a.dng")
    assert image.cfa == cfa and image.planes.dtype == np.uint16
    assert_array_equal(image.planes, packed(mosaic, cfa))
    assert packed_size(tmp_path / "a.dng") == image.planes.shape[:2] == (15, 21)


def test_odd_sizes_lose_the_last_row_and_column(tmp_path: Path) -> None:
    mosaic = make_dng(tmp_path / "a.dng", random_mosaic(size=(29, 41)), cfa="GRBG")
    image = read_raw(tmp_path / "a.dng")
    assert_array_equal(image.planes, packed(mosaic[:28, :40], "GRBG"))
    assert packed_size(tmp_path / "a.dng") == (14, 20)


@pytest.mark.parametrize("cfa", PLANES)
@pytest.mark.parametrize("area", [(2, 4, 28, 40), (3, 4, 29, 40), (2, 5, 28, 41), (3, 5, 30, 42)])
def test_only_the_active_area_is_read(tmp_path: Path, cfa: str, area: tuple[int, ...]) -> None:
    """A DNG's pattern begins at the corner of its active area; LibRaw drops an odd first row or column."""
    mosaic = make_dng(tmp_path / "a.dng", cfa=cfa, extra=[(ACTIVE_AREA, LONG, 4, area, True)])
    image = read_raw(tmp_path / "a.dng")
    seen = unpack(image.planes.transpose(2, 0, 1), image.cfa)
    top, left = (area[0] + 1) // 2 * 2, (area[1] + 1) // 2 * 2
    assert_array_equal(seen, mosaic[top:, left:][: seen.shape[0], : seen.shape[1]])
    rows = [cfa[:2], cfa[2:]]
    moved = rows[(top - area[0]) % 2 :] + rows[: (top - area[0]) % 2]
    assert image.cfa == "".join(row[(left - area[1]) % 2 :] + row[: (left - area[1]) % 2] for row in moved)


def test_gain_maps_follow_the_active_area(tmp_path: Path) -> None:
    """Maps count from the active area's corner, of which LibRaw drops an odd first row and column."""
    data = struct.pack(">I", 4)
    for place, gain in zip(PLANES["RGGB"], (2.0, 3.0, 5.0, 7.0), strict=True):
        one = struct.pack(">10I4dI4f", *place, 27, 37, 0, 1, 2, 2, 2, 2, 1, 1, 0, 0, 1, *[gain] * 4)
        data += struct.pack(">4I", 9, 0x01030000, 0, len(one)) + one
    tags = [(ACTIVE_AREA, LONG, 4, (3, 5, 30, 42), True), (51009, UNDEFINED, len(data), data, True)]
    make_dng(tmp_path / "a.dng", extra=tags)
    image = read_raw(tmp_path / "a.dng")
    assert image.cfa == "BGGR"
    assert [set(plane.ravel().tolist()) for plane in image.shading] == [{2.0}, {3.0}, {5.0}, {7.0}]


# Levels


def test_normalisation_keeps_what_lies_beyond_the_levels() -> None:
    planes = np.array([[[0, 64, 1023, 1500]]], np.uint16)
    values = normalise(planes, np.float32([64, 64, 64, 64]), 1023)
    assert values.dtype == np.float32
    assert_allclose(values[0, 0], (-64 / 959, 0, 1, 1436 / 959), rtol=1e-6)


@pytest.mark.parametrize("cfa", PLANES)
def test_black_levels_of_a_cell_go_to_their_planes(tmp_path: Path, cfa: str) -> None:
    levels = np.array([[60, 61], [62, 63]])
    tags = [(REPEAT, SHORT, 2, (2, 2), True), (BLACK, SHORT, 4, tuple(levels.ravel().tolist()), True)]
    mosaic = make_dng(tmp_path / "a.dng", cfa=cfa, extra=tags)
    image = read_raw(tmp_path / "a.dng")
    assert image.black.tolist() == [levels[place] for place in PLANES[cfa]]
    assert_array_equal(image.planes, packed(mosaic, cfa))


def test_black_levels_belong_to_the_corner_of_the_active_area(tmp_path: Path) -> None:
    tags = [(REPEAT, SHORT, 2, (2, 2), True), (BLACK, SHORT, 4, (60, 61, 62, 63), True)]
    make_dng(tmp_path / "a.dng", extra=[*tags, (ACTIVE_AREA, LONG, 4, (3, 4, 29, 40), True)])
    image = read_raw(tmp_path / "a.dng")  # from row 4 on: the second row of an RGGB cell comes first
    assert image.cfa == "GBRG"
    assert image.black.tolist() == [60, 61, 62, 63]  # R, G beside it, G beside B, B


def test_fractions_and_slopes_of_the_black_level_count(tmp_path: Path) -> None:
    slopes = [
        (DELTA_H, SRATIONAL, 42, (1, 1) * 21 + (3, 1) * 21, True),
        (DELTA_V, SRATIONAL, 30, (-1, 2) * 30, True),
    ]
    make_dng(tmp_path / "a.dng", extra=[(BLACK, RATIONAL, 1, (641, 10), True), *slopes])
    assert_allclose(read_raw(tmp_path / "a.dng").black, [64.1 + 2 - 0.5] * 4, rtol=1e-6)


def test_a_black_pattern_larger_than_a_cell_is_taken_off(tmp_path: Path) -> None:
    levels = np.arange(60, 76).reshape(4, 4)
    tags = [(REPEAT, SHORT, 2, (4, 4), True), (BLACK, SHORT, 16, tuple(levels.ravel().tolist()), True)]
    mosaic = make_dng(tmp_path / "a.dng", random_mosaic() // 2 + 100, cfa="GRBG", extra=tags)
    image = read_raw(tmp_path / "a.dng")
    expected = mosaic - np.tile(levels, (8, 11))[:30, :42]
    values = unpack((image.planes - image.black).transpose(2, 0, 1), "GRBG")
    assert_allclose(values, expected)


def test_levels_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", black=2000)
    with pytest.raises(UserError, match=r"a\.dng: the white level 1023 is not above the black level 2000"):
        read_raw(tmp_path / "a.dng")


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([(REPEAT, SHORT, 3, (2, 2, 2), True)], "tag BlackLevelRepeatDim is damaged: 3 numbers, not 2"),
        ([(REPEAT, SHORT, 2, (0, 2), True)], "tag BlackLevel is damaged: 1 levels for 0 x 2 places"),
        ([(REPEAT, SHORT, 2, (2, 2), True)], "tag BlackLevel is damaged: 1 levels for 2 x 2 places"),
        ([(BLACK, ASCII, 0, "dark", True)], "tag BlackLevel is damaged: it does not hold numbers"),
        ([(DELTA_H, SRATIONAL, 1, (0, 0), True)], "tag BlackLevelDeltaH is damaged: it holds fractions"),
        ([(50717, ASCII, 0, "white", True)], "tag WhiteLevel is damaged: it does not hold numbers"),
        ([(50778, SHORT, 2, (21, 17), True)], "tag CalibrationIlluminant1 is damaged: 2 numbers, not 1"),
        ([(50728, SHORT, 2, (1, 1), True)], "tag AsShotNeutral is damaged: 2 numbers, not 3"),
        ([(51009, ASCII, 0, "opcodes", True)], "the list of opcodes of the DNG is damaged"),
    ],
)
def test_tags_of_another_type_or_count_are_named(tmp_path: Path, tags: list, message: str) -> None:
    make_dng(tmp_path / "a.dng", extra=tags)
    with pytest.raises(UserError, match=rf"a\.dng: {message}"):
        read_raw(tmp_path / "a.dng")


# Bad files


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.dng: no such file"):
        read_raw(tmp_path / "a.dng")


@pytest.mark.parametrize("share", [0.99, 0.5, 0.02])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    make_dng(tmp_path / "whole.dng")
    content = (tmp_path / "whole.dng").read_bytes()
    (tmp_path / "a.dng").write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"a\.dng:? (is )?(damaged or cut short|not a raw file)") as error:
        read_raw(tmp_path / "a.dng")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"text that is no picture" * 99])
def test_what_is_no_raw_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.cr2").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.cr2 is "):
        read_raw(tmp_path / "a.cr2")
    assert read_tags(tmp_path / "a.cr2") == {}
    with pytest.raises(UserError, match=r"a\.cr2 is (damaged or cut short|not a raw file)"):
        read_shot(tmp_path / "a.cr2", is_raw=True)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng")
    odd = (tmp_path / "a.dng").rename(tmp_path / os.fsdecode(b"\xff.dng"))
    with pytest.raises(UserError, match="LibRaw opens names in UTF-8 only, rename it"):
        read_raw(odd)


def test_damaged_headers_of_pictures_have_no_tags(tmp_path: Path) -> None:
    """A PNG whose second chunk is damaged, and one that claims to be huge."""
    good = write_picture(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8)).read_bytes()
    (tmp_path / "a.png").write_bytes(good[:33] + bytes(len(good) - 33))
    size = struct.pack(">4s2I5B", b"IHDR", 60000, 60000, 8, 2, 0, 0, 0)
    huge = good[:12] + size + struct.pack(">I", zlib.crc32(size)) + good[33:]
    (tmp_path / "b.png").write_bytes(huge)
    assert read_tags(tmp_path / "a.png") == read_tags(tmp_path / "b.png") == {}


def test_an_apex_time_that_is_no_fraction_is_understood(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", exposure_time=None, extra=[(37377, SHORT, 1, 3, True)])
    assert read_shot(tmp_path / "a.dng", is_raw=True).time == 1 / 8


def test_mosaics_that_are_not_bayer_are_refused(tmp_path: Path) -> None:
    xtrans = bytes([1, 2, 1, 1, 0, 1, 0, 1, 0, 2, 1, 2, 1, 2, 1, 1, 0, 1] * 2)
    make_dng(tmp_path / "x.dng", extra=[(33421, SHORT, 2, (6, 6), True), (33422, 1, 36, xtrans, True)])
    gray = make_dng(tmp_path / "gray.dng")
    mosaic, linear = (struct.pack("<HHIH", 262, SHORT, 1, kind) for kind in (32803, 34892))
    content = (tmp_path / "gray.dng").read_bytes()
    (tmp_path / "gray.dng").write_bytes(content.replace(mosaic, linear))
    rgb, version = np.stack([gray] * 3, axis=-1), [(50706, 1, 4, b"\1\4\0\0", True)]
    tifffile.imwrite(tmp_path / "linear.dng", rgb, photometric=34892, metadata=None, extratags=version)
    for name in ("x", "gray", "linear"):
        with pytest.raises(UserError, match=rf"{name}\.dng has no Bayer mosaic"):
            read_raw(tmp_path / f"{name}.dng")


def test_a_set_must_be_of_one_kind(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng")
    model = (50708, 2, 0, "Another camera", True)
    make_dng(tmp_path / "size.dng", random_mosaic(size=(28, 42)))
    make_dng(tmp_path / "pattern.dng", cfa="BGGR")
    make_dng(tmp_path / "camera.dng", extra=[model])
    messages = {
        "size": "21 x 14 cells, not 21 x 15 cells",
        "pattern": "BGGR, not RGGB",
        "camera": "Another camera, not Bracketeer simulated camera",
    }
    for name, message in messages.items():
        files = [tmp_path / "a.dng", tmp_path / f"{name}.dng"]
        with pytest.raises(UserError, match=rf"{name}\.dng does not fit a\.dng: {message}"):
            list(read_alike(files))


# Real files


@real_files
def test_a_dng_with_void_exposure_and_values_below_black() -> None:
    path = SHARED / "raw" / "colorchart.dng"
    image = read_raw(path)
    assert image.planes.shape == (578, 867, 4) and image.cfa == "RGGB"
    assert image.black.tolist() == [2056] * 4 and image.white == 15000
    values = normalise(image.planes, image.black, image.white)
    assert -0.01 < values.min() < 0 and 0.02 < values.mean() < 0.1
    assert_allclose(image.meta()["white_balance"], (2.477, 1, 2.477 / 1.462), rtol=1e-3)
    assert read_shot(path, is_raw=True) == Shot()


@real_files
def test_a_tiled_dng_with_a_linearisation_table() -> None:
    image = read_raw(SHARED / "raw" / "Blackmagic.dng")
    assert image.planes.shape == (1088, 2064, 4) and image.cfa == "RGGB"
    assert image.black.tolist() == [512] * 4 and image.white == 65535
    assert image.planes.max() == 65472  # the last entry of its table: 12 bits would end at 4095
    assert image.colour.illuminants == (17, 21) and len(image.colour.forward_matrices) == 2


@real_files
def test_a_raw_file_that_is_no_dng() -> None:
    path = SHARED / "raw" / "kodak_dc50.kdc"
    image = read_raw(path)
    assert image.planes.shape == (256, 384, 4) and image.cfa == "GRBG" and image.white == 16383
    assert read_shot(path, is_raw=True) == pytest.approx((1 / 230, 84, 6.2), rel=1e-3)
    assert image.colour.color_matrices == ()


@real_files
def test_scans_and_headerless_files_are_refused() -> None:
    with pytest.raises(UserError, match=r"coolscan\.nef has no Bayer mosaic.*: it holds RGB"):
        read_raw(SHARED / "raw" / "nonbayer_nikon_coolscan.nef")
    with pytest.raises(UserError, match=r"rggb\.raw has no header"):
        read_raw(SHARED / "raw" / "DSC_1339_768x512_rggb.raw")
