"""HDR from one raw shot with row-varying exposure (SVEHDRI specification)."""

import argparse
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from models.base_model import BaseModel
from models.colour_angle import ANGLE_WEIGHT, DOMAINS, colour_angle_loss
from models.networks import network_class
from models.networks.parts.row_frames import interpolated, packed
from models.networks.parts.spatially_varying import PERIOD
from util.errors import UserError
from util.task import Task
from util.tiling import Tell

RATIO = "exposure ratio"  # in the protocol of data
CLOSE = 1.12  # ratios this near to each other, a sixth of a stop, are one
PACKED_PLANES = 5  # R, G, G, B and a mask


class SveModel(BaseModel):
    """A Bayer radiance map and its guidance mask to linear RGB: absolute error and colour angle.

    A network that counts on the pattern of rows is given the mosaic. Others are given the two exposures as
    frames: a merge without weights the interpolated RGB, the rest packed planes with a plane for the mask.
    """

    loss_names = ("l1", "angle")
    scale = None
    period = PERIOD
    heeds_valid = True
    default_net = "svenet"
    datasets = ("sve", "sve")

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        if is_train:  # specification, 7
            parser.add_argument(
                "--loss_domain",
                choices=DOMAINS,
                default=DOMAINS[0],
                help="of the absolute error: linear light, as published, or mu_law, which sees the dark",
            )
            parser.set_defaults(lr=2e-4, beta2=0.99, weight_decay=0.0, batch_size=16, grad_clip=1.0)
            parser.set_defaults(lr_policy="milestones", lr_milestones=[20, 36, 48, 56], niter=60)
            parser.set_defaults(lr_milestone_factor=0.5, epoch_iters=5000, save_epoch_freq=10)

    @classmethod
    def as_seen_by(cls, network: type[nn.Module], task: Task) -> Task:
        if getattr(network, "period", None) == PERIOD:
            return task
        frames = task._replace(period=(1, 1), carries=())
        if not getattr(network, "trained", True):
            return frames._replace(channels=3)
        return frames._replace(channels=PACKED_PLANES, scale=2)

    # Training

    def set_input(self, sample: dict[str, Any]) -> None:
        super().set_input(sample)
        valid = sample.get("valid")
        self.valid = None if valid is None else valid.to(self.place.device, non_blocking=True)

    def compute_loss(self) -> torch.Tensor:
        l1, angle = colour_angle_loss(self.output, self.gt, self.valid, self.opt.loss_domain)
        self.losses = {"l1": l1.detach(), "angle": angle.detach()}
        return l1 + ANGLE_WEIGHT * angle

    # Using

    def restored(
        self, network: nn.Module, frames: torch.Tensor, sample: Mapping[str, Any], tell: Tell | None
    ) -> torch.Tensor:
        """As of the base class.

        Raises:
            UserError: the weights were made for another ratio than that of the sample, which is measured.
        """
        self._check_ratio(sample)
        return super().restored(network, frames, sample, tell)

    def pictured(self, frames: torch.Tensor) -> torch.Tensor:
        """Each exposure as RGB, interpolated."""
        return interpolated(frames, self.opt.row_order)

    def shown(
        self, frames: torch.Tensor, sample: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """As of the base class: frames (N, 2, 1, H, W) as they are, packed, or interpolated."""
        given = super().shown(frames, sample)[1]
        planes = self.as_seen_by(network_class(self.opt.net), self.task).channels
        if planes == self.task.channels:
            return frames, given
        order = self.opt.row_order
        if planes == PACKED_PLANES:
            return packed(frames, sample["mask"].to(frames), order), given
        return interpolated(frames, order), given

    def _check_ratio(self, sample: Mapping[str, Any]) -> None:
        made = self.made_for.get(RATIO)
        if made is None or self.opt.is_train or self.opt.any_protocol:
            return
        short, long = sample["exposure"][0].tolist()
        if abs(math.log(long / short / float(made))) > math.log(CLOSE):
            ratio = f"the rows of {sample['name'][0]} are exposed 1 : {long / short:.3g}"
            raise UserError(
                f"{ratio}, the weights were trained with an {RATIO} of {made}: --any_protocol True takes them"
            )
