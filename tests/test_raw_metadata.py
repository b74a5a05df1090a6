"""What raw files tell besides their mosaic: exposure, colours, orientation, lens shading."""

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from data.reading.exif import Shot, read_shot
from data.reading.raw import read_raw
from data.reading.raw_colour import colour_tags
from tests.photo_files import (
    RATIONAL,
    SHORT,
    SRATIONAL,
    UNDEFINED,
    XYZ_TO_CAMERA,
    make_dng,
    random_mosaic,
)
from util.errors import UserError
from util.imaging.bayer import pack

ORIENTATION = 274


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
    assert meta["cam2rgb"].shape == (3, 3) and meta["cam2rgb"].dtype == np.float32
    assert_allclose(meta["cam2rgb"].sum(axis=1), 1, rtol=1e-5)
    assert (meta["cfa"], meta["orientation"]) == ("BGGR", 1)
    assert "shading" not in meta


def test_both_matrices_and_the_rest_of_the_colour_tags_are_read(tmp_path: Path) -> None:
    second = XYZ_TO_CAMERA + 0.0625
    forward, calibration = np.full((3, 3), 0.25) + np.diag([0.25] * 3), np.diag([0.5, 1.0, 2.0])

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
    assert_array_equal(image.planes, pack(mosaic).transpose(1, 2, 0))  # not turned


def gain_map(gain: float) -> bytes:
    """An opcode list with one map of 2x2 equal gains for the whole mosaic."""
    gains = np.full(4, gain, ">f4").tobytes()
    data = struct.pack(">10I4dI", 0, 0, 30, 42, 0, 1, 1, 1, 2, 2, 1.0, 1.0, 0.0, 0.0, 1) + gains
    return struct.pack(">5I", 1, 9, 0x01030000, 0, len(data)) + data


def test_lens_shading_comes_with_the_meta(tmp_path: Path) -> None:
    data = gain_map(1.5)
    make_dng(tmp_path / "a.dng", extra=[(51009, UNDEFINED, len(data), data, True)])
    shading = read_raw(tmp_path / "a.dng").meta()["shading"]
    assert shading.shape[0] == 4 and shading.dtype == np.float32
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
