"""Optical flow by RAFT (Teed and Deng, ECCV 2020), as torchvision has it, with the user's weights."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models.optical_flow import raft_large, raft_small

from util import checkpoint
from util.errors import UserError

NETWORKS = {"raft_large": raft_large, "raft_small": raft_small}
STEP = 8  # px of which sides must be a multiple
SMALLEST = 128  # px


def read_weights(path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    """Which of torchvision's networks a weight file is for, and its weights.

    Raises:
        UserError: it is missing or damaged, or is for neither.
    """
    weights, _ = checkpoint.load_weights(path)
    shapes = {name: value.shape for name, value in weights.items()}
    for name, create in NETWORKS.items():
        with torch.device("meta"):
            wanted = {key: value.shape for key, value in create().state_dict().items()}
        if shapes == wanted:
            return name, weights
    raise UserError(f"{path}: not the weights of torchvision's {' or '.join(NETWORKS)}")


class RaftFlow:
    """A RAFT network on a device; calling it gives the flow between two views."""

    def __init__(self, path: Path, device: torch.device) -> None:
        name, weights = read_weights(path)
        self.device, self.network = device, NETWORKS[name]()
        self.network.load_state_dict(weights)
        self.network.to(device).eval()

    @torch.inference_mode()
    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Flow (H, W, 2) in px, x first, between uint8 views (H, W): first(p) = second(p + flow(p))."""
        height, width = first.shape
        views = [self._input(view) for view in (first, second)]
        flow = self.network(*views)[-1][0, :, :height, :width]
        return np.ascontiguousarray(flow.permute(1, 2, 0).cpu().numpy())

    def _input(self, view: np.ndarray) -> torch.Tensor:
        """A view as (1, 3, H', W') in -1..1, extended to what the network takes."""
        picture = torch.from_numpy(view).to(self.device).float()[None, None] / 127.5 - 1
        below, right = (max(-length % STEP, SMALLEST - length) for length in view.shape)
        return F.pad(picture, (0, right, 0, below), "replicate").expand(-1, 3, -1, -1)
