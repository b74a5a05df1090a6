"""Raw files: mosaic, levels, pattern, exposure and colours as their tags have them; writing of DNG."""

import dataclasses
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rawpy
import tifffile
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data.exif import Shot, read_shot, read_tags
from data.raw import normalise, packed_size, read_alike, read_raw
from data.raw_colour import colour_tags
from data.simulate.camera import Camera
from data.simulate.dng import write_real_sample
from tests.raw_files import (
    LONG,
    RATIONAL,
    SHARED,
    SHORT,
    SRATIONAL,
    UNDEFINED,
    XYZ_TO_CAMERA,
    make_dng,
    random_mosaic,
)
from util.bayer import PLANES, pack, unpack
from util.errors import UserError

ACTIVE_AREA, ORIENTATION, REPEAT, BLACK, DELTA_H, DELTA_V = 50829, 274, 50713, 50714, 50715, 50716
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


# Exposure


def test_exposure_is_read_from_the_tags(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng")
    time, iso, f_number = read_shot(tmp_path / "a.dng", is_raw=True)
    assert (iso, f_number) == (100, 2.8) and time == pytest.approx(1 / 60)


def test_void_exposure_tags_count_as_none(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", exposure_time=None, iso=None, f_number=None)
    assert read_shot(tmp_path / "a.dng", is_raw=True) == Shot()
    void = [
        (33434, RATIONAL, 1, (0, 0), True),
        (33437, RATIONAL, 1, (0, 10), True),
        (34855, SHORT, 1, 0, True),
    ]
    apex = (37377, SRATIONAL, 1, (0, 1), True)  # of which LibRaw makes one second
    make_dng(tmp_path / "b.dng", extra=[*void, apex])
    assert read_shot(tmp_path / "b.dng", is_raw=True) == Shot()


def test_exposure_in_apex_units_is_understood(tmp_path: Path) -> None:
    apex = [(37377, SRATIONAL, 1, (6, 1), True), (37378, RATIONAL, 1, (4, 1), True)]
    make_dng(tmp_path / "a.dng", exposure_time=None, f_number=None, extra=apex)
    assert read_shot(tmp_path / "a.dng", is_raw=True) == Shot(1 / 64, 100.0, 4.0)


# Colours and the rest of the metadata


def test_meta_has_what_rendering_needs(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", cfa="BGGR")
    meta = read_raw(tmp_path / "a.dng").meta()
    assert_allclose(meta["white_balance"], (2.0, 1.0, 1 / 0.6), rtol=1e-6)
    assert meta["cam2rgb"].shape == (3, 3) and meta["cam2rgb"].dtype == torch.float32
    assert_allclose(meta["cam2rgb"].sum(dim=1), 1, rtol=1e-5)
    assert (meta["cfa"], meta["orientation"]) == ("BGGR", 1)
    assert "shading" not in meta


def test_both_matrices_and_the_rest_of_the_colour_tags_are_read(tmp_path: Path) -> None:
    second = XYZ_TO_CAMERA + 0.0625
    forward, calibration = np.full((3, 3), 0.25), np.diag([0.5, 1.0, 2.0])

    def matrix(code: int, values: np.ndarray) -> tuple:
        parts = [part for value in values.ravel() for part in (int(value * 10000), 10000)]
        return code, SRATIONAL, 9, tuple(parts), True

    tags = [matrix(code, forward) for code in (50964, 50965)]
    tags += [matrix(code, calibration) for code in (50723, 50724)]
    tags += [(50727, RATIONAL, 3, (1, 1, 5, 4, 3, 2), True)]
    changes = {"color_matrices": [XYZ_TO_CAMERA, second], "illuminants": [17, 21], "extra": tags}
    make_dng(tmp_path / "a.dng", **changes)
    colour = read_raw(tmp_path / "a.dng").colour
    assert colour.illuminants == (17, 21) and colour.neutral == pytest.approx((0.5, 1.0, 0.6))
    assert_allclose(colour.color_matrices, [XYZ_TO_CAMERA, second], atol=1e-9)
    assert_allclose(colour.forward_matrices, [forward] * 2)
    assert_allclose(colour.calibrations, [calibration] * 2)
    assert colour.analog_balance == (1.0, 1.25, 1.5)


def test_without_colour_tags_libraw_knows_or_nobody() -> None:
    matrix = np.vstack([XYZ_TO_CAMERA, np.zeros((1, 3))]).astype(np.float32)
    known = colour_tags({}, [2048.0, 1024.0, 1536.0, 0.0], matrix)
    assert known.neutral == pytest.approx((0.5, 1.0, 2 / 3)) and known.illuminants == (21,)
    assert_allclose(known.color_matrices[0], XYZ_TO_CAMERA, rtol=1e-6)
    unknown = colour_tags({}, [0.0, 1.0, 0.0, 0.0], np.zeros((4, 3)))
    assert unknown.neutral == (1.0, 1.0, 1.0) and unknown.color_matrices == ()


def test_calibration_of_another_profile_is_left_out() -> None:
    tags = {f"{name}1": tuple(np.eye(3).ravel()) for name in ("ColorMatrix", "CameraCalibration")}
    matrix = np.zeros((4, 3))
    assert len(colour_tags(tags, [1, 1, 1, 1], matrix).calibrations) == 1
    assert colour_tags(tags | {"CameraCalibrationSignature": "x"}, [1, 1, 1, 1], matrix).calibrations == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_passed_on(tmp_path: Path, orientation: int) -> None:
    mosaic = make_dng(tmp_path / "a.dng", extra=[(ORIENTATION, SHORT, 1, orientation, True)])
    image = read_raw(tmp_path / "a.dng")
    assert image.orientation == orientation
    assert_array_equal(image.planes, packed(mosaic, "RGGB"))  # not turned


def gain_map(gain: float) -> bytes:
    """An opcode list with one map of 2x2 equal gains for the whole mosaic."""
    gains = np.full(4, gain, ">f4").tobytes()
    data = struct.pack(">10I4dI", 0, 0, 30, 42, 0, 1, 1, 1, 2, 2, 1.0, 1.0, 0.0, 0.0, 1) + gains
    return struct.pack(">5I", 1, 9, 0x01030000, 0, len(data)) + data


def test_lens_shading_comes_with_the_meta(tmp_path: Path) -> None:
    data = gain_map(1.5)
    make_dng(tmp_path / "a.dng", extra=[(51009, UNDEFINED, len(data), data, True)])
    shading = read_raw(tmp_path / "a.dng").meta()["shading"]
    assert shading.shape[0] == 4 and shading.dtype == torch.float32
    assert_allclose(shading, 1.5)


def test_a_window_has_the_shading_of_its_place(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", random_mosaic(size=(64, 96)))
    image = read_raw(tmp_path / "a.dng")
    rows, columns = np.mgrid[:16, :24].astype(np.float32)
    plane = 1 + rows + 100 * columns  # of the middles of 16 x 24 parts of the 32 x 48 packed px
    image = dataclasses.replace(image, shading=np.stack([plane] * 4))
    part = image.cropped(slice(8, 24), slice(12, 36))
    assert_array_equal(part.planes, image.planes[8:24, 12:36])
    down = (8 + (np.arange(16) + 0.5) * 16 / 16) * 16 / 32 - 0.5
    across = (12 + (np.arange(24) + 0.5) * 24 / 24) * 24 / 48 - 0.5
    assert_allclose(part.shading[2], 1 + down[:, None] + 100 * across, rtol=1e-5)
    assert_allclose(image.cropped(slice(None), slice(None)).shading, image.shading, rtol=1e-6)


def test_a_damaged_list_of_opcodes_is_named(tmp_path: Path) -> None:
    make_dng(tmp_path / "a.dng", extra=[(51009, UNDEFINED, 6, b"\0\0\0\1\0\0", True)])
    with pytest.raises(UserError, match=r"a\.dng: .*opcodes"):
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
    with pytest.raises(UserError, match=r"a\.dng is (damaged or cut short|not a raw file)") as error:
        read_raw(tmp_path / "a.dng")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"text that is no picture" * 99])
def test_what_is_no_raw_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.cr2").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.cr2 is "):
        read_raw(tmp_path / "a.cr2")
    assert read_tags(tmp_path / "a.cr2") == {}


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
    with pytest.raises(UserError, match=r"coolscan\.nef has no Bayer mosaic"):
        read_raw(SHARED / "raw" / "nonbayer_nikon_coolscan.nef")
    with pytest.raises(UserError, match=r"rggb\.raw has no header"):
        read_raw(SHARED / "raw" / "DSC_1339_768x512_rggb.raw")
