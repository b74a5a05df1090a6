"""Demosaicing, rendering in strips, tone curves and contact sheets."""

import tracemalloc

import numpy as np
import pytest
import torch

from models.demosaicing import load_demosaicer
from models.networks.parts.demosaic_net import DemosaicNet, NetworkDemosaicer
from util.errors import UserError
from util.imaging import rendering
from util.imaging.bayer import PLANES, pack, unpack
from util.imaging.camera_colour import XYZ_TO_SRGB, rows_to_one
from util.imaging.demosaic import bilinear, menon
from util.imaging.rendering import (
    linear_srgb,
    oriented,
    render_png16,
    scene_luminance,
    to_png16,
)
from util.imaging.tonemap import (
    exposed,
    inverse_mu_law,
    luminance,
    reinhard,
)

CAM2RGB = np.array([[1.95, -0.92, -0.03], [-0.33, 1.75, -0.42], [-0.07, -0.76, 1.83]], np.float32)


def make_meta(cfa: str = "RGGB") -> dict:
    return {"white_balance": torch.tensor([1.9, 1.0, 2.1]), "cam2rgb": torch.from_numpy(CAM2RGB), "cfa": cfa}


def make_packed(height: int, width: int) -> np.ndarray:
    """Values on both sides of 0 and of the white level 16."""
    return np.random.default_rng(0).uniform(-1, 20, (4, height, width)).astype(np.float32)


@pytest.fixture(scope="module")
def network_demosaicer() -> NetworkDemosaicer:
    torch.manual_seed(0)
    return NetworkDemosaicer(DemosaicNet())


@pytest.mark.parametrize("cfa", PLANES)
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("demosaic", [bilinear, menon])
def test_strips_give_the_same_bits_as_the_whole(demosaic, clip, cfa, monkeypatch):
    packed = make_packed(75, 21)
    monkeypatch.setattr(rendering, "STRIP_ROWS", 10)
    strips = linear_srgb(packed, make_meta(cfa), demosaic, clip=clip)
    monkeypatch.setattr(rendering, "STRIP_ROWS", 75)
    assert np.array_equal(strips, linear_srgb(packed, make_meta(cfa), demosaic, clip=clip))


@pytest.mark.parametrize("cfa", PLANES)
def test_strips_of_the_network_demosaicer(cfa, network_demosaicer, monkeypatch):
    packed = make_packed(150, 8)
    strips = linear_srgb(packed, make_meta(cfa), network_demosaicer)
    monkeypatch.setattr(rendering, "STRIP_ROWS", 150)
    whole = linear_srgb(packed, make_meta(cfa), network_demosaicer)
    np.testing.assert_allclose(strips, whole, atol=1e-6)


@pytest.mark.parametrize("cfa", PLANES)
def test_support_is_the_reach_of_a_sample(cfa, network_demosaicer):
    mosaic = np.random.default_rng(0).random((120, 8), dtype=np.float32)
    for demosaic in (bilinear, menon, network_demosaicer):
        whole = demosaic(mosaic, cfa)[60:]
        cut = demosaic(mosaic[60 - demosaic.support :], cfa)[demosaic.support :]
        np.testing.assert_allclose(cut, whole, atol=1e-6)


@pytest.mark.parametrize("cfa", PLANES)
def test_menon_keeps_samples_and_restores_flat_and_sloped_pictures(cfa):
    rows, columns = np.mgrid[:32, :40].astype(np.float32)
    ramp = 0.1 + 0.005 * rows + 0.01 * columns
    picture = np.stack([0.5 * ramp, ramp, 0.8 * ramp], axis=-1)
    mosaic = np.empty((32, 40), np.float32)
    for colour, (row, column) in zip((0, 1, 1, 2), PLANES[cfa], strict=True):
        mosaic[row::2, column::2] = picture[row::2, column::2, colour]
    rgb = menon(mosaic, cfa)
    for colour, (row, column) in zip((0, 1, 1, 2), PLANES[cfa], strict=True):
        assert np.array_equal(rgb[row::2, column::2, colour], mosaic[row::2, column::2])
    # the mirrored border is no ramp
    np.testing.assert_allclose(rgb[8:-8, 8:-8], picture[8:-8, 8:-8], atol=1e-5)


def test_menon_follows_an_edge():
    """Across a vertical edge no pixel gets a colour that neither side has."""
    mosaic = np.full((24, 24), 0.2, np.float32)
    mosaic[:, 11:] = 0.9
    rgb = menon(mosaic, "RGGB")
    np.testing.assert_allclose(rgb[6:-6, :11], 0.2, atol=1e-6)
    np.testing.assert_allclose(rgb[6:-6, 11:], 0.9, atol=1e-6)


def test_network_borders_turn_every_pattern_into_grbg(network_demosaicer):
    """A mosaic cut from a GRBG one at another phase gives the same picture away from its border."""
    grbg = np.random.default_rng(0).random((104, 104), dtype=np.float32)
    whole = network_demosaicer(grbg, "GRBG")
    for pattern, (row, column) in {"RGGB": (0, 1), "BGGR": (1, 0), "GBRG": (1, 1)}.items():
        cut = network_demosaicer(grbg[row : row + 102, column : column + 102], pattern)
        np.testing.assert_allclose(
            cut[36:-36, 36:-36], whole[36 + row : 66 + row, 36 + column : 66 + column], atol=1e-6
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no checkpoint"),
        (b"no weights at all", "damaged"),
        ([1, 2], "it holds a list"),
        ({"state_dict": 3}, "no state_dict of tensors"),
        ({"conv.weight": torch.zeros(1)}, "does not fit this DemosaicNet: it holds unknown conv.weight"),
    ],
)
def test_bad_weights_are_one_clear_line(content, message, tmp_path):
    path = tmp_path / "model.bin"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(UserError, match=message) as caught:
        load_demosaicer(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_truncated_weights_are_an_error(tmp_path):
    path = tmp_path / "model.bin"
    torch.save(DemosaicNet().state_dict(), path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(UserError, match="damaged"):
        load_demosaicer(path)


def test_flat_weights_load_as_well_as_wrapped_ones(tmp_path):
    network = DemosaicNet()
    torch.save(network.state_dict(), tmp_path / "flat.pth")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "wrapped.pth")
    mosaic = np.random.default_rng(0).random((8, 8), dtype=np.float32)
    flat, wrapped = (load_demosaicer(tmp_path / f"{name}.pth") for name in ("flat", "wrapped"))
    assert np.array_equal(flat(mosaic, "RGGB"), wrapped(mosaic, "RGGB"))


def test_grey_world_stays_grey_and_white_is_divided_out():
    packed = np.full((4, 10, 12), 4.0, np.float32)
    meta = {"white_balance": [1.0, 1.0, 1.0], "cam2rgb": np.eye(3), "cfa": "GBRG"}
    for demosaic in (bilinear, menon):
        np.testing.assert_allclose(linear_srgb(packed, meta, demosaic), 0.25, atol=1e-6)
        np.testing.assert_allclose(linear_srgb(packed, meta, demosaic, white=2.0), 1.0, atol=1e-6)
        np.testing.assert_allclose(linear_srgb(packed, meta, demosaic, white=1.0, clip=False), 4.0, atol=1e-5)


def test_radiance_keeps_highlights_and_has_no_negative_values():
    packed = make_packed(20, 24)
    radiance = linear_srgb(packed, make_meta(), menon, white=1.0, clip=False)
    assert radiance.max() > 16
    assert radiance.min() == 0
    mosaic = unpack(np.maximum(packed, 0) * np.array([1.9, 1, 1, 2.1], np.float32)[:, None, None], "RGGB")
    expected = np.maximum(menon(mosaic, "RGGB") @ CAM2RGB.T, 0)
    np.testing.assert_allclose(radiance, expected, atol=1e-4)


def test_radiance_of_the_network_is_not_cut_at_white(network_demosaicer):
    """The network clips to [0, 1]; what it is shown is scaled below that, whatever the brightness."""
    network = NetworkDemosaicer(DemosaicNet())
    with torch.no_grad():
        for parameter in network.network.parameters():
            parameter.zero_()
        # green copies the mosaic's green channel, where measured
        network.network.fullres_processor.post_conv.weight[0, 1, 1, 1] = 1
        network.network.fullres_processor.output.weight[1, 0] = 1
    packed = np.full((4, 40, 8), 50.0, np.float32)
    meta = {"white_balance": [1, 1, 1], "cam2rgb": np.eye(3), "cfa": "GRBG"}
    radiance = linear_srgb(packed, meta, network, white=1.0, clip=False)
    np.testing.assert_allclose(radiance[0::2, 0::2, 1], 50, rtol=1e-5)


def test_render_equals_the_two_steps():
    packed = make_packed(70, 16)
    expected = to_png16(linear_srgb(packed, make_meta(), menon))
    assert np.array_equal(render_png16(packed, make_meta(), menon), expected)


def test_rendering_needs_little_more_than_its_result():
    meta = make_meta()
    peaks = []
    for height in (256, 1024):
        packed = np.ones((4, height, 256), np.float32)
        tracemalloc.start()
        render_png16(packed, meta, menon)
        peaks.append(tracemalloc.get_traced_memory()[1] - 2 * height * 512 * 3 * 2)
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


def test_png_values_are_truncated_and_clipped():
    code = np.array([100.0, 100.4, 100.6, 100.99, 40000.7]) / 65535
    values = to_png16(inverse_mu_law(code + 1e-9))
    assert values.tolist() == [100, 100, 100, 100, 40000]
    assert to_png16(np.array([-1, 0, 1, 7], np.float32)).tolist() == [0, 0, 65535, 65535]


@pytest.mark.parametrize("changed", [{"cfa": "RGBG"}, {"cfa": None}, {"missing": "cam2rgb"}])
def test_wrong_metadata_is_a_clear_error(changed):
    meta = make_meta() | changed
    meta.pop(meta.pop("missing", ""), None)
    with pytest.raises(UserError, match=r"unknown Bayer pattern|rendering needs cam2rgb"):
        linear_srgb(make_packed(8, 8), meta, bilinear)


def test_a_picture_that_is_not_packed_is_a_clear_error():
    with pytest.raises(UserError, match=r"\(4, h, w\).*\(2, 8, 8\)"):
        render_png16(make_packed(8, 8)[:2], make_meta(), bilinear)


def test_packing_round_trip_of_the_rendered_mosaic():
    mosaic = np.random.default_rng(0).random((6, 8), dtype=np.float32)
    for cfa in PLANES:
        assert np.array_equal(unpack(pack(mosaic, cfa), cfa), mosaic)


def test_eight_orientations():
    """EXIF 2.32, 4.6.4, tag Orientation: where the 0th row and the 0th column are to be seen."""
    stored = np.array([[1, 2, 3], [4, 5, 6]])
    seen = {
        1: [[1, 2, 3], [4, 5, 6]],  # top, left
        2: [[3, 2, 1], [6, 5, 4]],  # top, right
        3: [[6, 5, 4], [3, 2, 1]],  # bottom, right
        4: [[4, 5, 6], [1, 2, 3]],  # bottom, left
        5: [[1, 4], [2, 5], [3, 6]],  # left, top
        6: [[4, 1], [5, 2], [6, 3]],  # right, top
        7: [[6, 3], [5, 2], [4, 1]],  # right, bottom
        8: [[3, 6], [2, 5], [1, 4]],  # left, bottom
    }
    for orientation, expected in seen.items():
        assert oriented(stored, orientation).tolist() == expected, orientation
    with pytest.raises(UserError, match="orientation 9 is unknown"):
        oriented(stored, 9)


@pytest.mark.parametrize("orientation", [1, 6])
def test_pictures_are_made_upright(orientation):
    packed = make_packed(20, 12)
    plain = render_png16(packed, make_meta(), menon)
    turned = render_png16(packed, make_meta() | {"orientation": orientation}, menon)
    assert np.array_equal(turned, np.rot90(plain, -1) if orientation == 6 else plain)
    light = linear_srgb(packed, make_meta() | {"orientation": torch.tensor(orientation)}, menon)
    assert light.shape == turned.shape


def test_shading_multiplies_every_plane_and_the_published_pipeline_leaves_it_out():
    packed = np.full((4, 8, 16), 2.0, np.float32)
    shading = np.ones((4, 1, 2), np.float32)
    shading[0], shading[2] = [1, 3], 2
    meta = {
        "white_balance": [1, 1, 1],
        "cam2rgb": np.eye(3),
        "cfa": "RGGB",
        "shading": torch.from_numpy(shading),
    }
    rgb = linear_srgb(packed, meta, bilinear, white=1.0, clip=False)
    np.testing.assert_allclose(rgb[:, :6, 0], 2, atol=1e-5)
    np.testing.assert_allclose(rgb[:, -6:, 0], 6, atol=1e-5)
    np.testing.assert_allclose(rgb[:, 16, 0], 4.125, atol=1e-5)  # 1/32 of the width beyond the middle
    np.testing.assert_allclose(rgb[1::2, 0::2, 1], 4, atol=1e-5)
    np.testing.assert_allclose(rgb[..., 2], 2, atol=1e-5)
    clipped = linear_srgb(packed, meta, bilinear, white=5.0)
    assert clipped[:, -6:, 0].tolist() == np.ones((16, 6)).tolist()
    published = linear_srgb(packed, meta | {"cam2xyz": np.eye(3)}, bilinear, white=4.0, isp="published")
    grey = np.floor(16383 * 0.5) / 16383
    np.testing.assert_allclose(published, grey, atol=1e-6)


def test_the_published_pipeline_clips_xyz_and_counts_in_14_bits():
    cam2xyz = np.array([[1.5, -0.4, -0.1], [0.3, 0.9, -0.2], [0.0, -0.2, 1.2]], np.float32)
    meta = {"white_balance": [2, 1, 1], "cam2xyz": cam2xyz, "cfa": "GRBG"}
    packed = np.tile(np.array([0.45, 0.1, 0.1, 0.3], np.float32)[:, None, None], (1, 6, 8))
    camera = np.floor(16383 * np.array([0.9, 0.1, 0.3])) / 16383
    xyz = np.clip(cam2xyz @ camera, 0, 1)
    assert xyz[0] == 1
    expected = np.clip(rows_to_one(XYZ_TO_SRGB) @ xyz, 0, 1)
    linear = linear_srgb(packed, meta, bilinear, white=1.0, isp="published")
    np.testing.assert_allclose(linear, np.broadcast_to(expected, linear.shape), atol=1e-6)
    unclipped = linear_srgb(packed, meta, bilinear, white=1.0, clip=False, isp="published")
    expected = np.maximum(rows_to_one(XYZ_TO_SRGB) @ cam2xyz @ np.array([0.9, 0.1, 0.3]), 0)
    np.testing.assert_allclose(unclipped, np.broadcast_to(expected, linear.shape), atol=1e-5)
    with pytest.raises(UserError, match="cam2xyz in the metadata; --isp published is for raw files"):
        linear_srgb(packed, make_meta(), bilinear, isp="published")


def test_images_of_linear_srgb_are_neither_demosaiced_nor_coloured():
    image = np.random.default_rng(0).uniform(-1, 20, (3, 70, 21)).astype(np.float32)
    upright = image.transpose(1, 2, 0)
    np.testing.assert_allclose(linear_srgb(image, {}, menon), np.clip(upright / 16, 0, 1), rtol=1e-6)
    light = linear_srgb(image, {}, menon, white=1.0, clip=False, saturation=16.0)
    assert np.array_equal(light, np.maximum(upright, 0))
    assert np.array_equal(render_png16(image, {}, menon), to_png16(np.clip(upright / 16, 0, 1)))
    turned = render_png16(image, {"orientation": 3}, menon)
    assert np.array_equal(turned, render_png16(image, {}, menon)[::-1, ::-1])
    np.testing.assert_allclose(
        scene_luminance(image, {}, white=1.0), luminance(np.maximum(upright, 0)), rtol=1e-6
    )
    with pytest.raises(UserError, match=r"\(4, h, w\).*\(5, 70, 21\)"):
        linear_srgb(np.zeros((5, 70, 21), np.float32), {}, menon)


def test_three_planes_with_the_colours_of_a_camera_are_camera_rgb():
    """A flat colour looks the same as a mosaic and as three planes of the same camera."""
    meta, colour = make_meta(), np.array([2.0, 3.0, 1.0], np.float32)
    planes = np.tile(colour[:, None, None], (1, 20, 24))
    packed = np.tile(colour[[0, 1, 1, 2]][:, None, None], (1, 10, 12))
    expected = np.clip(CAM2RGB @ np.clip(colour * [1.9, 1, 2.1] / 8, 0, 1), 0, 1)
    linear = linear_srgb(planes, meta, menon, white=8.0)
    assert linear.shape == (20, 24, 3)
    np.testing.assert_allclose(linear, np.broadcast_to(expected, linear.shape), atol=1e-6)
    np.testing.assert_allclose(linear_srgb(packed, meta, menon, white=8.0), linear, atol=1e-5)
    pictures = [render_png16(image, meta, menon, white=8.0) for image in (planes, packed)]
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 2
    dim = [scene_luminance(image, meta, white=8.0).mean() for image in (planes, packed)]
    assert dim[0] == pytest.approx(dim[1], rel=1e-6)
    without_pattern = {key: meta[key] for key in ("white_balance", "cam2rgb")}
    assert np.array_equal(linear_srgb(planes, without_pattern, menon, white=8.0), linear)
    with pytest.raises(UserError, match="rendering needs white_balance in the metadata"):
        linear_srgb(planes, {"cam2rgb": CAM2RGB}, menon)


def test_camera_rgb_has_white_highlights_and_shading_too():
    planes = np.full((3, 8, 8), 16.0, np.float32)
    light = linear_srgb(planes, make_meta(), menon, white=1.0, clip=False, saturation=16.0)
    np.testing.assert_allclose(light, 16 * 2.1, rtol=1e-5)
    shading = np.ones((4, 1, 2), np.float32)
    shading[1], shading[2] = 1, 3
    meta = {"white_balance": [1, 1, 1], "cam2rgb": np.eye(3), "shading": shading}
    shaded = linear_srgb(planes, meta, menon, white=16.0, clip=False)
    np.testing.assert_allclose(shaded, np.broadcast_to([1, 2, 1], shaded.shape), rtol=1e-6)


def test_gray_images_are_the_same_in_all_colours():
    gray = np.random.default_rng(0).uniform(-1, 20, (1, 70, 21)).astype(np.float32)
    colour = gray.repeat(3, axis=0)
    for meta in ({}, {"white_level": np.float32(0.3)}):
        assert np.array_equal(linear_srgb(gray, meta, menon), linear_srgb(colour, meta, menon))
        assert np.array_equal(render_png16(gray, meta, menon), render_png16(colour, meta, menon))
        assert np.array_equal(scene_luminance(gray, meta), scene_luminance(colour, meta))


def test_clipped_sky_is_white_with_every_tone_curve():
    """Without the rule it would be magenta: green is 1 where red is 1.9 and blue 2.1."""
    packed = np.full((4, 12, 12), 16.0, np.float32)
    meta = make_meta()
    light = linear_srgb(packed, meta, menon, white=1.0, clip=False, saturation=16.0)
    np.testing.assert_allclose(light, 16 * 2.1, rtol=1e-5)
    magenta = linear_srgb(packed, meta, menon, white=1.0, clip=False)
    assert magenta[5, 5, 0] > 1.3 * magenta[5, 5, 1]
    for curve in (lambda light: exposed(light, -2.0), lambda light: reinhard(light, 0.5, 4.0)):
        picture = render_png16(packed, meta, menon, curve=curve)
        assert np.ptp(picture) <= 3


def test_a_tone_curve_gets_the_unclipped_light():
    packed = make_packed(70, 16)
    light = linear_srgb(packed, make_meta(), menon, clip=False, saturation=16.0)
    assert light.max() > 1.5
    expected = np.rint(65535 * exposed(light, -1.0)).astype(np.uint16)
    assert np.array_equal(
        render_png16(packed, make_meta(), menon, curve=lambda x: exposed(x, -1.0)), expected
    )


def test_luminances_of_a_large_image_are_those_of_its_light(monkeypatch):
    packed = np.tile(np.array([2, 4, 4, 1], np.float32)[:, None, None], (1, 60, 90))
    light = linear_srgb(packed, make_meta(), bilinear, white=2.0, clip=False)
    monkeypatch.setattr(rendering, "SAMPLED_CELLS", 1000)
    sampled = scene_luminance(packed, make_meta(), white=2.0)
    assert sampled.shape == (20, 30)
    np.testing.assert_allclose(sampled, luminance(light)[0, 0], rtol=1e-5)
