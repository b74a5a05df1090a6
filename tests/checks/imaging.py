"""Golden checks of demosaicing, rendering and metrics."""

import json
from tempfile import TemporaryDirectory

import numpy as np
import torch

from models.demosaicing import load_demosaicer
from models.networks.parts import demosaic_net
from tests.golden.published_weights import fill_value
from util.imaging.bayer import PLANES, pack, unpack
from util.imaging.camera_colour import (
    XYZ_TO_SRGB,
    ColourTags,
    colour_meta,
    published_camera_to_xyz,
    rows_to_one,
)
from util.imaging.demosaic import bilinear, menon
from util.imaging.rendering import linear_srgb, render_png16, to_png16
from util.imaging.tonemap import mu_law, srgb_decode, srgb_encode
from util.scores.metrics import crop_border
from util.scores.picture_metrics import (
    psnr_mu,
    published_validation_psnr,
    published_validation_view,
    ssim_mu,
)


def assert_same_png(actual: np.ndarray, expected: np.ndarray) -> None:
    """Truncation turns a rounding error into a difference of one, which must be rare below white."""
    difference = np.abs(actual.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference[expected < 65534] > 0).mean() < 0.01


def assert_same_but_for_ties(actual: np.ndarray, expected: np.ndarray) -> None:
    """Menon's choice between two equally good directions may fall otherwise in another precision."""
    assert (np.abs(actual - expected) > 2e-6).mean() < 0.005


def check_isp(data) -> None:
    meta = {
        "white_balance": np.array([data["meta_red_gain"].item(), 1, data["meta_blue_gain"].item()]),
        "cam2rgb": data["meta_cam2rgb"],
        "cfa": "RGGB",
    }
    raw = data["raw"].transpose(2, 0, 1)
    linear = linear_srgb(raw, meta, bilinear, white=1.0)
    np.testing.assert_allclose(linear, data["rgb_bilinear_linear"], atol=2e-6)
    np.testing.assert_allclose(srgb_encode(linear), data["rgb_bilinear_srgb"], atol=2e-5)
    assert_same_but_for_ties(linear_srgb(raw, meta, menon, white=1.0), data["rgb_menon_linear"])
    np.testing.assert_allclose(srgb_decode(data["rgb_bilinear_srgb"]), data["rgb_bilinear_linear"], atol=2e-6)
    assert_same_png(render_png16(data["hdr_raw"].transpose(2, 0, 1), meta, bilinear), data["png_bilinear"])


def check_camera_isp(data) -> None:
    """The published pipeline for real brackets, whole and its colour steps alone."""
    pattern = "".join("RGB"[colour] for colour in data["cfa_pattern"])
    matrices = tuple(data[f"color_matrix_{number}"].reshape(3, 3) for number in (1, 2))
    tags = ColourTags(tuple(data["as_shot_neutral"]), matrices, (17, 21))
    meta = colour_meta(tags) | {"cfa": pattern, "orientation": int(data["orientation"])}
    packed = pack(data["raw"], pattern)
    balanced = np.clip(packed * meta["white_balance"][[0, 1, 1, 2], None, None], 0, 1)
    np.testing.assert_allclose(unpack(balanced, pattern), data["white_balanced"], atol=1e-6)
    linear = linear_srgb(packed, meta, menon, white=1.0, isp="published")
    assert_same_but_for_ties(linear, data["srgb_menon"])
    difference = np.abs(
        render_png16(packed, meta, menon, white=1.0, isp="published") - data["png_menon"] * 1.0
    )
    assert (difference > 1).mean() < 0.005  # the published picture has 65534 for white here
    xyz = np.clip(data["camera_rgb"] @ published_camera_to_xyz(tags).T, 0, 1)
    np.testing.assert_allclose(xyz, data["xyz"], atol=2e-6)
    srgb = np.clip(xyz @ rows_to_one(XYZ_TO_SRGB).T, 0, 1)
    np.testing.assert_allclose(srgb, data["linear_srgb"], atol=2e-6)


def check_demosaic_net(data) -> None:
    shapes = json.loads(str(data["shapes"]))
    gain = float(data["gain"])
    weights = {
        str(name): torch.from_numpy(fill_value(str(name), shapes[str(name)], gain)) for name in data["names"]
    }
    with TemporaryDirectory() as folder:
        torch.save({"state_dict": weights}, f"{folder}/model.bin")
        network = load_demosaicer(f"{folder}/model.bin").network
    with torch.inference_mode():
        output = network(torch.from_numpy(data["mosaic"])).numpy()
    expected = data["raw_output"]
    assert np.abs(output - expected).max() < 1e-4 * expected.std()
    for pattern in PLANES:
        rgb = demosaic_net.demosaic(network, data[f"bayer_{pattern}"], pattern)
        assert np.abs(rgb - data[f"rgb_{pattern}"]).max() < 1e-4 * data[f"rgb_{pattern}"].std()


def check_metrics(data) -> None:
    for name in ("output", "target"):
        assert_same_png(to_png16(data[f"linear_{name}"]), data[name])
    for border, name in ((0, "full"), (10, "crop10"), (16, "crop16")):
        output, target = (crop_border(data[key], border) for key in ("output", "target"))
        assert abs(psnr_mu(output, target) - data[f"psnr_{name}"]) < 1e-5
        assert abs(ssim_mu(output, target) - data[f"ssim_{name}"]) < 1e-7
    np.testing.assert_allclose(mu_law(data["mu_x"]), data["mu_y"], rtol=1e-6)
    np.testing.assert_allclose(mu_law(torch.from_numpy(data["mu_x"])).numpy(), data["mu_y"], rtol=1e-6)
    view = published_validation_view(data["val_gt"])
    assert np.abs(view - data["val_gt_view"]).max() <= 1  # where rounding lies on the edge
    assert (view != data["val_gt_view"]).mean() < 1e-3
    assert abs(published_validation_psnr(data["val_out"], data["val_gt"]) - data["val_psnr"]) < 1e-3


CHECKS = {
    "bracket_isp": check_isp,
    "bracket_camera_isp": check_camera_isp,
    "bracket_demosaic_net": check_demosaic_net,
    "bracket_metrics": check_metrics,
}
