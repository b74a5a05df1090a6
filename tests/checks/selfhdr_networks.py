"""Golden checks of the convolutional networks for HDR from three LDR exposures."""

import numpy as np
import torch

from models.networks import create_network
from tests.checks.tmrnet import published_state


@torch.no_grad()
def _check(data, name: str) -> None:
    """The state dict is the published one, name for name, and so is the result."""
    pairs = torch.stack([torch.from_numpy(data[f"input{i}"]) for i in range(3)], dim=1)
    network = create_network(name)
    assert list(network.state_dict()) == [str(key) for key in data["names"]]
    network.load_state_dict(published_state(data))
    output = network.eval().restore_pairs(pairs).numpy()
    np.testing.assert_allclose(output, data["output"], atol=1e-5, rtol=0)


CHECKS = {
    "selfhdr_ahdrnet": lambda data: _check(data, "ahdrnet"),
    "selfhdr_fshdr": lambda data: _check(data, "fshdr"),
}
