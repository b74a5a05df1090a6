"""Golden checks of the simulated exposure: the loop in restoring and in training, its losses, the metrics."""

import argparse
from functools import partial

import numpy as np
import torch
from numpy.testing import assert_allclose

from models.eld_model import padding, reflected
from models.exposure_diffusion_model import ExposureDiffusionModel, total_loss
from models.exposure_process import ExposureProcess, even_schedule
from models.networks import create_network
from tests.checks.tmrnet import published_state
from util.imaging.illumination import corrected
from util.scores.raw_metrics import psnr255, raw_image, ssim255

C = 15583  # ADU
SIZES = {"unet": ("unet", {}), "naf2": ("nafnet", {})}


def network_of(data) -> torch.nn.Module:
    """The published network of a golden file, with its weights."""
    name, _, size = str(data["net"]).partition("naf")
    flags = {key: bool(data[key]) for key in ("with_photon", "concat_origin", "adaptive_res_and_x0")}
    network = create_network(name or "nafnet", **flags)
    assert size in ("", "2")
    network.load_state_dict(published_state(data))
    return network


def per_sample(value: np.ndarray) -> torch.Tensor:
    """Gains or ratios as a sample has them, (N, 1)."""
    return torch.from_numpy(np.float32(np.atleast_1d(value)))[:, None]


def metrics_of(output: torch.Tensor, target: torch.Tensor) -> list[float]:
    """PSNR and SSIM of the published evaluation, which has corrected the output already."""
    pair = [raw_image(image[0].numpy().astype(np.float64), None) for image in (output, target)]
    return [psnr255(*pair), ssim255(*pair)]


@torch.no_grad()
def check_loop(data) -> None:
    """The oracle's loop with mean and with given photons, and the blind one; exposures by the ratio."""
    process, gain = ExposureProcess(network_of(data)).eval(), per_sample(data["K"]) / C
    ratio = per_sample(data["ratio"])
    exposures = even_schedule(ratio[:, 0], int(data["iter_num"]))
    assert_allclose(exposures[0], data["exposures"], rtol=1e-6)
    start, target = torch.from_numpy(data["input"]), torch.from_numpy(data["target"])
    sides = padding(start.shape[-2:]) if data["evaluated_with_padding"] else (0, 0, 0, 0)
    padded, truth = reflected(start, sides), reflected(target, sides)
    counts = iter(torch.from_numpy(data["sampled_poisson_count"])[:, None])
    variants = {
        "mean": (torch.Tensor.float, partial(corrected, target=truth)),
        "sampled": (lambda _mean: next(counts), partial(corrected, target=truth)),
        "blind": (torch.Tensor.float, None),
    }
    left, right, top, bottom = sides
    for name, (photons, settle) in variants.items():
        made = process(padded, {}, exposures, gain, photons=photons, settle=settle)
        output = made.estimates[-1].image[
            ..., top : padded.shape[-2] - bottom, left : padded.shape[-1] - right
        ]
        if data["evaluated_with_padding"]:
            output = corrected(output, target)
            expected = [data[f"{name}_psnr"], data[f"{name}_ssim"]]
            assert_allclose(metrics_of(output, target), expected, rtol=1e-4)
        assert_allclose(output.numpy(), data[f"{name}_output"], atol=2e-5)


def check_training(data) -> None:
    """Losses and gradients: plain, with that of the branches, and with learnt step weights."""
    network = network_of(data).train()
    start, target = torch.from_numpy(data["input"]), torch.from_numpy(data["target"])
    gain, exposures = per_sample(data["K"]) / C, torch.from_numpy(np.float32(data["exposures"]))
    names = [name.removesuffix("_loss") for name in data if name.endswith("_loss")]
    for name in names:
        learned = f"{name}_step_weight" in data
        process = ExposureProcess(network, int(data["iter_num"]) if learned else 0)
        if learned:
            process.step_weight.data = torch.from_numpy(data[f"{name}_step_weight"])
        opt = argparse.Namespace(loss="l1", auxloss=name != "plain", checkpoints_dir=".", name="golden")
        step_loss = partial(ExposureDiffusionModel.step_loss, argparse.Namespace(opt=opt, gt=target))
        settle = partial(corrected, target=target)
        estimates = process(start, {}, exposures, gain, photons=torch.Tensor.float, settle=settle).estimates
        outputs = torch.stack([estimate.image for estimate in estimates])
        assert_allclose(outputs.detach().numpy(), data["outputs"], atol=2e-5)
        loss = total_loss(torch.stack([step_loss(each) for each in estimates]), process.step_weight, True)
        assert_allclose(loss.item(), data[f"{name}_loss"], rtol=1e-5)
        process.zero_grad()
        loss.backward()
        last = next(layer for key, layer in network.named_modules() if key in ("conv10_1", "ending"))
        first = next(layer for key, layer in network.named_modules() if key in ("conv1_1", "intro"))
        found = {"last_bias": last.bias.grad, "first_weight": first.weight.grad}
        found |= {"step_weight": process.step_weight.grad} if learned else {}
        for key, gradient in found.items():
            expected = data[f"{name}_grad_{key}"]
            assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def check_metrics(data) -> None:
    """Illumination correction, padding, PSNR and SSIM."""
    predict, target = data["predict"], data["target"]
    output = corrected(torch.from_numpy(predict), torch.from_numpy(target))
    assert_allclose(output.numpy(), data["output"], rtol=1e-5, atol=1e-7)
    pair = [
        np.clip(255.0 * image[0].transpose(1, 2, 0).astype(np.float64), 0, 255)
        for image in (output.numpy(), target)
    ]
    assert_allclose(psnr255(*pair), data["psnr"], rtol=1e-6)
    assert_allclose(ssim255(*pair), data["ssim_float64"], rtol=1e-6)
    pair = [raw_image(image[0].astype(np.float64), None) for image in (predict, target)]
    assert_allclose(psnr255(*pair), data["psnr_uncorrected"], rtol=1e-6)
    assert_allclose(ssim255(*pair), data["ssim_uncorrected"], rtol=1e-5)
    sides = padding(target.shape[-2:])
    assert sides == tuple(data["pad_left_right_top_bottom"])
    np.testing.assert_array_equal(reflected(torch.from_numpy(target), sides), data["padded_target"])


CHECKS = {
    "exposurediffusion_iter": check_loop,
    "exposurediffusion_train": check_training,
    "exposurediffusion_metrics": check_metrics,
}
