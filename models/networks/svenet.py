"""SVENet: HDR and colour from one raw shot with row-varying exposure (SVEHDRI, Xu et al., TCSVT 2021)."""

import re
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.blocks import run_part
from models.networks.parts.spatially_varying import PERIOD, SpatiallyVaryingConv
from models.networks.parts.winograd import Bordered, takes_rows, two_convolutions

SLOPE = 0.1  # of the leaky ReLU


def leaky_(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU in place."""
    return F.leaky_relu(x, SLOPE, inplace=True)


class GuidedBlock(nn.Module):
    """Guidance g -> conv(lrelu(conv(g))), then features a -> a + conv(relu(conv(a))) + beta g."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1))
        self.conv0_res = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv1_res = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv0_com = nn.Conv2d(channels, channels // 2, 3, padding=1)
        self.conv1_com = nn.Conv2d(channels // 2, channels, 3, padding=1)

    def forward(self, features: torch.Tensor, guidance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features and guidance (N, C, H, W) -> the same, both new."""
        guidance = self.conv1_com(leaky_(self.conv0_com(guidance)))
        residual = self.conv1_res(F.relu(self.conv0_res(features), inplace=True))
        return features + residual + self.beta * guidance, guidance

    def change(self, features: Bordered, guidance: Bordered) -> None:
        """`forward` in place, on maps of one image."""
        residuals = two_convolutions(
            features, self.conv0_res, torch.relu_, self.conv1_res, features.inside, adds=True
        )
        guides = two_convolutions(guidance, self.conv0_com, leaky_, self.conv1_com, guidance.inside)
        beta = float(self.beta)
        for rows, _ in zip(residuals, guides, strict=True):
            features.inside[rows].add_(guidance.inside[rows], alpha=beta)


class SVENet(nn.Module):
    """Features of the radiance, guided in every block by features of what of it is trusted.

    As in the SVEHDRI specification, section 4. Its frames are the rows of each exposure of a Bayer mosaic
    that begins with R and with the first row of the pattern, 0 elsewhere, so that their sum is the radiance.

    Args:
        out_channels: planes of the result (3).
        mid_channels: width of the features (64), an even number.
        blocks: guided blocks (16).

    Attributes:
        gradient_checkpointing: in training, keep less for the backward pass and compute it again.
    """

    planes, scales, period = (1,), (1,), PERIOD
    usual_tile = 768  # px: of smaller ones too much is halo
    sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "full": {},
        "small": {"mid_channels": 32, "blocks": 8},
        "tiny": {"mid_channels": 8, "blocks": 2},
    }

    def __init__(self, out_channels: int = 3, mid_channels: int = 64, blocks: int = 16) -> None:
        super().__init__()
        if mid_channels < 2 or mid_channels % 2 or blocks < 1:
            raise ValueError("it has an even number of channels, and 1 block or more")
        width = mid_channels
        self.conv_first_Res = SpatiallyVaryingConv(width)
        self.conv_first_Com = nn.Sequential(
            SpatiallyVaryingConv(width),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.sft_branch = nn.Sequential(*(GuidedBlock(width) for _ in range(blocks)))
        self.conv_last = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv2d(width, out_channels, 3, padding=1),
        )
        self.gradient_checkpointing = False

    @staticmethod
    def arguments_of(state: dict[str, torch.Tensor]) -> dict[str, Any]:
        """What the names and shapes of a published state dict tell; nothing of another network's."""
        if "conv_first_Res.conv_first1.weight" not in state:
            return {}
        blocks = sum(re.fullmatch(r"sft_branch\.\d+\.beta", name) is not None for name in state)
        return {"mid_channels": len(state["conv_first_Res.conv_first1.weight"]), "blocks": blocks}

    def halo(self) -> int:
        """Px around a px on which its result depends: the guidance reaches farthest."""
        return 6 + 2 * len(self.sft_branch)

    def forward(self, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Rows of each exposure -> linear RGB at the size of the mosaic.

        Args:
            frames: (N, T, 1, H, W), divided by their exposures; their sum is the Bayer radiance map.
            mask: (N, 1, H, W), how far values are trusted, 0 to 1.

        Returns:
            (N, 3, H, W) in the units of the radiance; it may be slightly negative.
        """
        return self.image_of(frames.sum(1), mask)

    def features_of(self, radiance: torch.Tensor) -> torch.Tensor:
        """The first features (N, C, H, W) of a radiance map (N, 1, H, W)."""
        return self.conv_first_Res(radiance)

    def image_of(self, radiance: torch.Tensor, mask: torch.Tensor, *known: torch.Tensor) -> torch.Tensor:
        """A radiance map and its mask (N, 1, H, W), and what else `features_of` takes -> (N, C', H, W)."""
        if takes_rows(radiance):
            samples = zip(radiance, radiance * mask, *known, strict=True)
            return torch.stack([self._image_by_rows(*sample) for sample in samples])
        features = self.features_of(radiance, *known).to(radiance.dtype)
        guidance = run_part(self, self.conv_first_Com, radiance * mask)
        for block in self.sft_branch:
            features, guidance = run_part(self, block, features, guidance)
        return run_part(self, self.conv_last, features).to(radiance.dtype)

    def _image_by_rows(
        self, radiance: torch.Tensor, trusted: torch.Tensor, *known: torch.Tensor
    ) -> torch.Tensor:
        """Of planes (1, H, W), (C', H, W): maps of features and of guidance are changed in place, by rows."""
        first = self.features_of(radiance[None], *(image[None] for image in known))
        features, guidance = (
            Bordered(maps[0].permute(1, 2, 0)) for maps in (first, self.conv_first_Com[0](trusted[None]))
        )
        work_off(guidance, self.conv_first_Com[1:], guidance.inside)
        for block in self.sft_branch:
            block.change(features, guidance)
        image = radiance.new_empty(*radiance.shape[-2:], self.conv_last[2].out_channels)
        work_off(features, self.conv_last, image)
        return image.permute(2, 0, 1)


def work_off(maps: Bordered, layers: nn.Sequential, into: torch.Tensor) -> None:
    """Two convolutions and what is between them, `into` (H, W, C')."""
    for _ in two_convolutions(maps, layers[0], leaky_, layers[2], into):
        pass
