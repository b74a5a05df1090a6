"""A light relative of SVENet that starts from the merge of the rows, for small trainings."""

import math
from typing import Any, ClassVar

import torch
from torch import nn

from models.networks.parts.burst_blocks import start_from_frames
from models.networks.row_merge import RowMerge
from models.networks.svenet import SVENet

MU = 5000.0
BRIGHTEST = 1.5  # coded: some seventy times the light at which the short rows clip
CALM = 0.1  # of the weights of what blocks add


class SVEResidual(SVENet):
    """What SVENet makes of the mu-law coded radiance is added to the coded merge of the rows along edges.

    The merge (RowMerge) goes into the features as well. Training starts from it: the last layer is zero.

    Args:
        mid_channels: width of the features (32), an even number.
        blocks: guided blocks (6).
    """

    sizes: ClassVar[dict[str, dict[str, Any]]] = {"full": {}, "tiny": {"mid_channels": 8, "blocks": 2}}

    def __init__(self, mid_channels: int = 32, blocks: int = 6) -> None:
        super().__init__(3, mid_channels, blocks)
        self.merge = RowMerge()
        self.conv_first_merge = nn.Conv2d(3, mid_channels, 3, padding=1)
        start_from_frames(self)
        for block in self.sft_branch:
            block.conv1_res.weight.data *= CALM
        nn.init.zeros_(self.conv_last[2].weight)

    @staticmethod
    def arguments_of(state: dict[str, torch.Tensor]) -> dict[str, Any]:
        """As of SVENet, of weights that are of this network."""
        return SVENet.arguments_of(state) if "conv_first_merge.weight" in state else {}

    def halo(self) -> int:
        """Px around a px on which its result depends: those of the network see the merge."""
        return super().halo() + self.merge.halo()

    def forward(self, frames: torch.Tensor, mask: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
        """As of SVENet; `exposure` (N, T) is for the merge."""
        with torch.no_grad():
            merged = mu_law(self.merge(frames, exposure, mask).to(frames))
        added = self.image_of(mu_law(frames.sum(1)), mask, merged)
        return torch.expm1((merged + added).clamp(max=BRIGHTEST) * math.log1p(MU)) / MU

    def features_of(self, radiance: torch.Tensor, merged: torch.Tensor) -> torch.Tensor:
        return self.conv_first_Res(radiance) + self.conv_first_merge(merged)


def mu_law(light: torch.Tensor) -> torch.Tensor:
    """Light from 0 to 1 coded, ln(1 + 5000 x) / ln(5001)."""
    return torch.log1p(MU * light.clamp(min=0)) / math.log1p(MU)
