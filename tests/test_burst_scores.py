"""Losses and scores of bursts, alignment to another camera's ground truth, and the files of a test."""

import argparse
import json
import math
import sys
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from models import spatial_colour
from models.burst_losses import pixelwise
from models.networks.parts.warp import warp
from models.spatial_colour import align, create_align, create_flow
from util.errors import UserError
from util.imaging.demosaic import menon
from util.imaging.detail import detail_of, enlarged
from util.imaging.pictures import Pictures
from util.imaging.tonemap import denoising_display
from util.scores.burst_metrics import BURST_METRICS, burst_psnr, burst_ssim, codes14, quantised14
from util.scores.burst_output import BurstOutput, create_output
from util.scores.evaluation import SCORED, USUAL, VALIDATED, Evaluation, prepared, table
from util.scores.judged import create_judge
from util.scores.learned_metrics import ms_ssim, prepare
from util.scores.method_scores import RESTORED, TRUTH, MethodScores
from util.scores.metrics import psnr, ssim

RNG = np.random.default_rng


def random_images(channels: int = 3, side: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Two images (2, C, side, side + 4) in [0, 1]."""
    values = RNG(0).random((2, 2, channels, side, side + 4), dtype=np.float32)
    return torch.from_numpy(values[0]), torch.from_numpy(values[1])


def smooth_scene(side: int = 24, seed: int = 0) -> torch.Tensor:
    """A coloured picture (1, 3, 8 side, 8 side) in [0.1, 0.9] that is smooth at a scale of many px."""
    small = RNG(seed).uniform(0.1, 0.9, (side // 2, side // 2, 3)).astype(np.float32)
    picture = cv2.resize(small, (8 * side, 8 * side), interpolation=cv2.INTER_CUBIC).clip(0.05, 1)
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def packed(picture: torch.Tensor) -> torch.Tensor:
    """A burst (1, 1, 4, h, w) of one frame without noise that shows a picture (1, 3, 8h, 8w)."""
    small = torch.nn.functional.interpolate(picture, scale_factor=1 / 8, mode="bilinear")
    return small[:, None, [0, 1, 1, 2]]


def no_flow(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(source), 2, *source.shape[-2:])


# Losses


def test_losses_are_their_formulas_within_the_border():
    output, target = random_images()
    d = (output - target).numpy()[..., 3:-3, 3:-3].astype(np.float64)
    for metric, expected in (
        ("l1", np.abs(d).mean()),
        ("l2", (d**2).mean()),
        ("l2_sqrt", np.sqrt((d**2).sum(1)).mean()),
        ("charbonnier", np.sqrt(d**2 + 1e-6).mean()),
    ):
        assert float(pixelwise(metric, output, target, 3)) == pytest.approx(expected, rel=1e-5)


def test_masked_losses_are_means_over_the_mask():
    output, target = random_images()
    mask = torch.zeros(2, 1, 40, 44)
    mask[:, :, 5:20, 7:30] = 1
    d = (output - target).numpy()[..., 6:20, 7:30].astype(np.float64)  # the border cuts row 5
    assert float(pixelwise("l1", output, target, 6, mask.bool())) == pytest.approx(np.abs(d).mean(), rel=1e-5)
    assert float(pixelwise("l2", output, target, 6, mask)) == pytest.approx((d**2).mean(), rel=1e-5)
    assert float(pixelwise("l1", output, target, 0, mask * 0)) == 0


def test_losses_have_finite_gradients_where_they_are_0():
    same = torch.rand(1, 3, 8, 8, requires_grad=True)
    for metric in ("l1", "l2", "l2_sqrt", "charbonnier"):
        pixelwise(metric, same, same.detach()).backward()
    assert torch.isfinite(same.grad).all()


def test_losses_that_do_not_exist():
    output, target = random_images()
    with pytest.raises(UserError, match="a border of 20 px leaves nothing of images of 44x40"):
        pixelwise("l1", output, target, 20)
    with pytest.raises(ValueError, match="no loss kl"):
        pixelwise("kl", output, target)
    with pytest.raises(ValueError, match="no loss charbonnier with a mask"):
        pixelwise("charbonnier", output, target, mask=torch.ones(2, 1, 40, 44))


# Alignment


def test_alignment_finds_the_colours_of_another_camera():
    """The target is the scene in other colours: they are found from the burst, and the result takes them."""
    scene = smooth_scene()
    matrix = torch.tensor([[0.8, 0.1, 0.05], [0.1, 0.7, 0.1], [0.0, 0.1, 0.9]])
    target = torch.einsum("nchw,cd->ndhw", scene, matrix)
    image, mask = align(scene, target, packed(scene), no_flow)
    inner = slice(48, -48)
    assert mask.dtype == torch.bool and mask.shape == (1, 1, 192, 192)
    assert mask[..., inner, inner].all() and not mask[..., :32, :].any() and not mask[..., -32:].any()
    assert float((image - target)[..., inner, inner].abs().max()) < 1e-4


def test_alignment_moves_the_result_and_masks_what_does_not_agree():
    scene = smooth_scene(48)
    target = scene.clone()
    target[..., 160:224, 160:224] = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    flow = torch.zeros(1, 2, 384, 384)
    flow[:, 0] = 8.0
    moved = torch.roll(scene, 8, dims=3)
    image, mask = align(moved, target, packed(moved), lambda *_: flow)
    torch.testing.assert_close(image, align(warp(moved, flow), target, packed(scene), no_flow).image)
    assert not mask[..., 176:208, 176:208].any()
    assert mask[..., 250:330, 56:330].float().mean() > 0.95


def test_gradients_of_the_aligned_loss_reach_the_result_alone():
    scene = smooth_scene()
    output = (0.9 * scene).requires_grad_()
    flow = torch.full((1, 2, 192, 192), 0.5, requires_grad=True)
    burst = packed(scene).requires_grad_()
    image, mask = align(output, scene, burst, lambda *_: flow)
    pixelwise("l1", image, scene, 40, mask).backward()
    assert output.grad.abs().sum() > 0
    assert flow.grad is None and burst.grad is None


def test_alignment_of_black_frames_and_small_ones():
    scene = smooth_scene()
    image, mask = align(scene, scene, torch.zeros(1, 1, 4, 24, 24), no_flow)
    assert torch.isfinite(image).all() and float(image.abs().max()) == 0
    assert not mask.all()
    with pytest.raises(UserError, match="frames of more than 10 packed px on a side, got 10x24"):
        align(scene[..., :80], scene[..., :80], torch.zeros(1, 1, 4, 24, 10), no_flow)


def test_the_flow_by_dis_undoes_a_shift_between_pictures_of_unequal_brightness():
    scene = smooth_scene(24, 1)
    fine = torch.from_numpy(RNG(2).uniform(-0.04, 0.04, (1, 3, 96, 96)).astype(np.float32))
    scene = (scene + torch.nn.functional.interpolate(fine, scale_factor=2, mode="bilinear")).clamp(0, 1)
    source, target = 0.5 * torch.roll(scene, (2, -3), (2, 3)), scene
    flow = create_flow(argparse.Namespace(sca_flow="dis"), torch.device("cpu"))(source, target)
    inner = flow[0, :, 40:-40, 40:-40]
    assert inner[0].median().item() == pytest.approx(-3, abs=0.2)
    assert inner[1].median().item() == pytest.approx(2, abs=0.2)


def test_pwcnet_aligns_with_its_published_weights_or_says_what_is_missing(tmp_path):
    opt = argparse.Namespace(sca_flow="pwcnet", pwcnet_path=None)
    with pytest.raises(UserError, match="pwcnet needs its weights: give --pwcnet_path FILE, or take --sca"):
        create_align(opt, torch.device("cpu"), "aligned")
    opt.dataset_name = "synburst"
    with pytest.raises(UserError, match="--sca_flow pwcnet: --dataset_name synburst is scored as it is"):
        create_align(opt, torch.device("cpu"), "linear14")
    assert create_align(argparse.Namespace(sca_flow="dis"), torch.device("cpu"), "linear14") is None
    network = spatial_colour.PWCNet()
    state = {
        name.removeprefix("net.").replace("net", "module"): x for name, x in network.state_dict().items()
    }
    opt.pwcnet_path = tmp_path / "pwcnet.pth"
    torch.save(state, opt.pwcnet_path)
    pictures = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    flow = create_flow(opt, torch.device("cpu"))(*pictures)
    torch.testing.assert_close(flow, network.eval()(*pictures))


# Metrics


def test_values_of_14_bits_are_truncated_and_clipped():
    values = np.float32([-0.1, 0, 0.9999 / 2**14, 1 / 2**14, 0.5, 1.0, 3.0])
    assert codes14(values).tolist() == [0, 0, 0, 1, 8192, 16384, 16384]
    assert quantised14(values).tolist() == [0, 0, 0, 1 / 2**14, 0.5, 1, 1]
    levels = np.arange(2**14 + 1, dtype=np.uint16)
    assert np.array_equal(codes14(levels / np.float32(2**14)), levels)  # those of files stay


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_and_ssim_are_those_of_scikit_image(channels):
    a, b = (image[0].permute(1, 2, 0).numpy() for image in random_images(channels))
    expected = peak_signal_noise_ratio(b.astype(np.float64), a.astype(np.float64), data_range=1)
    assert burst_psnr(a, b) == pytest.approx(expected, rel=1e-9)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    doubles = (image.astype(np.float64) for image in (a, b))
    expected = structural_similarity(*doubles, channel_axis=2, **settings)
    assert burst_ssim(a, b) == pytest.approx(expected, rel=1e-9)


def test_masked_psnr_and_ssim_are_means_over_what_is_valid():
    a, b = (image[0].permute(1, 2, 0).numpy() for image in random_images())
    mask = RNG(3).random((40, 44)) < 0.3
    errors = ((a - b).astype(np.float64) ** 2)[mask]
    assert psnr(a, b, 1.0, mask=mask) == pytest.approx(-10 * np.log10(errors.mean()), rel=1e-9)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    doubles = (image.astype(np.float64) for image in (a, b))
    _, similarity = structural_similarity(*doubles, channel_axis=2, full=True, **settings)
    inner = similarity[5:-5, 5:-5][mask[5:-5, 5:-5]]
    assert ssim(a, b, 1.0, sample_covariance=False, mask=mask) == pytest.approx(inner.mean(), rel=1e-9)
    with_mask = np.concatenate([a, mask[..., None]], axis=2)
    assert burst_psnr(with_mask, b) == psnr(a, b, 1.0, mask=mask)
    assert burst_ssim(with_mask, b) == ssim(a, b, 1.0, sample_covariance=False, mask=mask)


def test_what_is_nowhere_valid_has_no_score():
    a, b = (image[0].permute(1, 2, 0).numpy() for image in random_images())
    nothing = np.concatenate([a, np.zeros((40, 44, 1), np.float32)], axis=2)
    assert math.isnan(burst_psnr(nothing, b)) and math.isnan(burst_ssim(nothing, b))


def test_perfect_results_leave_the_mean_and_are_counted(tmp_path):
    """Published means leave infinite values out; here that is said, and a mean of these alone is infinite."""
    image = RNG(0).random((20, 20, 3), dtype=np.float32)
    scores = MethodScores(["psnr_14bit", "ssim_14bit"], 2, {}, "linear14")
    scores.add("a", {RESTORED: image, TRUTH: image, "other": image})
    assert scores.means()[RESTORED] == {"psnr_14bit": math.inf, "ssim_14bit": pytest.approx(1)}
    scores.add("b", {RESTORED: image, TRUTH: image + 0.1})
    assert scores.means()[RESTORED]["psnr_14bit"] == pytest.approx(20, abs=1e-4)
    said = "psnr_14bit of 1 of 2 images is not finite, and left out of the mean where others are"
    assert scores.notes()[0] == f"note: restored: {said}"
    scores.write(tmp_path / "metrics", {})
    assert json.loads((tmp_path / "metrics.json").read_text())["not_finite"] == {"psnr_14bit": 1}
    assert "not_finite" not in evaluation_json(tmp_path)


def evaluation_json(folder) -> dict:
    """What is written of one image with a finite score."""
    evaluation = Evaluation(["psnr_14bit"], 0, kind="linear14")
    evaluation.add("a", np.zeros((16, 16, 3)), np.full((16, 16, 3), 0.5))
    evaluation.write(folder / "one", {})
    return json.loads((folder / "one.json").read_text())


def test_every_kind_has_its_own_names_and_usual_metrics():
    names = [name for metrics in BURST_METRICS.values() for name in metrics]
    assert len(set(names)) == len(names) == 12
    for kind, suffix in (("linear14", "14bit"), ("display", "display"), ("aligned", "aligned")):
        assert USUAL[kind] == VALIDATED[kind] == [f"psnr_{suffix}", f"ssim_{suffix}"]
        assert SCORED[kind] == BURST_METRICS[kind]
    header = table({"restored": dict.fromkeys(names, 0.0)}).splitlines()[0]
    assert header.split() == names  # wide names stay apart


def test_ms_ssim_asks_for_its_package_and_for_large_pictures(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(UserError, match="ms_ssim_14bit needs the package pytorch-msssim: pip install"):
        prepare("ms_ssim_14bit", "cpu")
    library = ModuleType("pytorch_msssim")
    library.ms_ssim = lambda a, b, data_range: (a - b).abs().max() + data_range
    monkeypatch.setitem(sys.modules, "pytorch_msssim", library)
    prepare("ms_ssim_display", "cpu")
    picture = np.zeros((161, 170, 3))
    assert ms_ssim(picture, picture + 0.25) == pytest.approx(1.25)
    with pytest.raises(UserError, match="more than 160 px on a side, got 170x160"):
        ms_ssim(picture[:160], picture[:160])


@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_is_given_values_from_0_to_1_of_three_channels(channels, monkeypatch):
    seen = []

    class Fake(torch.nn.Module):
        def __init__(self, net: str, version: str, verbose: bool) -> None:
            super().__init__()
            assert (net, version) == ("alex", "0.1")

        def forward(self, *images: torch.Tensor) -> torch.Tensor:
            seen.extend(images)
            return torch.tensor([0.25])

    from util.scores import learned_metrics

    learned_metrics._lpips_network.cache_clear()
    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=Fake))
    settings = prepared(["lpips_aligned"], 1000.0, "cpu")
    image = RNG(0).random((8, 9, channels), dtype=np.float32)
    with_mask = np.concatenate([image, np.zeros((8, 9, 1), np.float32)], axis=2)
    assert SCORED["aligned"]["lpips_aligned"](with_mask, image, **settings["lpips_aligned"]) == 0.25
    learned_metrics._lpips_network.cache_clear()
    for given in seen:
        assert given.shape == (1, 3, 8, 9)
        np.testing.assert_array_equal(given[0, -1], image[..., -1])


# Judges


def dataset_of(kind: str, **options) -> SimpleNamespace:
    task = SimpleNamespace(bracketed=False)
    opt = argparse.Namespace(dataset_name="set", tonemap="exposure", ev=0.0, save_imgs=True, save_hdr="none")
    vars(opt).update(options)
    return SimpleNamespace(scores=kind, opt=opt, task=task, border=0, one_per_scene=False)


def view_of(meta: dict) -> Pictures:
    return Pictures(menon, meta, white=1.0, border=0, isp="full")


def test_linear_results_are_judged_with_14_bits_and_the_truth_as_it_is():
    judge = create_judge(dataset_of("linear14"))
    image, truth = torch.rand(1, 3, 6, 8) * 2 - 0.5, torch.rand(1, 3, 6, 8)
    judged = judge.images(view_of({}), {RESTORED: image, TRUTH: truth}, torch.zeros(1, 2, 4, 3, 4), {})
    assert np.array_equal(judged[RESTORED], quantised14(image[0].permute(1, 2, 0).numpy()))
    assert np.array_equal(judged[TRUTH], truth[0].permute(1, 2, 0).numpy())
    assert judge.facts() == {"scored": "linear14"}
    assert judge.reference("menon", False) == "ground truth"


def test_denoised_results_are_judged_as_a_display_shows_them():
    judge = create_judge(dataset_of("display"))
    image, truth = torch.rand(1, 1, 6, 8) * 0.6 - 0.1, torch.rand(1, 1, 6, 8) * 0.5
    view = view_of({"white_level": np.float32(0.4)})
    judged = judge.images(view, {RESTORED: image, TRUTH: truth}, torch.zeros(1, 2, 1, 6, 8), {})
    quantised = quantised14(image[0].permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(judged[RESTORED], denoising_display(quantised, 0.4))
    np.testing.assert_array_equal(judged[TRUTH], denoising_display(truth[0].permute(1, 2, 0).numpy(), 0.4))
    assert judged[RESTORED].min() == 0 and judged[RESTORED].max() == 1


def test_aligned_results_come_with_their_mask():
    scene = smooth_scene(16)
    judge = create_judge(dataset_of("aligned", sca_flow="dis"), lambda *given: align(*given, no_flow))
    judged = judge.images(
        view_of({}), {RESTORED: scene, "other": scene * 0, TRUTH: 1.5 * scene}, packed(scene), {}
    )
    assert judged[TRUTH].shape == (128, 128, 3) and judged[TRUTH].max() > 1
    assert judged[RESTORED].shape == (128, 128, 4)
    assert set(np.unique(judged[RESTORED][..., 3])) == {0, 1}
    inner = slice(48, 80)
    np.testing.assert_allclose(judged[RESTORED][inner, inner, :3], judged[TRUTH][inner, inner], atol=2e-4)
    evaluation = Evaluation(USUAL["aligned"], 40, kind="aligned")
    scores = evaluation.add("a", judged[RESTORED], judged[TRUTH])
    assert scores["psnr_aligned"] > 60 and scores["ssim_aligned"] > 0.999
    assert judge.facts() == {"scored": "aligned", "sca_flow": "dis"}


# Files


def test_linear_results_are_written_in_the_published_order_and_shown_with_a_detail(tmp_path):
    dataset = dataset_of("linear14")
    output = create_output(dataset, tmp_path, "5", 8)
    assert isinstance(output, BurstOutput)
    scene = smooth_scene(8)
    meta = {"white_balance": np.float32([2, 1, 1.5]), "cam2rgb": np.eye(3, dtype=np.float32), "cfa": "RGGB"}
    view = view_of(meta)
    images = {RESTORED: scene, TRUTH: scene}
    sample = {"scene": ["0007"], "frame": ["00"], "name": ["0007-00"], "exposure": torch.ones(1, 1)}
    pictures = {method: view.picture(image) for method, image in images.items()}
    output.write(sample, packed(scene), view, images, pictures, {RESTORED: {"psnr_14bit": 30.0}})
    stored = cv2.imread(str(tmp_path / "output_set_linear14_5/0007/00.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    assert np.array_equal(stored, codes14(scene[0].permute(1, 2, 0).numpy()))  # red first, by OpenCV
    assert (tmp_path / "output_set_exposure_5/0007/00.png").is_file()
    sheet = cv2.imread(str(tmp_path / "report_set_5/0007-00.png"))
    assert sheet.shape == (2 * (64 + 36), 3 * 64, 3)  # frame, result, truth, and the details below them


def test_gray_results_are_written_and_shown(tmp_path):
    output = create_output(dataset_of("display"), tmp_path, "5", 1)
    gray = torch.rand(1, 1, 40, 48)
    view = view_of({"white_level": np.float32(0.5)})
    assert view.white == 0.5
    images = {RESTORED: gray}
    sample = {"scene": ["a"], "frame": ["1"], "name": ["a-1"], "exposure": torch.ones(1, 2)}
    frames = torch.rand(1, 2, 1, 40, 48)
    output.write(sample, frames, view, images, {RESTORED: view.picture(gray)}, {})
    stored = cv2.imread(str(tmp_path / "output_set_linear14_5/a/1.png"), cv2.IMREAD_UNCHANGED)
    assert stored.shape[:2] == (40, 48)
    assert np.array_equal(stored.reshape(40, 48, -1)[..., 0], codes14(gray[0, 0].numpy()))
    assert cv2.imread(str(tmp_path / "report_set_5/a-1.png")).shape == (2 * (40 + 36), 2 * 48, 3)
    assert view.light(gray, saturates=True).shape == (40, 48, 3)


def test_the_detail_is_where_the_texture_is():
    picture = np.full((120, 160, 3), 1000, np.uint16)
    picture[60:90, 100:140] = RNG(0).integers(0, 60000, (30, 40, 3))
    detail = detail_of(picture)
    assert abs(detail.top - 60) <= 1 and abs(detail.left - 100) <= 1
    assert (detail.height, detail.width) == (30, 40)
    shown = detail.of(picture)
    assert shown.shape == picture.shape
    assert np.array_equal(shown[::4, ::4], picture[detail.top :, detail.left :][:30, :40])
    assert detail_of(np.zeros((3, 5, 3), np.uint16)).of(np.zeros((3, 5, 3), np.uint16)).shape == (3, 5, 3)


def test_frames_are_enlarged_bicubically():
    small = np.tile(np.uint16([1000, 2000, 3000, 4000])[None, :, None], (4, 1, 3))
    large = enlarged(small, (16, 16))
    assert large.shape == (16, 16, 3) and large.dtype == np.uint16
    assert 2400 <= large[8, 7, 0] < large[8, 8, 0] <= 2600
    assert enlarged(small, (4, 4)) is small
