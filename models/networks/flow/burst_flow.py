"""Optical flow between the base of a burst and its other frames, by one of several methods."""

import torch
from torch import nn

from models.networks.flow.dis_pairs import DisFlow
from models.networks.flow.pwcnet import PWCNet
from models.networks.flow.pyramid_flow import PyramidFlow
from models.networks.flow.raft_flow import RaftLarge, RaftSmall

FROZEN = {"pwcnet": PWCNet, "raft_small": RaftSmall, "raft_large": RaftLarge}  # with weights from elsewhere
ALIGNMENTS = (*FROZEN, "pyramid", "dis")


def create_alignment(name: str, planes: int, published: bool = False) -> nn.Module:
    """A module with `into_base` and `from_base`, as PairFlow has them.

    Args:
        name: "pwcnet", "raft_small" or "raft_large", with weights that are not learnt here; "pyramid", which
            is trained with the network that uses it; "dis", which has no weights.
        planes: of the frames. published: see PyramidFlow.

    Raises:
        ValueError: there is no such method.
    """
    if name in FROZEN:
        return FROZEN[name]()
    if name == "pyramid":
        return PyramidFlow(planes, published)
    if name == "dis":
        return DisFlow()
    raise ValueError(f"unknown alignment '{name}'; known: {', '.join(ALIGNMENTS)}")


def flow_view(frames: torch.Tensor, gamma_coded: bool) -> torch.Tensor:
    """Frames (N, T, C, H, W) as flow is found in them: linear, or clipped and gamma-coded."""
    return frames.float().clamp(0, 1) ** (1 / 2.2) if gamma_coded else frames.float()
