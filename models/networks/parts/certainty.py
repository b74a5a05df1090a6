"""How much each feature of each frame of a burst is to be believed (Deep-Rep specification, 2.3)."""

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.burst_blocks import ConvBlock, ReluResBlock, res_blocks

NOISE_CHANNELS = 32


class CertaintyPredictor(nn.Module):
    """Predicts weights of a frame's features from how they differ from the base's, and from its sub-pixel
    phase.

    Args:
        features: channels of the features. project: to which they are projected. offset: channels made of
            the phase, by `offset_blocks` residual blocks. noise: planes that tell of noise, 0 = none.
        blocks: residual blocks of the prediction.
    """

    def __init__(
        self, features: int, project: int, offset: int, offset_blocks: int, noise: int, blocks: int
    ) -> None:
        super().__init__()
        self.feat_project_layer = ConvBlock(features, project, kernel=1)
        self.offset_feat_extractor = nn.Sequential(
            ConvBlock(2, offset), *(ReluResBlock(offset) for _ in range(offset_blocks))
        )
        joined = 2 * project + offset
        if noise:
            self.noise_feat_extractor = nn.Sequential(
                ConvBlock(noise, NOISE_CHANNELS), ReluResBlock(NOISE_CHANNELS)
            )
            joined += NOISE_CHANNELS
        self.weight_predictor = nn.Sequential(
            ConvBlock(joined, 2 * project),
            *res_blocks(blocks, 2 * project),
            ConvBlock(2 * project, features, relu=False),
        )

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """Features (N, Ce, h, w) of a frame, projected: (N, P, h, w)."""
        return self.feat_project_layer(features)

    def forward(
        self,
        own: torch.Tensor,
        base: torch.Tensor,
        flow: torch.Tensor | None,
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Weights (N, Ce, h, w), 0 or more, of a frame's features.

        Args:
            own, base: `project` of the frame's features, and of the base's along the flow, (N, P, h, w).
            flow: (N, 2, h, w), of which the fraction counts; None for the base itself.
            noise: what tells of the frame's noise, (N, c, H, W); resized where H, W are not h, w.
        """
        phase = own.new_zeros(len(own), 2, *own.shape[-2:]) if flow is None else flow % 1.0
        told = [own, own - base, self.offset_feat_extractor(phase)]
        if noise is not None:
            if noise.shape[-2:] != own.shape[-2:]:
                noise = F.interpolate(noise, size=own.shape[-2:], mode="bilinear", align_corners=False)
            told.append(self.noise_feat_extractor(noise))
        return self.weight_predictor(torch.cat(told, dim=1)).abs_()
