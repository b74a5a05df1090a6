"""Golden checks of losses and scores of bursts, and of the alignment to another camera's ground truth."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from models.burst_losses import pixelwise
from models.spatial_colour import align
from util.imaging.tonemap import denoising_display
from util.scores.burst_metrics import quantised14
from util.scores.metrics import crop_border, psnr, ssim


def check_metrics(data) -> None:
    """Losses, PSNR and SSIM of a batch with a border, and after quantisation to 14 bits."""
    output, target = torch.from_numpy(data["input_pred"]), torch.from_numpy(data["input_gt"])
    border = int(data["boundary_ignore"])
    for metric in ("l1", "charbonnier", "l2_sqrt"):
        assert_allclose(pixelwise(metric, output, target, border), data[f"output_{metric}"], rtol=2e-5)
    arrays = [image.permute(0, 2, 3, 1).numpy() for image in (output, target)]
    pairs = list(zip(*arrays, strict=True))
    cropped = [tuple(crop_border(image, border) for image in pair) for pair in pairs]
    quantised = [(quantised14(image), wanted) for image, wanted in cropped]
    for images, key in ((cropped, ""), (pairs, "_no_boundary"), (quantised, "_quantised")):
        score = np.mean([psnr(*pair, 1.0) for pair in images])
        assert score == pytest.approx(float(data[f"output_psnr{key}"]), abs=1e-5), key
    score = np.mean([ssim(*pair, 1.0, sample_covariance=False) for pair in cropped])
    assert score == pytest.approx(float(data["output_ssim"]), abs=1e-5)


def check_alignment(data) -> None:
    """A result aligned by a given flow, where it is valid, and its masked scores."""
    names = ("input_pred", "input_gt", "input_burst", "input_flow")
    output, target, burst, flow = (torch.from_numpy(data[name]) for name in names)
    image, mask = align(output, target, burst, lambda source, target: flow)
    assert_allclose(image, data["output"], atol=2e-5)
    assert (mask.numpy() != data["output_valid"]).mean() < 1e-3
    border, valid = int(data["boundary_ignore"]), torch.from_numpy(data["output_valid"])
    assert_allclose(pixelwise("l1", image, target, border, valid), data["output_l1"], rtol=1e-4)
    triples = zip(image, target, valid, strict=True)
    cut = [[crop_border(x.permute(1, 2, 0).numpy(), border) for x in one] for one in triples]
    score = np.mean([psnr(a, b, 1.0, mask=m[..., 0]) for a, b, m in cut])
    assert score == pytest.approx(float(data["output_psnr"]), abs=2e-3)
    score = np.mean([ssim(a, b, 1.0, sample_covariance=False, mask=m[..., 0]) for a, b, m in cut])
    assert score == pytest.approx(float(data["output_ssim"]), abs=1e-5)


def check_display(data) -> None:
    """The curve by which denoised bursts are scored."""
    level = float(data["white_level"].ravel()[0])
    for name, clamp in (("output", True), ("output_noclamp", False)):
        assert_allclose(denoising_display(data["input"], level, clamp), data[name], atol=2e-6)


CHECKS = {
    "deeprep_denoise_tone": check_display,
    "deeprep_metrics": check_metrics,
    "deeprep_sca": check_alignment,
}
