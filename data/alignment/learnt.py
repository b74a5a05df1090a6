"""Optical flow between views by a network with the user's weights: RAFT or PWC-Net.

Here alone do data use networks of `models/networks`: the same that align bursts there, and no copies of them.
"""

from pathlib import Path

import numpy as np
import torch

from models.networks.flow.burst_flow import FROZEN
from util import checkpoint
from util.errors import UserError

# Flow -> names of its networks, and what their weights are called.
NETWORKS = {
    "raft": (("raft_large", "raft_small"), "torchvision's raft_large or raft_small"),
    "pwcnet": (("pwcnet",), "PWC-Net, such as pwcnet-network-default.pth"),
}


def read_weights(flow: str, path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    """Which of a flow's networks ("raft", "pwcnet") a weight file is for, and its weights by our names.

    Raises:
        UserError: it is missing or damaged, or is for none of them.
    """
    state, _ = checkpoint.load_weights(path)
    names, called = NETWORKS[flow]
    for name in names:
        with torch.device("meta"):
            network = FROZEN[name]()
        weights = {network.published_name(key): value for key, value in state.items()}
        shapes = {key: value.shape for key, value in weights.items()}
        if shapes == {key: value.shape for key, value in network.state_dict().items()}:
            return name, weights
    raise UserError(f"{path}: not the weights of {called}")


class LearntFlow:
    """A network on a device; calling it gives the flow between two views.

    Raises:
        UserError: as `read_weights`.
    """

    def __init__(self, flow: str, path: Path, device: torch.device) -> None:
        name, weights = read_weights(flow, path)
        self.device, self.network = device, FROZEN[name]()
        self.network.load_state_dict(weights)
        self.network.to(device).eval()

    @torch.inference_mode()
    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Flow (H, W, 2) in px, x first, between uint8 views (H, W): first(p) = second(p + flow(p))."""
        flow = self.network(source=self._picture(second), target=self._picture(first))[0]
        return np.ascontiguousarray(flow.permute(1, 2, 0).cpu().numpy())

    def _picture(self, view: np.ndarray) -> torch.Tensor:
        """A view as (1, 3, H, W) in 0..1."""
        picture = torch.from_numpy(view).to(self.device).float()[None, None] / 255
        return picture.expand(-1, 3, -1, -1)
