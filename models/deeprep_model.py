"""Training on bursts: super-resolution and denoising (Deep-Rep specification, 7 to 10)."""

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from models.base_model import BaseModel
from models.burst_losses import METRICS, pixelwise
from models.networks.parts.warp import warp
from models.restoring import Method
from models.spatial_colour import FLOWS, align, create_flow
from util.errors import UserError
from util.parser import amount, whole, whole_numbers

BORDERS = {1: 4}  # px that the loss leaves out, by scale
USUAL_BORDER = 40
FLOW_BORDER = 4  # px that the loss of the flow leaves out
ALIGNED_WEIGHT = 10.0


class DeeprepModel(BaseModel):
    """A burst to one image in linear light, without the border.

    Against the ground truth of another camera, results are first aligned in place and colour
    (`--burst_loss aligned`). A flow network that is trained along has a loss of its own: the base, moved, is
    to show each frame.
    """

    loss_names = ("image", "flow")
    scale = None
    takes_brackets = False
    default_net = "deeprep_sr"
    datasets = ("synburst_train", "synburst")

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        parser.add_argument(
            "--sca_flow",
            choices=FLOWS,
            default="dis",
            help="flow by which results are aligned to another camera's ground truth; pwcnet, as published, "
            "needs --pwcnet_path",
        )
        parser.add_argument(
            "--pwcnet_path",
            help="file of the published PWC-Net, for --alignment or --sca_flow; default: none",
        )
        if is_train:
            add_training_options(parser)
        else:
            parser.add_argument(
                "--burst_sizes",
                type=whole_numbers,
                help="numbers of frames, such as 1,2,4,8: a row of scores each, of the first frames; "
                "default: none",
            )

    def build(self, path: str | None = None, resumed: dict[str, Any] | None = None) -> None:
        super().build(path, resumed)
        self.align = None
        if self.opt.is_train and self.opt.burst_loss == "aligned":
            self.align = partial(align, flow=create_flow(self.opt, self.place.device))

    # Training

    def trained_module(self) -> nn.Module:
        return WithFlow(self.network) if learns_flow(self.network) else self.network

    def forward(self) -> None:
        made = self.parallel(self.frames, **self.given)
        self.output, self.flow = made if isinstance(made, tuple) else (made, None)

    def compute_loss(self) -> torch.Tensor:
        border = self.opt.loss_border
        if border is None:
            border = BORDERS.get(self.scale, USUAL_BORDER)
        if self.align:
            aligned = self.align(self.output, self.gt, self.frames)
            image = ALIGNED_WEIGHT * pixelwise("l1", aligned.image, self.gt, border, aligned.mask)
        else:
            image = pixelwise(self.opt.burst_loss, self.output, self.gt, border)
        flow = image.new_zeros(())
        if self.flow is not None:
            flow = self.opt.flow_weight * photometric(self.network, self.frames.float(), self.flow)
        self.losses = {"image": image.detach(), "flow": flow.detach()}
        return image + flow

    # Using

    def variants(self) -> dict[str, Method]:
        """Restoring with the numbers of frames in --burst_sizes."""
        return {f"{number} frames": partial(self._of_first, number) for number in self.opt.burst_sizes or ()}

    def _of_first(self, number: int, frames: torch.Tensor, sample: Mapping[str, Any]) -> torch.Tensor:
        """The result of the first frames."""
        if not 0 < number <= frames.shape[1]:
            raise UserError(f"--burst_sizes {number}: {sample['name'][0]} has {frames.shape[1]} frames")
        per_frame = ("exposure", "noise_map")
        first = {key: value[:, :number] if key in per_frame else value for key, value in sample.items()}
        return self.restore(frames[:, :number], first)

    def facts(self) -> dict[str, Any]:
        known = ("alignment", "descent_steps")
        return {key: self.network.arguments[key] for key in known if key in self.network.arguments}


class WithFlow(nn.Module):
    """A network for bursts that returns the flow, which is learnt, beside the image."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: torch.Tensor, **given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        flow = self.network.flow_of(self.network.ordered(frames))
        return self.network(frames, flow=flow, **given), flow


def learns_flow(network: nn.Module) -> bool:
    """Whether a network for bursts has a flow network that is trained along."""
    alignment = getattr(network, "alignment", None)
    return alignment is not None and any(parameter.requires_grad for parameter in alignment.parameters())


def photometric(network: nn.Module, frames: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of what flow (N, T-1, 2, H, W) moves and what it is to show (2.5, 9)."""
    frames = network.ordered(frames)
    if frames.shape[1] == 1:
        return flow.sum()  # 0
    base = frames[:, :1].expand_as(frames[:, 1:]).flatten(0, 1)
    others = frames[:, 1:].flatten(0, 1)
    source, target = (others, base) if network.flow_from_base else (base, others)
    return pixelwise("l1", warp(source, flow.flatten(0, 1)), target, FLOW_BORDER)


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Options of losses, and the published settings as defaults (specification, 9)."""
    parser.add_argument(
        "--burst_loss",
        choices=(*METRICS, "aligned"),
        default="l1",
        help="of result and target in linear light; aligned: l1 after alignment in place and colour",
    )
    parser.add_argument(
        "--loss_border",
        type=whole,
        help="px that the loss leaves out on each side; default: 40, scale 1: 4",
    )
    parser.add_argument(
        "--flow_weight", type=amount, default=1.0, help="of the loss of a flow network that is trained along"
    )
    parser.set_defaults(
        lr=1e-4, weight_decay=0.0, lr_policy="milestones", lr_milestones=[300, 400], niter=500
    )
    parser.set_defaults(epoch_iters=1000, batch_size=16, val_freq=5, save_epoch_freq=50)
