"""Golden checks of SVEHDRI: its network and its loss."""

import numpy as np
import torch

from models.colour_angle import ANGLE_WEIGHT, colour_angle_loss
from models.networks import create_network
from tests.checks.tmrnet import published_state


@torch.no_grad()
def check_network(data, tolerance: float) -> None:
    """The state dict is the published one, name for name, and so is the result, of frames in either order."""
    network = create_network("svenet")
    assert list(network.state_dict()) == [str(key) for key in data["names"]]
    network.load_state_dict(published_state(data))
    radiance, mask = (torch.from_numpy(data[key]) for key in ("input0", "input1"))
    first = torch.arange(radiance.shape[-2])[:, None] // 2 % 2 == 0
    frames = torch.stack((radiance * first, radiance * ~first), dim=1)
    for given in (frames, frames.flip(1)):
        np.testing.assert_allclose(network(given, mask).numpy(), data["output"], atol=tolerance, rtol=0)


def check_loss(data) -> None:
    """Both terms, and the gradient of the whole."""
    output = torch.from_numpy(data["output"]).requires_grad_()
    l1, angle = colour_angle_loss(output, torch.from_numpy(data["target"]))
    total = l1 + ANGLE_WEIGHT * angle
    total.backward()
    for value, key in ((l1, "l1"), (angle, "angle"), (total, "total")):
        np.testing.assert_allclose(value.item(), float(data[key]), rtol=1e-5)
    np.testing.assert_allclose(output.grad.numpy(), data["grad"], atol=1e-4 * np.abs(data["grad"]).max())


CHECKS = {
    "svehdri": lambda data: check_network(data, 1e-5),
    "svehdri_gain": lambda data: check_network(data, 1e-4),
    "svehdri_loss": check_loss,
}
