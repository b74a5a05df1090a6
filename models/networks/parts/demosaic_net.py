"""The demosaicing network of the published pictures, and its use on Bayer mosaics.

Gharbi et al., "Deep joint demosaicking and denoising", SIGGRAPH Asia 2016 (the Bayer model without the noise
input). Its weights are not shipped; models/demosaicing.py reads them from a file of the user.
"""

import numpy as np
import torch
from torch import nn

from util.errors import UserError

NUM_LAYERS = 15
# rows before and after, columns before and after: each pattern becomes GRBG by a border one pixel wide
BORDERS = {"GRBG": (0, 0), "RGGB": (0, 1), "BGGR": (1, 0), "GBRG": (1, 1)}


class DemosaicNet(nn.Module):
    """GRBG mosaic (N, 3, H, W), zeros where not measured, even H and W -> RGB (N, 3, H, W), not clipped."""

    def __init__(self, *, mid_channels: int = 64) -> None:
        super().__init__()
        layers = {"pack_mosaic": nn.Conv2d(3, 4, 2, stride=2)}
        for index in range(1, NUM_LAYERS + 1):
            inputs = 4 if index == 1 else mid_channels
            outputs = 2 * mid_channels if index == NUM_LAYERS else mid_channels
            layers[f"conv{index}"] = nn.Conv2d(inputs, outputs, 3, padding=1)
            layers[f"relu{index}"] = nn.ReLU(inplace=True)
        self.main_processor = nn.Sequential()
        for name, layer in layers.items():
            self.main_processor.add_module(name, layer)
        self.residual_predictor = nn.Conv2d(mid_channels, 12, 1)
        self.upsampler = nn.ConvTranspose2d(12, 3, 2, stride=2, groups=3)
        self.fullres_processor = nn.Sequential()
        self.fullres_processor.add_module("post_conv", nn.Conv2d(6, mid_channels, 3, padding=1))
        self.fullres_processor.add_module("post_relu", nn.ReLU(inplace=True))
        self.fullres_processor.add_module("output", nn.Conv2d(mid_channels, 3, 1))

    def forward(self, mosaic: torch.Tensor) -> torch.Tensor:
        features, gates = self.main_processor(mosaic).chunk(2, dim=1)  # (N, 64, H/2, W/2) each
        residual = self.upsampler(self.residual_predictor(features * gates))  # (N, 3, H, W)
        return self.fullres_processor(torch.cat([mosaic, residual], dim=1))


def to_grbg_mosaic(bayer: torch.Tensor) -> torch.Tensor:
    """GRBG mosaic (N, H, W) -> one channel per colour (N, 3, H, W), zeros where a colour is not measured."""
    mosaic = bayer.new_zeros(bayer.shape[0], 3, *bayer.shape[1:])
    mosaic[:, 1, 0::2, 0::2] = bayer[:, 0::2, 0::2]
    mosaic[:, 0, 0::2, 1::2] = bayer[:, 0::2, 1::2]
    mosaic[:, 2, 1::2, 0::2] = bayer[:, 1::2, 0::2]
    mosaic[:, 1, 1::2, 1::2] = bayer[:, 1::2, 1::2]
    return mosaic


def demosaic(network: DemosaicNet, bayer: np.ndarray, pattern: str) -> np.ndarray:
    """Bayer mosaic (H, W) in the network's domain, even H and W -> RGB (H, W, 3) float32, clipped to [0, 1].

    The published borders are kept with their fault: the column (RGGB) or row (BGGR) that is added at the end
    is a copy of the last one and so has the wrong colour. Raises UserError for an unknown pattern.
    """
    if pattern not in BORDERS:
        raise UserError(f"unknown Bayer pattern {pattern!r}; known are {', '.join(BORDERS)}")
    rows, columns = BORDERS[pattern]
    bordered = np.pad(np.asarray(bayer, np.float32), ((rows, rows), (columns, columns)), mode="reflect")
    if pattern == "RGGB":
        bordered[:, -1] = bordered[:, -2]
    elif pattern == "BGGR":
        bordered[-1] = bordered[-2]
    device = next(network.parameters()).device
    with torch.inference_mode():
        rgb = network(to_grbg_mosaic(torch.from_numpy(bordered)[None].to(device)))[0].clamp_(0, 1)
    height, width = bayer.shape
    return rgb[:, rows : rows + height, columns : columns + width].permute(1, 2, 0).contiguous().cpu().numpy()


class NetworkDemosaicer:
    """A demosaicer for renderers: linear Bayer mosaic (H, W) -> linear RGB (H, W, 3), both clipped to [0, 1].

    The network sees values to the power 1/2.2. `support` is how far one sample reaches, in mosaic pixels.
    """

    support = 34

    def __init__(self, network: DemosaicNet) -> None:
        self.network = network.eval()

    def __call__(self, mosaic: np.ndarray, pattern: str) -> np.ndarray:
        return demosaic(self.network, np.clip(mosaic, 0, 1) ** (1 / 2.2), pattern) ** 2.2
