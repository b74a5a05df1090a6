"""SPyNet: optical flow by a coarse-to-fine pyramid of small networks (Ranjan and Black, CVPR 2017)."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.warp import warp

STRIP_PIXELS = (
    1 << 17
)  # without gradients a level is refined in strips of about this size: memory stays bounded
HALO = 15  # radius of five 7x7 convolutions


class FlowRefiner(nn.Module):
    """Five 7x7 convolutions, 8 -> w -> 2w -> w -> w/2 -> 2: the residual flow of one pyramid level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [8, width, 2 * width, width, width // 2, 2]
        layers = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 7, padding=3), nn.ReLU(inplace=True)]
        self.basic_module = nn.Sequential(*layers[:-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.basic_module(x).float()


class SPyNet(nn.Module):
    """Flow from a reference to support images.

    Args:
        levels: pyramid levels; inputs are resized to a multiple of 2^(levels-1).
        width: channels of the first layer of each level (32 as published).
    """

    def __init__(self, levels: int = 6, width: int = 32) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(FlowRefiner(width) for _ in range(levels))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def pyramid(self, image: torch.Tensor) -> list[torch.Tensor]:
        """RGB (N, 3, H, W) in [0, 1] -> normalised images, coarsest first."""
        multiple = 2 ** (len(self.basic_module) - 1)
        size = [-(-side // multiple) * multiple for side in image.shape[-2:]]
        image = F.interpolate(image.float(), size=size, mode="bilinear", align_corners=False)
        images = [(image - self.mean) / self.std]
        for _ in self.basic_module[1:]:
            images.append(F.avg_pool2d(images[-1], 2))
        return images[::-1]

    def flow(self, reference: list[torch.Tensor], support: torch.Tensor) -> torch.Tensor:
        """Flow (N, 2, H, W) in px, x first: `support` (N, 3, H, W) sampled at p + flow(p) shows the
        reference at p.

        `reference` is the `pyramid` of the reference image, so that several supports share it.
        """
        height, width = support.shape[-2:]
        flow = None
        for refiner, ref, sup in zip(self.basic_module, reference, self.pyramid(support), strict=True):
            if flow is None:
                flow = ref.new_zeros(ref.shape[0], 2, *ref.shape[-2:])
            else:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            flow = _refine(refiner, ref, sup, flow)
        factors = width / flow.shape[-1], height / flow.shape[-2]  # as a tensor, a GPU would be waited for
        flow = F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
        return torch.stack(
            [part * factor for part, factor in zip(flow.unbind(1), factors, strict=True)], dim=1
        )

    def forward(self, reference: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
        """`flow` of two RGB images (N, 3, H, W) in [0, 1]."""
        return self.flow(self.pyramid(reference), support)


def _refine(refiner: FlowRefiner, ref: torch.Tensor, sup: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """One level's refined flow, in strips of rows where no gradient is wanted (equal to the whole: HALO)."""
    height, width = flow.shape[-2:]
    rows = height if torch.is_grad_enabled() else max(1, STRIP_PIXELS // width)
    strips = []
    for top in range(0, height, rows):
        first, last = max(0, top - HALO), min(height, top + rows + HALO)
        up = flow[:, :, first:last]
        residual = refiner(torch.cat((ref[:, :, first:last], warp(sup, up, "border", top=first), up), dim=1))
        strips.append((up + residual)[:, :, top - first : min(height, top + rows) - first])
    return torch.cat(strips, dim=2)
