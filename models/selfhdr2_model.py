"""Stage 2 of SelfHDR (Zhang et al., ICLR 2024): the network that is used. SelfHDR specification, 5."""

import argparse
import re
from typing import NamedTuple

import torch

from models.losses import color_mask, masked_l1
from models.networks.parts.exposure_pairs import GAMMA
from models.selfhdr import SelfhdrModel, gamma_coded
from models.structure_loss import KINDS, ORDERS, create_structure_loss
from util.parser import amount


class Noise(NamedTuple):
    """Range of a standard deviation, in 8-bit units."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"gauss{self.low:g}" + (f"_{self.high:g}" if self.high > self.low else "")


def gauss(text: str) -> Noise:
    """`gauss0.5`, a standard deviation in 8-bit units, or `gauss0_2`, a range of it."""
    number = r"(\d+\.?\d*|\.\d+)"
    found = re.fullmatch(f"gauss{number}(?:_{number})?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected gauss0.5, or gauss0_2 for a range, not '{text}'")
    noise = Noise(float(found[1]), float(found[2] or found[1]))
    if noise.high < noise.low:
        raise argparse.ArgumentTypeError(f"the range of '{text}' must rise")
    return noise


def add_noise(measured: torch.Tensor, noise: Noise) -> None:
    """Add Gaussian noise, in place, to a measured frame (N, C, H, W) as it was stored, gamma-coded.

    Then the frame is clipped to [0, 1] and is linear again. Independent per px, channel and sample, and so
    is the standard deviation per sample, uniform in the range of `noise`. The draws are PyTorch's on the
    CPU, so that they are the same for every device. SelfHDR specification, 5.1.
    """
    if noise.high == 0:
        return
    deviation = torch.full((len(measured), 1, 1, 1), float(noise.low))
    if noise.high > noise.low:
        deviation += (noise.high - noise.low) * torch.rand(deviation.shape)
    drawn = torch.randn(measured.shape) * (deviation / 255)
    coded = gamma_coded(measured) + drawn.to(measured)
    measured.copy_(coded.clamp(0, 1) ** GAMMA)


class Selfhdr2Model(SelfhdrModel):
    """Colour from the merge of aligned frames, structure from the results of stage 1."""

    loss_names = ("color", "structure")
    targets = ("color_label", "structure_label")

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        if not is_train:
            return
        parser.add_argument(
            "--reference_noise",
            type=gauss,
            default="gauss0.5",
            help="standard deviation in 8-bit units of noise on the reference frame; gauss0_2 = drawn for "
            "each sample from 0 to 2, gauss0 = none",
        )
        parser.add_argument(
            "--structure_loss",
            choices=KINDS,
            default="vgg",
            help="vgg: features of VGG-19, as published; gradient: image gradients at several scales, a "
            "stand-in of ours that needs no weights",
        )
        parser.add_argument(
            "--structure_weight", type=amount, default=1.0, help="of the loss against the structure labels"
        )
        parser.add_argument(
            "--vgg_weights", help="file of torchvision's VGG-19; where it is not given, torchvision's cache"
        )
        parser.add_argument(
            "--vgg_order",
            choices=ORDERS,
            default="rgb",
            help="of the colours that VGG-19 is given; bgr is a fault of the published code, for comparisons",
        )

    def prepare_training(self) -> None:
        self.structure_loss = create_structure_loss(self.opt, self.task, self.place)
        super().prepare_training()

    def take_reference(self, measured: torch.Tensor) -> None:
        add_noise(measured, self.opt.reference_noise)

    def compute_loss(self) -> torch.Tensor:
        """L_color + structure_weight * L_stru (SelfHDR specification, 5.2)."""
        label, structure_label = self.labels["color_label"], self.labels["structure_label"]
        color = masked_l1(self.output, label, color_mask(label, structure_label))
        structure = self.structure_loss(self.output, structure_label)
        self.losses = {"color": color.detach(), "structure": structure.detach()}
        return color + self.opt.structure_weight * structure
