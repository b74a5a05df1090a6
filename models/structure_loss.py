"""Losses between the structure of two pictures: features of VGG-19, or image gradients at several scales."""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import avg_pool2d
from torchvision.models import VGG19_Weights
from torchvision.models.vgg import cfgs, make_layers

from models.losses import log_light
from util import checkpoint
from util.device import Place
from util.errors import UserError
from util.task import Task

KINDS = ("vgg", "gradient")
ORDERS = ("rgb", "bgr")
LAYERS = {13: 1, 22: 1, 31: 2}  # ReLU after conv3_2, conv4_2, conv5_2 of torchvision's `features` -> weight
NOT_READ = ("classifier.", "features.32.", "features.34.")  # what follows the last of them
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in RGB
LEVELS = 4  # of the pyramid of gradients
SMALLEST = 16  # px of a side that either loss can take: the last features are at a sixteenth of the size

StructureLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of output and label, linear light


def create_structure_loss(opt: argparse.Namespace, task: Task, place: Place) -> StructureLoss:
    """`--structure_loss` on the device.

    Raises:
        UserError: VGG-19's weights are not there, or do not fit; patches too small or without three colours.
    """
    asked = f"--structure_loss {opt.structure_loss}"
    if opt.patch_size < SMALLEST:
        raise UserError(f"{asked} needs patches of {SMALLEST} px or more, not --patch_size {opt.patch_size}")
    if opt.structure_loss == "gradient":
        return gradient_loss
    if task.channels != 3:
        planes = f"{task.channels} planes of --dataset_name {opt.dataset_name}"
        raise UserError(f"{asked} sees RGB, not the {planes}: give --structure_loss gradient")
    return VGGLoss(vgg_weights(opt.vgg_weights), opt.vgg_order, place.device)


def vgg_weights(path: str | None) -> Path:
    """The file of VGG-19's weights: `path`, or where torchvision keeps it once it has been downloaded.

    Raises:
        UserError: it is not there. Nothing is downloaded.
    """
    url = VGG19_Weights.IMAGENET1K_V1.url
    file = Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if file.is_file():
        return file
    ways = f"download {url} and name the file by --vgg_weights FILE, or give --structure_loss gradient"
    raise UserError(f"--structure_loss vgg needs weights of VGG-19, and there is no {file}: {ways}")


class VGG19Features(nn.Module):
    """What is looked at of VGG-19 (Simonyan and Zisserman, ICLR 2015), frozen, with weights of a file.

    Raises:
        UserError: the file is damaged, or does not hold torchvision's VGG-19 without batch norm.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        super().__init__()
        with torch.device("meta"):  # no random numbers are drawn for what is loaded
            self.features = make_layers(cfgs["E"])[: max(LAYERS) + 1]
        self.to_empty(device="cpu")
        state, _ = checkpoint.load_weights(path)
        read = {name: value for name, value in state.items() if not name.startswith(NOT_READ)}
        checkpoint.fit(self, read, path)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)
        self.to(device).eval().requires_grad_(False)

    def forward(self, picture: torch.Tensor) -> list[torch.Tensor]:
        """RGB (N, 3, H, W) in [0, 1] -> the features of LAYERS, in float32 whatever the precision is."""
        values, found = (picture.float() - self.mean) / self.deviation, []
        with torch.autocast(picture.device.type, enabled=False):
            for number, layer in enumerate(self.features):
                values = layer(values)
                if number in LAYERS:
                    found.append(values)
        return found


class VGGLoss:
    """(d(relu3_2) + d(relu4_2) + 2 d(relu5_2)) / 4, d = mean absolute difference of features of T(.).

    Over the whole of two pictures (N, 3, H, W) of linear RGB (SelfHDR specification, 5.2). With `order` bgr
    the colours are reversed first, as the published code has them.
    """

    def __init__(self, path: Path, order: str, device: torch.device) -> None:
        self.network, self.order = VGG19Features(path, device), order

    def __call__(self, output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            expected = self._features(label)
        pairs = zip(LAYERS.values(), self._features(output), expected, strict=True)
        return sum(weight * (one - other).abs().mean() for weight, one, other in pairs) / sum(LAYERS.values())

    def _features(self, light: torch.Tensor) -> list[torch.Tensor]:
        return self.network(log_light(light.flip(1) if self.order == "bgr" else light))


def gradient_loss(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of image gradients of T(.) at four scales: a stand-in of ours for VGG-19.

    At each scale the horizontal and the vertical differences of neighbouring px, per channel, in px of that
    scale; the scales, each the mean of 2 x 2 px of the finer, count alike, so that wide structure counts
    more than noise. A constant added to T(.) changes nothing: colour and brightness are left to the colour
    loss. For photographs that are blurred or displaced by a few px it is about 1.4 times the mean difference
    of T(.), so that a weight of 1 balances the two losses.

    Args:
        output, label: linear light (N, C, H, W), H and W 16 or more.
    """
    difference = log_light(output) - log_light(label)  # gradients and means are linear: one pyramid will do
    total = difference.new_zeros(())
    for level in range(LEVELS):
        if level:
            difference = avg_pool2d(difference, 2)
        total = total + difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    return total / LEVELS
