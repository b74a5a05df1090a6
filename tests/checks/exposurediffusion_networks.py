"""Golden checks of the networks of exposure diffusion."""

from typing import Any

import numpy as np
import torch

from models.networks import create_network, network_class
from models.networks.parts.estimator import COUNTS, Estimate, Estimator
from tests.checks.tmrnet import published_state

TOLERANCE = 1e-5
OURS = [0, 1, 3, 2]  # planes of the published order R, G, B, G in ours, R, G, G, B
DARKEST = 0.25  # exposure of frames that are given at another scale


def network_of(data) -> tuple[Estimator, dict[str, torch.Tensor]]:
    """The network of a golden file, made as its state dict says, and that state dict."""
    name = "unet" if str(data["net"]) == "unet" else "nafnet"
    state = published_state(data)
    kind = network_class(name)
    arguments = kind.published_arguments | kind.arguments_of(state)
    options = {key: bool(data[key]) for key in ("with_photon", "concat_origin", "adaptive_res_and_x0")}
    assert options.items() <= arguments.items()
    return create_network(name, **arguments).eval(), state


def given(data) -> dict[str, torch.Tensor]:
    """What a network of ours is given: frames in our order, and what they carry."""
    planes = torch.from_numpy(data["input"])
    known = {"frames": planes[:, None, OURS]}
    if data["with_photon"]:
        known |= {"gain": _scalar(data["K"]) / COUNTS, "ratio": _scalar(data["ratio"])}
        known["reached"] = _scalar(data["exposure"])[:, 0]
    if data["concat_origin"]:
        known["origin"] = planes[:, None, -4:][:, :, OURS]
    return known


def _scalar(value: np.ndarray) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float32).reshape(1, 1)


def assert_near(ours: torch.Tensor, data, key: str) -> None:
    expected = data[key][..., : ours.shape[-2], : ours.shape[-1]]  # the mask of a NAFNet is stored padded
    ours = ours if ours.shape[1] == 1 else ours[:, OURS]
    np.testing.assert_allclose(ours.numpy(), expected, atol=TOLERANCE, rtol=TOLERANCE, err_msg=key)


@torch.no_grad()
def check(data) -> None:
    """The state dict is the published one, name for name; so are the estimate and what it is made of."""
    network, state = network_of(data)
    assert set(network.state_dict()) == set(state)
    network.load_state_dict(state)
    known = given(data)
    frames = known.pop("frames")
    assert_near(network(frames, **known), data, "output")
    estimate: Estimate = network.estimate(frames, **known)
    assert_near(estimate.image, data, "output")
    if network.adaptive:
        assert_near(estimate.direct, data, "direct")
        assert_near(estimate.by_residual, data, "by_residual")
        assert_near(estimate.mask, data, "mask")
    check_other_scale(network, data, frames, **known)


def check_other_scale(network: Estimator, data, frames: torch.Tensor, **known: Any) -> None:
    """The same of frames that are divided by an exposure: light scales, and the photon map with it."""
    if "gain" in known:
        known["gain"] = known["gain"] / DARKEST
    if "origin" in known:
        known["origin"] = known["origin"] / DARKEST
    exposure = torch.full((1, 1), DARKEST)
    assert_near(DARKEST * network(frames / DARKEST, exposure=exposure, **known), data, "output")


CHECKS = {f"exposurediffusion_{name}": check for name in ("unet", "naf")}
