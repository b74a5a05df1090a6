"""Golden checks of the networks of deep reparametrization, of their parts, and of DBSR."""

import json

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.networks import create_network, network_class
from models.networks.flow.pwcnet import PWCNet
from models.networks.flow.pyramid_flow import PyramidFlow
from models.networks.parts.burst_blocks import SubpixelUpsampler
from models.networks.parts.certainty import CertaintyPredictor
from models.networks.parts.correlation import correlation, patch_correlation
from models.networks.parts.descent import Evidence, SteepestDescent
from models.networks.parts.motion import Motion
from models.networks.parts.splat import splat
from models.networks.parts.warp import warp
from tests.checks.tmrnet import published_state

PLAIN = 1e-5  # absolute, of weights with gain 0.5
STRONG = 1e-4  # of the maximum, of those with gain 1


def assert_near(ours: torch.Tensor, data, key: str, absolute: float = PLAIN) -> None:
    """Within what the golden files allow, by the gain of the weights."""
    expected = data[key]
    gain = float(data["gain"]) if "gain" in data else 1.0
    tolerance = absolute if gain == 0.5 else STRONG * max(1e-3, np.abs(expected).max())
    ours = ours.detach().numpy()
    assert ours.shape == expected.shape, key
    assert np.abs(ours - expected).max() <= max(tolerance, absolute), key


def tensor(data, key: str) -> torch.Tensor:
    return torch.from_numpy(data[key])


def weights_of(data) -> dict[str, torch.Tensor]:
    """The checkpoint of a golden file, with what it sets otherwise."""
    state = published_state(data)
    for name, values in json.loads(str(data["overrides"]) if "overrides" in data else "{}").items():
        state[name] = torch.tensor(values).view(state[name].shape)
    return state


def network_of(data, name: str) -> nn.Module:
    """The published network of a golden file, made as its state dict says; names are the same."""
    state, kind = weights_of(data), network_class(name)
    network = create_network(name, **kind.published_arguments | kind.arguments_of(state)).eval()
    assert set(network.state_dict()) == set(state)
    network.load_state_dict(state)
    return network


def check_warp(data) -> None:
    image, flow = (tensor(data, key).requires_grad_() for key in ("input", "input_flow"))
    probe = tensor(data, "input_probe")
    moved = warp(image, flow)
    gradients = torch.autograd.grad((moved * probe).sum(), (image, flow))
    assert_near(moved, data, "output", 2e-5)
    assert_near(gradients[0], data, "output_grad_feat", 2e-5)
    assert_near(gradients[1], data, "output_grad_flow", 5e-5)
    size = tuple(image.shape[-2:])
    assert_near(splat(probe, flow.detach(), size), data, "output_grad_feat", 2e-5)
    motion = Motion(flow.detach())
    assert_near(motion.warp(image.detach()), data, "output", 2e-5)
    assert_near(motion.splat(probe), data, "output_grad_feat", 2e-5)


def check_correlation(data) -> None:
    first, second = tensor(data, "input_first"), tensor(data, "input_second")
    assert_near(correlation(first, second, 4) / first.shape[1], data, "output81")
    assert_near(patch_correlation(first, second, 2), data, "output_k3_d2", 5e-5)
    assert_near(patch_correlation(first, second, 3), data, "output_k3_d3", 5e-5)


def check_pwcnet(data) -> None:
    network = PWCNet().eval()
    network.load_state_dict(published_state(data))
    flow = network(tensor(data, "input_source"), tensor(data, "input_target"))
    assert_near(flow, data, "output", 2e-5)


@torch.no_grad()
def check_pyramid_flow(data) -> None:
    source, target = tensor(data, "input_source"), tensor(data, "input_target")
    network = PyramidFlow(source.shape[1], published=True).eval()
    network.load_state_dict(published_state(data))
    assert_near(network(source, target), data, "output", 5e-5)


def check_optimizer(data) -> None:
    """Steps, objective, and all gradients, that by the flow exact."""
    weight, stride = tensor(data, "input_ds_weight"), int(data["stride"])
    prior = float(data["feat_reg_w"]) > 0
    optimizer = SteepestDescent(weight.shape[1], weight.shape[0], stride, nn.Identity(), prior)
    optimizer.degradation_operator.ds[0][0].weight.data = weight.clone()
    optimizer.feat_reg_w.data.fill_(abs(float(data["feat_reg_w"])))
    given = {key: tensor(data, f"input_{key}") for key in ("z0", "x", "weights", "flow")}
    for is_flow_learnt in (False, True):
        known = {
            key: value.clone().requires_grad_(key != "flow" or is_flow_learnt) for key, value in given.items()
        }
        evidence = [
            Evidence(frame, squares, _motion(known["flow"][:, number - 1], stride) if number else None)
            for number, (frame, squares) in enumerate(
                zip(known["x"].unbind(1), known["weights"].square().unbind(1), strict=True)
            )
        ]
        state = optimizer.begin(known["z0"], evidence)
        objectives = [optimizer.objective(known["z0"], state, evidence)]
        for number in range(int(data["num_iter"])):
            state, _ = optimizer.step(known["z0"], state, evidence, None)
            objectives.append(optimizer.objective(known["z0"], state, evidence))
            np.testing.assert_allclose(state[0].detach(), data["output"][number + 1], atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(torch.cat(objectives).detach(), data["output_objective"], rtol=1e-5)
        learnt = {key: value for key, value in known.items() if value.requires_grad}
        learnt["ds_weight"] = optimizer.degradation_operator.ds[0][0].weight
        if prior:
            learnt["feat_reg_w"] = optimizer.feat_reg_w
        found = torch.autograd.grad((state[0] * tensor(data, "input_probe")).sum(), list(learnt.values()))
        for key, gradient in zip(learnt, found, strict=True):
            expected = data[f"output_grad_{'flow_exact' if key == 'flow' else key}"]
            assert np.abs(gradient.numpy() - expected).max() < 2e-5 * np.abs(expected).max(), key


def _motion(flow: torch.Tensor, stride: int) -> Motion:
    return Motion(stride * F.interpolate(flow, scale_factor=stride, mode="nearest"))


@torch.no_grad()
def check_certainty(data) -> None:
    state, features = published_state(data), tensor(data, "input_x")
    told = "input_noise_estimate" in data
    noise = list(tensor(data, "input_noise_estimate").unbind(1)) if told else [None] * features.shape[1]
    project = len(state["feat_project_layer.0.bias"])
    offset = len(state["offset_feat_extractor.0.0.bias"])
    offset_blocks, blocks = (
        sum(name.startswith(part) and name.endswith("conv1.0.bias") for name in state)
        for part in ("offset_feat_extractor", "weight_predictor")
    )
    planes = noise[0].shape[1] if told else 0
    predictor = CertaintyPredictor(features.shape[2], project, offset, offset_blocks, planes, blocks)
    predictor.load_state_dict(state)
    projected = [predictor.project(frame) for frame in features.unbind(1)]
    weights = [predictor(projected[0], projected[0], None, noise[0])]
    for number, flow in enumerate(tensor(data, "input_flow").unbind(1), 1):
        base = Motion(flow).warp(projected[0])
        weights.append(predictor(projected[number], base, flow, noise[number]))
    assert_near(torch.stack(weights, dim=1), data, "output")


@torch.no_grad()
def check_upsampler(data) -> None:
    image, factor = tensor(data, "input"), int(data["upsample_factor"])
    planes = data["output"].shape[1]
    blur = "gauss_kernel" in data and data["gauss_kernel"].size > 0
    upsampler = SubpixelUpsampler(image.shape[1], planes, factor, blur)
    upsampler.load_state_dict(published_state(data))
    assert_near(upsampler(image), data, "output", 2e-5)


@torch.no_grad()
def check_deeprep(data, name: str) -> None:
    """The image, and what it is made of, with flow found or given; and with a batch of copies."""
    network, frames = network_of(data, name), tensor(data, "input")
    network.descent_steps = int(data["num_iter"])
    noise = tensor(data, "input_noise_estimate") if "input_noise_estimate" in data else None
    flow = tensor(data, "input_flow") if "input_flow" in data else network.flow_of(frames)
    if "output_flow" in data:
        assert_near(flow, data, "output_flow", 2e-5)
    assert_near(network(frames, noise_map=noise, flow=flow), data, "output")
    noise = network.noise_of(frames, None, noise)
    z, lengths = network.latent(frames, noise, noise, flow, [])
    if "output_alpha" in data:
        np.testing.assert_allclose(torch.stack(lengths), data["output_alpha"], rtol=1e-4)
    if "output_z_crop" in data:
        assert_near(z[:, :8, :16, :16], data, "output_z_crop")
        z0, evidence = network.evidence(frames, noise, noise, flow)
        assert_near(z0[:, :8, :16, :16], data, "output_z0_crop")
        weights = torch.stack([frame.squares.sqrt() for frame in evidence], dim=1)
        assert_near(weights[:, :, :4, :8, :8], data, "output_weights_crop")


@torch.no_grad()
def check_dbsr(data) -> None:
    network, frames = network_of(data, "dbsr"), tensor(data, "input")
    flow = tensor(data, "input_flow") if "input_flow" in data else network.flow_of(frames)
    if "output_flow" in data:
        assert_near(flow, data, "output_flow", 2e-5)
    assert_near(network(frames, flow=flow), data, "output")
    assert_near(network.fused(frames, None, flow)[:, :8, :16, :16], data, "output_fused_crop")


CHECKS = {
    "deeprep_warp": check_warp,
    "deeprep_corr": check_correlation,
    "deeprep_pwcnet": check_pwcnet,
    "deeprep_customflow": check_pyramid_flow,
    "deeprep_optimizer": check_optimizer,
    "deeprep_weightpredictor": check_certainty,
    "deeprep_upsampler": check_upsampler,
    "deeprep_sr": lambda data: check_deeprep(data, "deeprep_sr"),
    "deeprep_denoise_color": lambda data: check_deeprep(data, "deeprep_denoise"),
    "deeprep_denoise_gray": lambda data: check_deeprep(data, "deeprep_denoise"),
    "deeprep_dbsr": check_dbsr,
}
