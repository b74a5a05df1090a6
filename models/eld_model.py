"""Low-light raw restored by one pass of a network: the baseline of ExposureDiffusion (ELD, CVPR 2020)."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.base_model import BaseModel
from models.exposure_process import ExposureProcess
from models.losses import FIDELITY, branch_l1
from models.networks.parts.estimator import Estimate
from util.errors import UserError
from util.parser import boolean
from util.tiling import Tell

Sides = tuple[int, int, int, int]  # px left, right, above and below
MULTIPLE = 16  # px: whole frames are padded to the next multiple above their size, as published


class EldModel(BaseModel):
    """A short frame, amplified to the brightness of the long one and clipped, to that long one.

    `gain` and `ratio` that samples carry go to networks that are made with a photon map.
    """

    loss_names = ("fidelity",)
    default_net = "unet"
    datasets = ("sid_syn", "sid")
    without_effect: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("iter_num", "adaptive_loss"), "the network is evaluated once"),
        "resid": "it is for --net unet without --adaptive_res_and_x0",
    }

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        parser.set_defaults(frame_num=1)
        if is_train:
            parser.add_argument(
                "--loss",
                choices=FIDELITY,
                default="l1",
                help="of result and target: kl is of Poisson laws",
            )
            parser.add_argument(
                "--auxloss",
                type=boolean,
                default=False,
                help="of both branches of the adaptive head as well (--adaptive_res_and_x0 True)",
            )
            parser.set_defaults(lr=1e-4, weight_decay=0.0, lr_policy="halves", niter=200, batch_size=1)
            parser.set_defaults(epoch_iters=1288, patch_size=512, val_freq=10, save_epoch_freq=100)

    def build(self, path: str | Path | None = None, resumed: dict[str, Any] | None = None) -> None:
        asked = f"--model {self.opt.model}"
        if self.opt.frame_num != 1 or self.task.white != 1:
            needed = "restores one frame, amplified to the brightness of its target, whose white is 1"
            raise UserError(f"{asked} {needed}: not those of --dataset_name {self.opt.dataset_name}")
        super().build(path, resumed)
        adaptive = self.network.arguments.get("adaptive_res_and_x0", False)
        if self.opt.is_train and self.opt.auxloss and not adaptive:
            raise UserError("--auxloss is of the two branches of a network with --adaptive_res_and_x0 True")

    # Training

    def trained_module(self) -> nn.Module:
        return ExposureProcess(self.network)

    def normalised(self, sample: dict[str, Any]) -> torch.Tensor:
        """Frames (N, 1, C, H, W), amplified and clipped to [0, 1]."""
        return super().normalised(sample).clamp_(0, 1)

    def carried(self, sample: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """As of the base class; the amplified frames count as exposed as their targets were."""
        given = super().carried(sample)
        return given | ({"exposure": torch.ones_like(given["exposure"])} if "exposure" in given else {})

    def forward(self) -> None:
        exposures = self.frames.new_ones(1, 2)
        self.estimates = self.parallel(self.frames[:, 0], self.given, exposures).estimates

    def compute_loss(self) -> torch.Tensor:
        loss = self.step_loss(self.estimates[0])
        self.losses = {"fidelity": loss.detach()}
        return loss

    def step_loss(self, estimate: Estimate) -> torch.Tensor:
        """The loss of one estimate, with that of its branches by --auxloss."""
        loss = FIDELITY[self.opt.loss](estimate.image.float(), self.gt)
        if self.opt.auxloss:
            branches = (estimate.direct.float(), estimate.by_residual.float(), estimate.mask.float())
            loss = loss + branch_l1(*branches, self.gt)
        return loss

    # Using

    def restored(
        self, network: nn.Module, frames: torch.Tensor, sample: Mapping[str, Any], tell: Tell | None
    ) -> torch.Tensor:
        """As of the base class, of frames that are padded by reflection (specification, 6.2)."""
        left, right, top, bottom = sides = padding(frames.shape[-2:])
        padded = reflected(frames, sides)
        image = self.restored_padded(network, padded, sample, sides, tell)
        return image[..., top : image.shape[-2] - bottom, left : image.shape[-1] - right]

    def restored_padded(
        self,
        network: nn.Module,
        frames: torch.Tensor,
        sample: Mapping[str, Any],
        sides: Sides,
        tell: Tell | None,
    ) -> torch.Tensor:
        """The result for frames that have these px around them."""
        return super().restored(network, frames, sample, tell)


def padding(size: Sequence[int]) -> Sides:
    """Px left, right, above and below that make an image of size (H, W) one of multiples of 16, never 0."""
    height, width = (MULTIPLE - side % MULTIPLE for side in size)
    return width // 2, width - width // 2, height // 2, height - height // 2


def reflected(images: torch.Tensor, sides: Sides) -> torch.Tensor:
    """Images (..., H, W) with `padding` around them, repeated where reflection has too few px."""
    flat = images.flatten(0, -4)
    width, height = images.shape[-1], images.shape[-2]
    mode = "reflect" if max(sides[:2]) < width and max(sides[2:]) < height else "replicate"
    return F.pad(flat, sides, mode=mode).unflatten(0, images.shape[:-3])
