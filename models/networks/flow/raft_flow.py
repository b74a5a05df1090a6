"""RAFT: optical flow from the correlations of all pairs of places (Teed and Deng, ECCV 2020)."""

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.flow.pair_flow import Features, PairFlow

STEP = 8  # px of which sides must be a multiple
SMALLEST = 128  # px


class RaftFlow(PairFlow):
    """Flow between gamma-coded pictures, 0..1, by torchvision's RAFT, without gradients: weights stay.

    Images are extended to sides that it takes. Of each pair it keeps all correlations: P px take
    0.0013 P^2 bytes, 1.4 GB for 2^20 px.
    """

    gamma_coded = True
    kind: str  # of torchvision's networks

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import optical_flow  # not above: it takes seconds

        self.net: nn.Module = getattr(optical_flow, self.kind)().requires_grad_(False).eval()

    @staticmethod
    def published_name(name: str) -> str:
        """`feature_encoder.conv.weight` of torchvision's file -> ours."""
        return f"net.{name}"

    def train(self, mode: bool = True) -> "RaftFlow":
        """As of any module, but that what normalisation knows stays as it is."""
        super().train(mode)
        self.net.eval()
        return self

    def fitted(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) in 0..1 -> (N, 3, H', W') in -1..1, extended to the right and below."""
        below, right = (max(-side % STEP, SMALLEST - side) for side in images.shape[-2:])
        return F.pad(2 * images.float() - 1, (0, right, 0, below), "replicate")

    def in_px(self, flow: torch.Tensor, size: torch.Size) -> torch.Tensor:
        """The flow (N, 2, H', W') without what images of `size` were extended by."""
        return flow[..., : size[0], : size[1]]

    def features(self, images: torch.Tensor) -> Features:
        return [images]

    @torch.no_grad()
    def between(self, target: Features, source: Features) -> torch.Tensor:
        """Flow (N, 2, H', W') in px."""
        flow = self.net(target[0], source[0])[-1]
        self.net.corr_block.corr_pyramid = []  # it would be kept until the next pair
        return flow


class RaftSmall(RaftFlow):
    """The smaller of torchvision's networks, of 1.0 million parameters."""

    kind = "raft_small"


class RaftLarge(RaftFlow):
    """The published network, of 5.3 million parameters."""

    kind = "raft_large"
