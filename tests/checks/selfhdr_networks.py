"""Golden checks of the convolutional networks for HDR from three LDR exposures."""

import numpy as np
import torch

from models.networks import create_network
from models.networks.parts.exposure_pairs import exposure_pairs
from tests.checks.tmrnet import published_state

EXPOSURE = torch.tensor([[1.0, 4.0, 16.0]])  # of frames that are realistic
DARKEST = 0.25  # exposure of the shortest frame, so that there is something to scale


def golden_pairs(data) -> torch.Tensor:
    """The inputs of a golden file, (N, 3, 6, H, W)."""
    return torch.from_numpy(np.stack([data[f"input{i}"] for i in range(3)], axis=1))


def are_consistent(pairs: torch.Tensor) -> bool:
    """Whether the gamma-coded planes are of the same light as the linear ones."""
    coded = exposure_pairs(pairs[:, :, :3], EXPOSURE.expand(len(pairs), 3))[:, :, 3:]
    return bool((coded - pairs[:, :, 3:]).abs().max() <= 1e-6)


def check_forward(network: torch.nn.Module, data) -> None:
    """The result, too, of RGB frames at other exposures, of a network whose weights expect BGR."""
    pairs = golden_pairs(data)
    if not are_consistent(pairs):
        return
    network.bgr = True
    exposure = DARKEST * EXPOSURE.expand(len(pairs), 3)
    output = DARKEST * network(pairs[:, :, :3].flip(2) / DARKEST, exposure).flip(1)
    np.testing.assert_allclose(output.numpy(), data["output"], atol=2e-5, rtol=0)


@torch.no_grad()
def _check(data, name: str) -> None:
    """The state dict is the published one, name for name, and so is the result."""
    network = create_network(name)
    assert list(network.state_dict()) == [str(key) for key in data["names"]]
    network.load_state_dict(published_state(data))
    output = network.eval().restore_pairs(golden_pairs(data)).numpy()
    np.testing.assert_allclose(output, data["output"], atol=1e-5, rtol=0)
    check_forward(network, data)


CHECKS = {
    "selfhdr_ahdrnet": lambda data: _check(data, "ahdrnet"),
    "selfhdr_fshdr": lambda data: _check(data, "fshdr"),
}
