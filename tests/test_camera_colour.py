"""Camera colours from DNG tags, and lens shading maps, against known lights and numbers."""

import struct

import numpy as np
import pytest

from util.errors import UserError
from util.imaging.camera_colour import (
    D50,
    D65,
    XYZ_TO_SRGB,
    ColourTags,
    adaptation,
    camera_to_srgb,
    colour_meta,
    colour_temperature,
    published_camera_to_xyz,
    white_point,
    xy_of,
)
from util.imaging.lens_shading import gain_maps, plane_gains, resized

# XYZ to camera under tungsten light (17) and daylight (21): a real camera's, rounded
TUNGSTEN = np.array([[0.95, -0.45, 0.03], [-0.36, 1.32, 0.20], [-0.05, 0.15, 0.73]])
DAYLIGHT = np.array([[0.69, -0.25, -0.05], [-0.39, 1.20, 0.16], [-0.09, 0.20, 0.58]])
A_XYZ = np.array([1.09850, 1.0, 0.35585])
SRGB_TO_XYZ_D50 = np.array(  # sRGB's primaries adapted to D50 by Bradford (ICC sRGB profile)
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)


def neutral_in(light: np.ndarray, matrix: np.ndarray) -> tuple[float, float, float]:
    """What a camera measures of white in a light (XYZ)."""
    camera = matrix @ np.asarray(light)
    return tuple(camera / camera[1])


def halfway() -> np.ndarray:
    """XYZ of a light between A and D65 whose inverse colour temperature is the mean of 2850 and 6500 K."""
    wanted = 2 / (1 / 2850 + 1 / 6500)
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        xyz = (1 - share) * A_XYZ / A_XYZ.sum() + share * np.array(D65) / np.sum(D65)
        low, high = (share, high) if colour_temperature(xy_of(xyz)) < wanted else (low, share)
    return xyz


def test_colour_temperatures_of_known_lights():
    assert colour_temperature(np.array([0.44757, 0.40745])) == pytest.approx(2856, abs=5)
    assert colour_temperature(np.array([0.34567, 0.35850])) == pytest.approx(5003, abs=5)
    assert colour_temperature(np.array([0.31271, 0.32902])) == pytest.approx(6504, abs=5)
    assert colour_temperature(np.array([0.2, 0.2])) == 50000  # no white light: kept in bounds


def test_a_camera_with_the_colours_of_srgb_needs_no_matrix():
    by_color_matrix = camera_to_srgb(ColourTags((1, 1, 1), (XYZ_TO_SRGB,), (21,)))
    np.testing.assert_allclose(by_color_matrix, np.eye(3), atol=1e-4)
    by_forward_matrix = camera_to_srgb(ColourTags((1, 1, 1), (XYZ_TO_SRGB,), (21,), (SRGB_TO_XYZ_D50,)))
    np.testing.assert_allclose(by_forward_matrix, np.eye(3), atol=1e-3)


@pytest.mark.parametrize("matrix, light", [(TUNGSTEN, A_XYZ), (DAYLIGHT, D65)])
def test_a_calibrated_light_takes_its_own_matrix(matrix, light):
    neutral = neutral_in(light, matrix)
    both = ColourTags(neutral, (TUNGSTEN, DAYLIGHT), (17, 21))
    alone = ColourTags(neutral, (matrix,), (17,))
    np.testing.assert_allclose(white_point(both), xy_of(np.asarray(light)), atol=5e-4)
    np.testing.assert_allclose(camera_to_srgb(both), camera_to_srgb(alone), atol=0.01)
    swapped = ColourTags(neutral, (DAYLIGHT, TUNGSTEN), (21, 17))
    np.testing.assert_allclose(camera_to_srgb(swapped), camera_to_srgb(both), atol=1e-12)


def test_matrices_meet_halfway_in_inverse_temperature():
    light, mean = halfway(), (TUNGSTEN + DAYLIGHT) / 2
    assert colour_temperature(xy_of(light)) == pytest.approx(3962.6, abs=0.1)
    neutral = neutral_in(light, mean)
    both = ColourTags(neutral, (TUNGSTEN, DAYLIGHT), (17, 21))
    np.testing.assert_allclose(white_point(both), xy_of(light), atol=1e-6)
    expected = camera_to_srgb(ColourTags(neutral, (mean,), (0,)))
    np.testing.assert_allclose(camera_to_srgb(both), expected, atol=1e-6)
    forward = (SRGB_TO_XYZ_D50, SRGB_TO_XYZ_D50 @ np.array([[0.9, 0.1, 0], [0, 1, 0], [0, 0.2, 0.8]]))
    both = ColourTags(neutral, (TUNGSTEN, DAYLIGHT), (17, 21), forward)
    expected = camera_to_srgb(ColourTags(neutral, (mean,), (0,), ((forward[0] + forward[1]) / 2,)))
    np.testing.assert_allclose(camera_to_srgb(both), expected, atol=1e-6)


def test_a_light_out_of_range_or_unknown_is_not_extrapolated():
    blue = neutral_in(np.array([0.9, 1.0, 1.6]), DAYLIGHT)
    expected = camera_to_srgb(ColourTags(blue, (DAYLIGHT,), (21,)))
    np.testing.assert_allclose(
        camera_to_srgb(ColourTags(blue, (TUNGSTEN, DAYLIGHT), (17, 21))), expected, atol=1e-9
    )
    for lights in ((0, 21), (), (255, 0)):
        tags = ColourTags(blue, (DAYLIGHT, TUNGSTEN), lights)
        np.testing.assert_allclose(camera_to_srgb(tags), expected, atol=1e-12)


def test_white_stays_white_and_grey_in_another_light_is_adapted():
    for tags in (
        ColourTags((0.45, 1, 0.53), (TUNGSTEN, DAYLIGHT), (17, 21)),
        ColourTags((0.6, 1, 0.4), (TUNGSTEN, DAYLIGHT), (17, 21), (SRGB_TO_XYZ_D50,) * 2),
        ColourTags((1, 2.477, 1.462), (DAYLIGHT,), ()),
        ColourTags((0.5, 1, 0.5), (), (), (SRGB_TO_XYZ_D50,)),
    ):
        np.testing.assert_allclose(camera_to_srgb(tags).sum(axis=1), 1, atol=1e-12)
    assert np.array_equal(camera_to_srgb(ColourTags((0.5, 1, 0.5), (), ())), np.eye(3))
    to_d65 = adaptation(np.array(D50), np.array(D65))
    np.testing.assert_allclose(to_d65 @ D50, D65, atol=1e-12)
    np.testing.assert_allclose(to_d65[0], [0.9555766, -0.0230393, 0.0631636], atol=1e-4)  # Lindbloom


@pytest.mark.parametrize("forward", [(), (SRGB_TO_XYZ_D50,) * 2])
def test_calibration_and_analog_balance_are_undone(forward):
    """Another copy of the camera, with other gains, sees the same colours."""
    neutral = np.array([0.5, 1.0, 0.6])
    calibration = np.array([[1.03, 0.02, 0], [0.01, 0.98, 0], [0, -0.02, 1.05]])
    balance = (1.2, 1.0, 0.9)
    other = np.diag(balance) @ calibration
    tags = ColourTags(tuple(neutral), (TUNGSTEN, DAYLIGHT), (17, 21), forward)
    changed = ColourTags(
        tuple(other @ neutral), (TUNGSTEN, DAYLIGHT), (17, 21), forward, (calibration, calibration), balance
    )
    camera = np.array([0.2, 0.5, 0.3])
    seen, expected = (
        camera_to_srgb(one) @ (values / one.neutral)
        for one, values in ((changed, other @ camera), (tags, camera))
    )
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


def test_metadata_of_a_sample():
    meta = colour_meta(ColourTags((1, 2.5, 1.25), (TUNGSTEN, DAYLIGHT), (17, 21)))
    np.testing.assert_allclose(meta["white_balance"], [2.5, 1, 2])
    np.testing.assert_allclose(
        meta["cam2rgb"], camera_to_srgb(ColourTags((1, 2.5, 1.25), (TUNGSTEN, DAYLIGHT), (17, 21))), rtol=1e-6
    )
    rows = TUNGSTEN / TUNGSTEN.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(meta["cam2xyz"] @ rows, np.eye(3), atol=1e-6)  # only the first matrix
    assert all(values.dtype == np.float32 for values in meta.values())
    assert "cam2xyz" not in colour_meta(ColourTags((1, 1, 1), (), ()))
    np.testing.assert_allclose(published_camera_to_xyz(ColourTags((1, 1, 1), (TUNGSTEN,), ())).sum(axis=1), 1)


@pytest.mark.parametrize("broken", [np.zeros((3, 3)), np.ones((3, 3)), np.full((3, 3), np.nan)])
def test_matrices_that_cannot_be_inverted_are_absent(broken):
    neutral, lights = (0.5, 1, 0.75), (17, 21)
    one = ColourTags(neutral, (DAYLIGHT,), lights)
    for matrices in ((broken, DAYLIGHT), (DAYLIGHT, broken)):
        assert np.array_equal(camera_to_srgb(ColourTags(neutral, matrices, lights)), camera_to_srgb(one))
    others = ColourTags(neutral, (DAYLIGHT,), lights, (broken, broken), (broken,))
    assert np.array_equal(camera_to_srgb(others), camera_to_srgb(one))
    meta = colour_meta(ColourTags(neutral, (broken, broken), lights))
    assert np.array_equal(meta["cam2rgb"], np.eye(3))
    assert "cam2xyz" not in meta


def gain_map(gains, top=0, left=0, pitch=(2, 2), size=(8, 12), spacing=None, origin=(0.0, 0.0), planes=1):
    """Bytes of a GainMap opcode; by default its points reach from edge to edge of the image."""
    gains = np.asarray(gains, ">f4")
    rows, columns = gains.shape[:2]
    spacing = spacing or (1 / max(rows - 1, 1), 1 / max(columns - 1, 1))
    data = struct.pack(">10I", top, left, *size, 0, 1, *pitch, rows, columns)
    data += struct.pack(">4dI", *spacing, *origin, planes) + gains.tobytes()
    return struct.pack(">4I", 9, 0x01030000, 1, len(data)) + data


def opcode_list(*opcodes: bytes) -> bytes:
    return struct.pack(">I", len(opcodes)) + b"".join(opcodes)


OTHER = struct.pack(">4I", 1, 0x01030000, 1, 12) + bytes(12)  # WarpRectilinear, say


def test_gain_maps_are_read_and_other_opcodes_passed_over():
    maps = gain_maps(opcode_list(OTHER, gain_map([[1, 2, 3], [4, 5, 6.5]], top=1), OTHER))
    assert len(maps) == 1
    assert (maps[0].top, maps[0].left, maps[0].bottom, maps[0].right) == (1, 0, 8, 12)
    assert (maps[0].spacing, maps[0].origin) == ((1.0, 0.5), (0.0, 0.0))
    assert maps[0].gains.dtype == np.float32
    assert maps[0].gains.tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert gain_maps(opcode_list()) == []
    two_planes = gain_maps(opcode_list(gain_map(np.dstack([[[1, 2]], [[7, 8]]]), planes=2)))
    assert two_planes[0].gains.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-3], lambda data: data[:20], lambda data: b"", lambda data: data[:3]]
)
def test_a_damaged_opcode_list_is_a_clear_error(damage):
    with pytest.raises(UserError, match="list of opcodes of the DNG is damaged"):
        gain_maps(damage(opcode_list(gain_map([[1, 2], [3, 4]]))))


def test_a_gain_map_without_points_is_a_clear_error():
    with pytest.raises(UserError, match="a gain map without points"):
        gain_maps(opcode_list(gain_map([[1.0]], pitch=(0, 2))))


def test_every_plane_gets_the_map_of_its_place_in_the_cell():
    """GRBG: the red samples lie at (0, 1), the greens at (0, 0) and (1, 1), the blue ones at (1, 0)."""
    places = {(0, 1): 2.0, (0, 0): 3.0, (1, 1): 4.0, (1, 0): 5.0}
    maps = gain_maps(opcode_list(*(gain_map([[gain]], *place) for place, gain in places.items())))
    gains = plane_gains(maps, (8, 12), "GRBG")
    assert gains.dtype == np.float32
    assert [set(plane.ravel().tolist()) for plane in gains] == [{2.0}, {3.0}, {4.0}, {5.0}]
    assert plane_gains([], (8, 12), "GRBG") is None
    of_all = plane_gains(gain_maps(opcode_list(gain_map([[2.0]], pitch=(1, 1)))), (8, 12), "RGGB")
    assert (of_all == 2).all()
    twice = opcode_list(gain_map([[2.0]], pitch=(1, 1)), gain_map([[1.5]], top=1, left=1))
    assert [plane.max() for plane in plane_gains(gain_maps(twice), (8, 12), "RGGB")] == [2, 2, 2, 3]


def test_gains_follow_their_grid_down_and_across():
    """A map that rises from the top left: each sample's gain is that at its centre, relative to the image."""
    down, across = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 7), indexing="ij")
    shape = (96, 144)
    maps = gain_maps(opcode_list(gain_map(1 + down + 0.5 * across, top=1, left=0, size=shape)))
    gains = plane_gains(maps, shape, "RGGB")
    assert (gains[[0, 1, 3]] == 1).all()
    assert gains.shape == (4, 20, 28)
    frame = resized(gains, (48, 72), slice(10, 30))
    rows, columns = 2 * np.arange(10, 30) + 1, 2 * np.arange(72)
    expected = 1 + (rows[:, None] + 0.5) / 96 + 0.5 * (columns + 0.5) / 144
    inner = slice(2, -2)  # resizing does not go on beyond the centres of the outer samples
    np.testing.assert_allclose(frame[2][:, inner], expected[:, inner], atol=1e-5)
    assert np.array_equal(frame, resized(gains, (48, 72), slice(None))[:, 10:30])


def test_a_map_of_a_part_leaves_the_rest_and_reaches_beyond_its_points():
    part = gain_map([[2.0, 4.0]], size=(96, 72), spacing=(1, 0.25), origin=(0, 0.25))
    gains = plane_gains(gain_maps(opcode_list(part)), (96, 144), "RGGB")[0]
    assert gains.shape == (4, 8)
    np.testing.assert_allclose(gains[0], [2, 2, 2.4722223, 3.4722223, 1, 1, 1, 1], atol=1e-6)
